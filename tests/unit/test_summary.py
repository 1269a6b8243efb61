"""The summary of a preview: corner cases, by logs made by hand."""

import io
from pathlib import Path
from typing import Any

import pytest

from canary import events, report
from canary.__main__ import main
from canary.errors import CanaryError
from canary.report import LIMIT
from tests.unit import logs
from tests.unit.logs import ended, error, refreshed, step, table, violation

OLD, NEW = table({"v1": 90, "v2": 10}), table({"v1": 60, "v2": 40})
DEPLOYMENT = "linkerd-canary:mesh:Namerd$kubernetes:apps/v1:Deployment"


def summary(*parts: list[logs.Event], ending: list[logs.Event] | None = None) -> str:
    return report.document(events.read(logs.text(*parts, ending=ending), "the log"))


def lines(*parts: list[logs.Event], ending: list[logs.Event] | None = None) -> list[str]:
    return [line for line in summary(*parts, ending=ending).splitlines() if line]


def test_a_weight_change() -> None:
    assert summary(refreshed(OLD), step("update", OLD, NEW)) == (
        "### Preview of `dev`\n\n"
        "**`/host/world`** in table `internal`\n\n"
        "| branch | now | after |\n"
        "| --- | ---: | ---: |\n"
        "| `v1` | 90 % | **60 %** |\n"
        "| `v2` | 10 % | **40 %** |\n\n"
        "**Resources**: 1 changed\n\n"
        "- changed `Dtab` `internal`: `splits`\n"
    )


def test_weights_finer_than_a_percent() -> None:
    new = {"splits": {"/host/world": {"v1": 99.99, "v2": 0.01}}}
    old = {"splits": {"/host/world": {"v1": 99.5, "v2": 0.5}}}
    shown = lines(step("update", old, new))
    assert "| `v1` | 99.5 % | **99.99 %** |" in shown
    assert "| `v2` | 0.5 % | **0.01 %** |" in shown


def test_what_a_program_leaves_as_it_is_has_not_drifted() -> None:
    """The count of an autoscaler, say; but of a table it is told who else changed it."""
    old, live = {"count": 3}, {"count": 5}
    parts = refreshed(old, live, "nodes", DEPLOYMENT)
    assert "**Drift**" in summary(parts, step("update", live, old, "nodes", DEPLOYMENT))
    assert lines(parts, step("same", live, live, "nodes", DEPLOYMENT))[1] == (
        "Nothing changes, and nothing has drifted."
    )


def test_what_says_how_to_change_a_table_does_not_drift() -> None:
    old = {**OLD, "baseline": {"/host/world": "v1"}, "max_weight_step": 5, "adopt": True}
    assert lines(refreshed(old, OLD), step("same", old, old))[1] == (
        "Nothing changes, and nothing has drifted."
    )


def test_nothing() -> None:
    assert lines(refreshed(OLD), step("same", OLD, OLD)) == [
        "### Preview of `dev`",
        "Nothing changes, and nothing has drifted.",
    ]


def test_drift_that_was_not_looked_for() -> None:
    assert lines(step("same", OLD, OLD))[1] == "Nothing changes, and nobody has looked for drift."


def test_an_unchanged_split_beside_a_changed_one_is_not_shown() -> None:
    old = {"splits": {"/a": {"v1": 100}, "/b": {"v1": 100, "v2": 0}}}
    new = {"splits": {"/a": {"v1": 100}, "/b": {"v1": 99, "v2": 1}}}
    shown = summary(step("update", old, new))
    assert "`/b`" in shown
    assert "`/a`" not in shown


def test_branches_and_splits_that_come_and_go() -> None:
    old = {"splits": {"/a": {"v1": 90, "v2": 10}, "/gone": {"v1": 100}}}
    new = {"splits": {"/a": {"v2": 100, "v3": 0}, "/new": {"v1": 100}}}
    assert lines(step("update", old, new))[1:-2] == [
        "**`/a`** in table `internal`",
        "| branch | now | after |",
        "| --- | ---: | ---: |",
        "| `v1` | 90 % | **–** |",
        "| `v2` | 10 % | **100 %** |",
        "| `v3` | – | **0 %** |",
        "**`/gone`** in table `internal`",
        "| branch | now | after |",
        "| --- | ---: | ---: |",
        "| `v1` | 100 % | **–** |",
        "**`/new`** in table `internal`",
        "| branch | now | after |",
        "| --- | ---: | ---: |",
        "| `v1` | – | **100 %** |",
    ]


