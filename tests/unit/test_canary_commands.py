"""The commands' help, completion and exit codes, and what is to be said of a canary."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from canary import exits, figures, findings
from canary.__main__ import COMMANDS, main
from canary.analysis.limits import Limits
from canary.analysis.strata import Counts, Reading
from canary.counters.measured import Measured, Traffic
from canary.counters.reading import Seen, Unread
from canary.endpoints import Endpoints
from canary.lease import Lease
from canary.overview import ClusterView, StackView
from canary.rollout import dry
from canary.rollout.plan import Plan
from canary.stack import configured, deployed, split
from tests.harness.stacks import config_text, export, table

INTERNAL: dict[str, dict[str, float]] = {
    "/host/world": {"/srv/world-v1": 90.0, "/srv/world-v2": 10.0}
}
NAMES = {"/#/v1": "world-v1", "/#/v2": "world-v2"}
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def test_the_help_tells_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(f"\n    {command.NAME}" in said for command in COMMANDS)


@pytest.mark.parametrize("command", ["status", "set", "completion"])
def test_help_ends_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "python -m canary " in capsys.readouterr().out.partition("example")[2]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_of_a_program_called_canary(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == exits.DONE
    printed = capsys.readouterr().out
    assert "--max-wait" in printed
    assert "python -m" not in printed


@pytest.mark.parametrize(
    "given",
    [["status", "--for", "0"], ["status", "--for", "x"], ["set"], ["set", "1", "--max-wait", "0"]],
)
def test_wrong_usage(given: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2


def test_without_pulumi_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["status"]) == exits.CANNOT
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: cannot run pulumi: No such file or directory; is it on PATH?"


def stack() -> StackView:
    found = deployed.read(export(table("internal", INTERNAL)))
    chosen = split.chosen(found, None)
    values = configured.read(config_text(canaryWeight="10"), "linkerd-canary")
    weights = configured.weights(values, chosen)
    return StackView(found, chosen, values, [], weights, "", weights, values, False)


def cluster(weights: Mapping[str, float] | None = None) -> ClusterView:
    ready = {version: Endpoints(3, 3) for version in NAMES.values()}
    in_force = weights or {"world-v1": 90, "world-v2": 10}
    return ClusterView([in_force], True, True, "kubectl-edit", ["1"], ready, NAMES, seen(), None)


def seen() -> Seen:
    return Seen(0.0, (Reading("node-1", 0.0, 1.0, {}),))


def traffic(v1: int, v2: int, pending: int = 0) -> Traffic:
    def version(count: int, waiting: int = 0) -> Measured:
        return Measured(count, count / 10, Counts(count, 0), pending=waiting)

    return Traffic({"/#/v1": version(v1), "/#/v2": version(v2, pending)}, 10, since_start=True)


def said(found: list[findings.Finding]) -> list[tuple[str, int]]:
    return [(each.text, each.code) for each in found]


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    found = findings.of(stack(), cluster(), traffic(900, 100), NOW)
    assert found == []
    assert findings.verdict(found) == exits.DONE


def test_a_share_that_is_wrong() -> None:
    found = findings.of(stack(), cluster(), traffic(9590, 410), NOW)
    line = "Weight 10 %, but 4.1 % (3.7–4.5) of requests reach world-v2."
    assert said(found) == [(line, exits.FAILED)]


@pytest.mark.parametrize(
    ("behind", "line"),
    [
        (Endpoints(0, 0), "world-v2 has no endpoints: its share goes to world-v1."),
        (Endpoints(0, 2), "world-v2 has no ready pod (0 of 2): the requests of its share fail."),
    ],
)
def test_a_version_without_endpoints_explains_its_share(behind: Endpoints, line: str) -> None:
    bare = {"world-v1": Endpoints(3, 3), "world-v2": behind}
    found = findings.of(stack(), replace(cluster(), endpoints=bare), traffic(10000, 0), NOW)
    assert said(found) == [(line, exits.FAILED)]


def test_a_weight_that_a_rollout_has_just_written_is_no_change() -> None:
    lease = Lease("anna@ws7/1", NOW, NOW, 60, weight="20")
    written = replace(cluster({"world-v1": 80, "world-v2": 20}), agrees=False, rollout=lease)
    found = findings.of(stack(), written, traffic(8000, 2000), NOW)
    assert [code for _, code in said(found)] == [exits.DONE]
    late = findings.of(stack(), written, traffic(8000, 2000), NOW + timedelta(minutes=5))
    assert any("did not come to its end" in text for text, _ in said(late))
    foreign = replace(written, is_own=False)
    found = findings.of(stack(), foreign, traffic(8000, 2000), NOW)
    assert any("changed to 80/20 by kubectl-edit" in text for text, _ in said(found))


def test_a_version_that_hangs() -> None:
    found = findings.of(stack(), cluster(), traffic(9, 0, pending=34), NOW)
    assert said(found) == [("world-v2 answers nothing: 34 requests are waiting.", exits.FAILED)]


@pytest.mark.parametrize(
    ("pending", "line"),
    [
        (1, "world-v2 answers nothing: 1 request is waiting."),
        (2, "world-v2 answers nothing: 2 requests are waiting."),
    ],
)
def test_a_request_or_two_that_are_just_being_answered_are_no_failure(
    pending: int, line: str
) -> None:
    found = findings.of(stack(), cluster(), traffic(0, 0, pending=pending), NOW)
    assert said(found) == [(line, exits.DONE)]


def test_how_many_wait_tells_by_one_look_for_how_long() -> None:
    """10 % of 180 requests in a window of 10 s are 18: those that come in together may be as many.

    A second look, a window later, needs no more than a few.
    """
    for pending, code in ((18, exits.DONE), (19, exits.FAILED)):
        found = findings.of(stack(), cluster(), traffic(180, 0, pending=pending), NOW)
        assert [each.code for each in found if "waiting" in each.text] == [code]
    for seconds, code in ((9.0, exits.DONE), (10.0, exits.FAILED)):
        looks = replace(traffic(180, 0, pending=3), since_start=False, seconds=seconds)
        found = findings.of(stack(), cluster(), looks, NOW)
        assert [each.code for each in found if "waiting" in each.text] == [code]


@pytest.mark.parametrize(("pending", "code"), [(250, exits.DONE), (1001, exits.FAILED)])
def test_two_looks_close_together_are_no_window(pending: int, code: int) -> None:
    """100 requests a second bring 1,000 in a window, whatever was seen of them."""
    v1 = Measured(200, 100.0, Counts(200, 0))
    v2 = Measured(0, 0.0, Counts(0, 0), pending=pending)
    looks = Traffic({"/#/v1": v1, "/#/v2": v2}, 2.0, since_start=False)
    promoted = cluster({"world-v1": 0, "world-v2": 100})
    found = findings.of(stack(), promoted, looks, NOW)
    assert [each.code for each in found if "waiting" in each.text] == [code]


def test_linkerds_that_cannot_be_read() -> None:
    some = replace(seen(), unread=(Unread("node-2", "it is away"),))
    found = findings.of(stack(), replace(cluster(), seen=some), traffic(90, 10), NOW)
    assert said(found) == [("linkerd on node-2 is left out: it is away", exits.DONE)]
    none = replace(cluster(), seen=Seen(0.0, ()))
    assert findings.verdict(findings.of(stack(), none, traffic(0, 0), NOW)) == exits.FAILED


def test_many_linkerds_that_cannot_be_read_for_the_same_reason_are_one_line() -> None:
    def lines(number: int) -> list[str]:
        unread = tuple(Unread(f"node-{n}", "it is away") for n in range(number))
        some = replace(seen(), unread=(*unread, Unread("node-x", "it is new")))
        found = findings.of(stack(), replace(cluster(), seen=some), traffic(90, 10), NOW)
        return [each.text for each in found]

    assert lines(2)[0] == "linkerd on node-0 and node-1 is left out: it is away"
    assert lines(4)[0] == "linkerd on node-0, node-1, node-2 and node-3 is left out: it is away"
    assert lines(300) == [
        "linkerd on node-0, node-1, node-2 and 297 others is left out: it is away",
        "linkerd on node-x is left out: it is new",
    ]


@pytest.mark.parametrize(("every", "said"), [(None, 0), (15.0, 0), (30.0, 0), (60.0, 1)])
def test_a_prometheus_that_scrapes_too_seldom_for_the_steps(every: float | None, said: int) -> None:
    some = replace(cluster(), seen=replace(seen(), every=every))
    found = findings.of(stack(), some, traffic(90, 10), NOW)
    line = (
        "Prometheus scrapes linkerd every 60 s, too seldom for steps of 60 s: set "
        "canaryAnalysis.interval to 180s or more."
    )
    assert [(each.text, each.code) for each in found] == [(line, exits.DONE)] * said
    plan = Plan("world", "world-v1", "world-v2", Limits(), (10.0, 100.0))
    assert (dry.lines(plan, 0, some, load=20)[-1] == line) == bool(said)


def test_while_a_rollout_is_under_way_its_weight_need_not_be_committed() -> None:
    zero = replace(stack(), committed={"world-v1": 100, "world-v2": 0})
    assert findings.verdict(findings.of(zero, cluster(), traffic(9, 1), NOW)) == exits.DRIFTED
    held = Lease("anna@ws7/4121", NOW, NOW, 60, "Progressing")
    under_way = replace(cluster(), rollout=held)
    assert findings.verdict(findings.of(zero, under_way, traffic(9, 1), NOW)) == exits.DONE
    later = NOW + timedelta(seconds=61)
    assert findings.verdict(findings.of(zero, under_way, traffic(9, 1), later)) == exits.HELD


def test_drift_comes_before_a_failed_check() -> None:
    drifted = replace(cluster({"world-v1": 50, "world-v2": 50}), agrees=False)
    bare = replace(drifted, endpoints={"world-v1": Endpoints(1, 1), "world-v2": Endpoints(0, 0)})
    found = findings.of(stack(), bare, traffic(9, 1), NOW)
    assert {each.code for each in found} == {exits.DRIFTED, exits.FAILED}
    assert findings.verdict(found) == exits.DRIFTED


def test_a_success_is_never_rounded_to_all() -> None:
    assert figures.success(1_000_000, 1) == "99.99 % of 1,000,000"
    assert figures.success(100, 0) == "100 % of 100"
    assert figures.success(0, 0) == "no requests"


def test_a_trend() -> None:
    assert figures.trend([0, 1, 8]) == "▁▂█"
    assert figures.trend([0, 0]) == ""