def test_drift_alone_of_a_refresh() -> None:
    live = {**NEW, "dentries": ["/svc => /elsewhere"]}
    assert lines(refreshed(OLD, live)) == [
        "### Preview of `dev`",
        "**`/host/world`** in table `internal`, **changed by somebody else**",
        "| branch | deployed | live |",
        "| --- | ---: | ---: |",
        "| `v1` | 90 % | **60 %** |",
        "| `v2` | 10 % | **40 %** |",
        "Entries of table `internal`, **changed by somebody else**:",
        "```diff",
        "- /svc => /host",
        "+ /svc => /elsewhere",
        "```",
        "**Drift**: changed outside of Pulumi",
        "- `Dtab` `internal`: `dentries`, `splits`",
    ]


def test_a_table_that_is_not_followed_or_kept_by_another_is_told() -> None:
    was = OLD
    line = "linkerd l5d-x on node n2 sends /svc/world to 100 % world-v1, not to 90 % world-v1"
    keeper = "resource 'internal' of the stack organization/shop/staging"
    told = summary(refreshed(was, {**was, "lagging": [line], "kept_by": keeper}))
    assert f"**Not followed everywhere**: table `internal`\n\n- `{line}`" in told
    assert f"Table `internal` is **kept by another**: the `{keeper}`" in told
    assert "**Drift**" in told
    over = summary(refreshed({**was, "lagging": [line], "kept_by": keeper}, was))
    assert "nothing has drifted" in over


def test_what_an_update_did_not_save_is_not_somebody_elses() -> None:
    live = {**NEW, "dentries": ["/svc => /elsewhere"], "unsaved": "written by an update …"}
    by = "an update of this stack that is under way, or did not come to its end"
    shown = lines(refreshed(OLD, live))
    assert f"**`/host/world`** in table `internal`, **written by {by}**" in shown
    assert f"Entries of table `internal`, **written by {by}**:" in shown
    assert shown[-2:] == [
        f"**Not in the state**: written by {by}",
        "- `Dtab` `internal`: `dentries`, `splits`, `unsaved`",
    ]
    assert "somebody else" not in "\n".join(shown)
    saved = {key: value for key, value in live.items() if key != "unsaved"}
    assert "nothing has drifted" in summary(refreshed(live, saved))


def test_a_refreshs_own_names_of_what_it_means_for_the_state() -> None:
    before, after = refreshed(OLD, NEW)
    after["resOutputsEvent"]["metadata"]["op"] = "update"
    found = events.read(logs.text([before, after]), "the log")
    assert [(each.op, each.new) for each in found.refreshed.values()] == [("refresh", NEW)]
    assert found.steps == {}


def test_drift_that_the_program_agrees_with() -> None:
    shown = lines(refreshed(OLD, NEW), step("same", NEW, NEW))
    assert "| `v1` | 90 % | 60 % | 60 % |" in shown
    assert "Nothing changes, and nothing has drifted." not in shown


def test_resources() -> None:
    old = {"spec": {"replicas": 1, "labels": {"a.b": "x"}, "ports": [{"port": 1}], "list": [1]}}
    new = {"spec": {"replicas": 2, "labels": {"a.b": "y"}, "ports": [{"port": 2}], "list": []}}
    assert lines(
        step("create", None, new, "one", DEPLOYMENT),
        step("update", old, new, "two", DEPLOYMENT),
        step("create-replacement", old, new, "three", DEPLOYMENT, keys=["spec"]),
        step("replace", old, new, "three", DEPLOYMENT, keys=["spec"]),
        step("delete-replaced", old, None, "three", DEPLOYMENT, keys=["spec"]),
        step("delete", old, None, "four", DEPLOYMENT),
        step("same", old, old, "five", DEPLOYMENT),
        step("create", None, {}, "default_1", "pulumi:providers:kubernetes"),
    )[1:] == [
        "**Resources**: **1 replaced**, **1 deleted**, 1 changed, 1 made, 1 unchanged",
        "- **replaced** `Deployment` `three`: `spec`",
        "- **deleted** `Deployment` `four`",
        (
            '- changed `Deployment` `two`: `spec.labels["a.b"]`, `spec.list`, '
            "`spec.ports[0].port`, `spec.replicas`"
        ),
        "- made `Deployment` `one`",
    ]


def test_no_value_but_those_of_routes_is_shown() -> None:
    old, new = {"data": {"key": "old-s3cret"}}, {"data": {"key": "new-s3cret"}}
    hidden = {"stringData": "[secret]", "__provider": "s3cret-1"}
    shown = summary(
        step("update", old, new, "one", DEPLOYMENT),
        refreshed(old, new, "two", DEPLOYMENT),
        step("update", hidden, {**hidden, "__provider": "s3cret-2"}, "three", DEPLOYMENT),
        step("update", {"kubeconfig": "[secret]"}, {"kubeconfig": "[secret]"}, "four", DEPLOYMENT),
    )
    assert "s3cret" not in shown
    assert "- changed `Deployment` `one`: `data.key`" in shown
    assert "- changed `Deployment` `three`: only what is secret" in shown


def test_routes_that_are_secret_or_unknown() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert "%" not in summary(step("update", {"splits": "[secret]"}, {"splits": "[secret]"}))
    shown = summary(step("update", OLD, table({"v1": unknown, "v2": unknown})))
    assert "| `v1` | 90 % | **not known yet** |" in shown
    assert unknown not in shown


def test_policies() -> None:
    packs: dict[str, Any] = {"PolicyPacks": {"canary|local|/home/me/policy": "0.1.0"}}
    passed: list[logs.Event] = [{"policyAnalyzeSummaryEvent": {"passed": ["a", "b"]}}]
    assert "**Policies**: 2 kept" in lines(passed, ending=ended(**packs))
    assert lines(
        violation("images", "an image without a tag"),
        violation("ranges", "open to all", "advisory"),
        error("preview failed"),
        ending=ended(failed=True, **packs),
    )[1:] == [
        "**The preview failed:** an update would stop.",
        "**Policies**: 1 kept, **2 broken**",
        "- **mandatory** `images` by `web`: `an image without a tag`",
        "- advisory `ranges` by `web`: `open to all`",
    ]


def test_a_failed_preview_says_why_and_what_it_saw() -> None:
    shown = lines(
        refreshed(OLD, NEW),
        error("<{%fg 1%}>first<{%reset%}>\nsecond\x1b[0m\n"),
        error("first\nsecond"),
        error("preview failed"),
        ending=ended(failed=True),
    )
    assert shown[1:5] == [
        "**The preview failed:** an update would stop.",
        "```",
        "first",
        "second",
    ]
    assert "| `v2` | 10 % | **40 %** |" in shown


def test_a_preview_that_was_cut_off() -> None:
    whole = logs.text(refreshed(OLD, NEW), step("update", NEW, OLD), ending=[])
    for cut in (whole, whole[:-1], whole + '{"sequence": 9, "resourcePre'):
        shown = report.document(events.read(cut, "the log"))
        assert "**The preview was cut off: what follows may be incomplete.**" in shown
        assert "| `v2` | 10 % | 40 % | **10 %** |" in shown


def test_a_preview_that_did_not_begin() -> None:
    shown = report.document(events.read("", "the log"))
    assert shown == "### Preview\n\n**The preview was not begun.** The job's log says more.\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}\n", "the log, line 1, is no engine event: give the log of `PULUMI_DEBUG_COMMANDS="),
        ("Previewing update (dev)\n\nmore", "the log, line 1, is no engine event"),
        ('{"sequence": 1}\nno\n{"sequence": 2}\n', "the log, line 2, is no engine event"),
        ('{"steps": []}\n', "not what --json prints"),
        ('{"sequence": 1, "resourcePreEvent": {}}\n', "an event of an unknown form: KeyError"),
        ('{"sequence": 1, "resourcePreEvent": 7}\n', "an event of an unknown form: TypeError"),
    ],
)
def test_what_is_no_log_is_one_line(text: str, said: str) -> None:
    with pytest.raises(CanaryError) as failed:
        events.read(text, "the log")
    assert said in str(failed.value)
    assert "\n" not in str(failed.value)


def test_names_with_colons() -> None:
    assert "- made `Deployment` `a::b`" in lines(step("create", None, {}, "a::b", DEPLOYMENT))


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log, job = tmp_path / "log", tmp_path / "job.md"
    log.write_text(logs.text(step("update", OLD, NEW)))
    job.write_text("what an earlier step wrote\n")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert main(["summary", str(log)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("### Preview of `dev`\n")
    assert job.read_text() == "what an earlier step wrote\n"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job))
    assert main(["summary", str(log)]) == 0
    assert capsys.readouterr().out == shown
    assert job.read_text() == f"what an earlier step wrote\n{shown}"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing", None, "error: cannot read {}: No such file or directory\n"),
        ("binary", b"\xff\xfe", "error: {} is no text\n"),
    ],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    said: str,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert main(["summary", str(path)]) == 1
    assert capsys.readouterr().err == said.format(path)


def test_a_job_summary_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    log.write_text(logs.text(step("same", OLD, OLD)))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "job.md"))
    assert main(["summary", str(log)]) == 1
    assert "error: cannot write $GITHUB_STEP_SUMMARY" in capsys.readouterr().err


def test_a_huge_preview_fits_and_keeps_what_matters_most() -> None:
    long = "x" * 1000
    many: dict[str, Any] = {f"/p{n}": {f"v{m}{long}": 2 for m in range(50)} for n in range(50)}
    parts = [step("update", {"splits": {}}, {"splits": many})]
    parts += [
        step("update", {"a": 1}, {long + str(n): 1 for n in range(9)}, f"{n}{long}")
        for n in range(300)
    ]
    parts += [violation(f"rule{n}", long, name=long) for n in range(100)]
    parts += [error(f"{n}{long}\n" * 3) for n in range(100)]
    shown = summary(*parts, ending=ended(failed=True, PolicyPacks={"a": "1"}))
    assert len(shown) <= LIMIT < 65_536
    assert shown.startswith("### Preview of `dev`\n\n**The preview failed:**")
    assert "**`/p0`**" in shown
    assert "… and 260 more" in shown
    assert shown.endswith("\n\n… and more, which does not fit here: see the job's log.\n")


def test_a_long_list_is_folded_and_bounded() -> None:
    made = [step("create", None, {}, f"r{n}", DEPLOYMENT) for n in range(50)]
    shown = lines(*made)
    assert shown[1:4] == [
        "**Resources**: 50 made",
        "<details><summary>all 50</summary>",
        "- made `Deployment` `r0`",
    ]
    assert shown[-2:] == ["- … and 10 more", "</details>"]


def test_the_log_may_come_by_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(logs.text(step("same", OLD, OLD))))
    assert main(["summary", "-"]) == 0
    assert "Nothing changes" in capsys.readouterr().out


def test_entries_that_change_places_are_shown() -> None:
    """Of two entries for a path, the later one goes first."""
    old = {**OLD, "dentries": ["/a => /b", "/c => /d", "/e => /f"]}
    moved = {**OLD, "dentries": ["/c => /d", "/a => /b", "/e => /f"]}
    for parts, by in (
        ((refreshed(old), step("update", old, moved)), "changed"),
        ((refreshed(old, moved), step("same", moved, moved)), "**changed by somebody else**"),
    ):
        shown = summary(*parts)
        assert f"Entries of table `internal`, {by}:" in shown
        for line in ("- /c => /d", "+ /c => /d"):
            assert line in shown.splitlines()
        assert "/e" not in shown


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"splits": "[unknown]"}, "**not known yet**"),
        ({"splits": {"/host/world": "[unknown]"}}, "**not known yet**"),
        ({"splits": "[secret]"}, "**secret**"),
        ({"splits": {"/host/world": {"v1": "[secret]", "v2": "[secret]"}}}, "**secret**"),
    ],
)
def test_weights_that_are_not_told_are_not_gone(given: dict[str, Any], said: str) -> None:
    shown = lines(refreshed(OLD), step("update", OLD, {**OLD, **given}))
    assert f"| `v1` | 90 % | {said} |" in shown
    assert f"| `v2` | 10 % | {said} |" in shown
