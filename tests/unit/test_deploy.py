"""`python -m canary deploy` and `outcome`: what rises, whose commit it was, and what is told."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary import deploying, exits, outcomes, overview
from canary.__main__ import main
from canary.analysis.limits import Limits
from canary.deploying import rises
from canary.errors import CanaryError
from canary.outcomes import Outcome, Record, Rollout
from canary.overview import Known
from canary.rollout import journal, running
from canary.rollout.events import Begun
from canary.rollout.journal import Header, Journal
from canary.rollout.plan import Plan
from canary.stack import commits, configured, deployed, split, whole
from canary.stack.alone import alone
from canary.stack.cli import Cli
from canary.stack.deployed import NoTablesError
from kube.errors import (
    DeniedError,
    OneLineError,
    TimedOutError,
    UnauthorizedError,
    UnreachableError,
)
from local.paths import ROOT
from tests.harness.fake_github import PERSON, FakeGitHub, fake_github
from tests.harness.stacks import config_text, export, table
from tests.harness.waiting import wait_until

WORLD: dict[str, dict[str, float]] = {"/host/world": {"/srv/world-v1": 90, "/srv/world-v2": 10}}
WEB: dict[str, dict[str, float]] = {"/host/web": {"/srv/web-a": 50, "/srv/web-b": 50}}
TWO = {
    "world": {"port": 80, "versions": {"v1": {}, "v2": {}}, "weights": {"v1": 60, "v2": 40}},
    "web": {"port": 80, "versions": {"a": {}, "b": {}}, "weights": {"a": 20, "b": 80}},
}


def known(splits: dict[str, dict[str, float]], **config: Any) -> Known:
    found = deployed.read(export(table("internal", splits)))
    values = configured.read(config_text(**config), "linkerd-canary")
    return Known(found, values, [], None, False)


def found(splits: dict[str, dict[str, float]], **config: Any) -> list[tuple[str, float, float]]:
    return [(each.canary, each.before, each.wanted) for each in rises(known(splits, **config))]


def services(**given: Any) -> str:
    return json.dumps({**TWO, **given})


def test_a_weight_above_that_of_the_last_update_rises() -> None:
    assert found(WORLD, canaryWeight="40") == [("world-v2", 10, 40)]
    (rise,) = rises(known(WORLD, canaryWeight="40"))
    assert rise.service == "world"
    assert rise.known.split.baseline == "world-v1"


@pytest.mark.parametrize("weight", ["10", "5", "0"])
def test_one_that_does_not_rises_not(weight: str) -> None:
    assert found(WORLD, canaryWeight=weight) == []


def test_each_split_is_looked_at() -> None:
    both = found({**WORLD, **WEB}, services=services(), canaryWeight="0")
    assert both == [("web-b", 50, 80), ("world-v2", 10, 40)]
    falls = {**TWO["web"], "weights": {"a": 80, "b": 20}}
    one = found({**WORLD, **WEB}, services=services(web=falls), canaryWeight="0")
    assert one == [("world-v2", 10, 40)]


def test_a_canary_that_was_not_there_rises_from_0() -> None:
    assert found({"/host/world": {"/srv/world-v1": 100}}, canaryWeight="5") == [("world-v2", 0, 5)]
    other: dict[str, dict[str, float]] = {"/host/world": {"/srv/world-v0": 60, "/srv/world-v1": 40}}
    assert found(other, canaryWeight="5") == [("world-v2", 0, 5)]


@pytest.mark.parametrize(
    "config",
    [
        # A service that the last update did not split.
        {"services": services(world={"port": 80}), "canaryWeight": "0"},
        # Three versions.
        {
            "services": services(
                world={
                    "port": 80,
                    "versions": {"v1": {}, "v2": {}, "v3": {}},
                    "weights": {"v1": 10, "v2": 50, "v3": 40},
                }
            ),
            "canaryWeight": "0",
        },
        # What the program refuses.
        {"canaryWeight": "140"},
        {"services": "{}"},
    ],
)
def test_the_rest_is_a_matter_of_the_update(config: dict[str, str]) -> None:
    assert found(WORLD, **config) == []


def test_a_state_without_tables_is_told_from_other_trouble() -> None:
    for text in ('{"deployment": {}}', export()):
        with pytest.raises(NoTablesError):
            deployed.read(text)
    with pytest.raises(CanaryError) as unknown:
        deployed.read("[]")
    assert not isinstance(unknown.value, NoTablesError)


# Several at once


class Deployed:
    """A stack of two splits whose weights rise, with rollouts that end as a test wants."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.settings = folder / "Pulumi.dev.yaml"
        self.settings.write_text("config: {}  # as it was committed\n")
        self.codes: dict[str, int] = {}
        self.words: list[str] = []
        self.ran: list[tuple[str | None, float]] = []
        whole_stack = known({**WORLD, **WEB}, services=services(), canaryWeight="0")
        monkeypatch.setattr(overview, "known", lambda *_: whole_stack)
        monkeypatch.setattr(deploying, "_must_be_free", lambda _: None)
        monkeypatch.setattr(whole, "up", self._up)
        monkeypatch.setattr(running, "run", self._run)
        monkeypatch.setattr(journal, "last", self._journal)

    def _up(self, _: object, words: list[str]) -> None:
        self.words = words
        self.settings.write_text("held\n")

    def _run(self, given: running.Given, _: Path) -> int:
        self.ran.append((given.service, given.to))
        return self.codes.get(given.service or "", exits.DONE)

    def _journal(self, folder: Path, stack: str, service: str) -> Journal:
        plan = Plan(service, f"{service}-1", f"{service}-2", Limits(), (100,))
        header = Header("99991231T000000Z", stack, plan, "anna@ws7")
        return Journal(folder / "journal", header, (Begun(0, 25),))

    def deploy(self) -> int:
        outcome = self.folder / "deployment.json"
        given = deploying.Given(
            policy_pack="policy", report=self.folder / "r.html", outcome=outcome
        )
        return deploying.deploy(given, self.folder)


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    return Deployed(tmp_path, monkeypatch)


def test_several_are_held_for_one_update_and_roll_out_one_after_the_other(both: Deployed) -> None:
    assert both.deploy() == exits.DONE
    config = [both.words[i + 1] for i, word in enumerate(both.words) if word == "--config"]
    name = "linkerd-canary:services"
    assert both.words[:2] == ["--policy-pack", "policy"]
    assert config == [
        *(f"{name}.web.weights.b=50", f"{name}.web.weights.a=50"),
        *(f"{name}.world.weights.v2=10", f"{name}.world.weights.v1=90"),
    ]
    assert both.ran == [("web", 80), ("world", 40)]
    assert both.settings.read_text() == "config: {}  # as it was committed\n"
    assert {path.name for path in both.folder.glob("*.html")} == {"r-web.html", "r-world.html"}


def test_none_follows_one_that_did_not_end_well(both: Deployed) -> None:
    both.codes["web"] = exits.HELD
    assert both.deploy() == exits.HELD
    assert both.ran == [("web", 80)]
    assert both.settings.read_text() == "held\n", "it says what is in force"
    web, world = outcomes.read(both.folder / "deployment.json").rollouts
    assert (web.code, web.in_force) == (exits.HELD, 25)
    assert (world.code, world.in_force) == (None, 10)


def test_the_settings_are_not_put_back_while_another_command_writes_them(
    both: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pulumi up --config` has emptied them as the last rollout ends."""
    other, asked = ExitStack(), list[tuple[str, ...]]()
    written = "config: {'linkerd-canary:replicas': '3'}\n"

    def run(given: running.Given, folder: Path) -> int:
        if given.service == "world":
            other.enter_context(alone(folder))
            both.settings.write_text("")
        return exits.DONE

    def end(_: float) -> None:
        both.settings.write_text(written)
        other.close()

    def ask(_: Cli, *words: str) -> str:
        asked.append(words)
        return ""

    monkeypatch.setattr(running, "run", run)
    monkeypatch.setattr("canary.stack.alone.time.sleep", end)
    monkeypatch.setattr(Cli, "ask", ask)
    with other:
        assert both.deploy() == exits.DONE
    assert both.settings.read_text() == written
    assert {words[:2] for words in asked} == {("config", "rm")}, "what it set alone"


# The commit


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(
        ["git", *who, "-C", folder, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(clone: Path, **config: Any) -> str:
    given = {f"linkerd-canary:{key}": value for key, value in config.items()}
    (clone / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": given}))
    git(clone, "add", ".")
    git(clone, "commit", "-q", "--allow-empty", "-m", str(config))
    return git(clone, "rev-parse", "HEAD")


def raised_by(clone: Path) -> str:
    state = known(WORLD).deployed
    return commits.raised_by(clone, state, split.chosen(state, None))


def test_the_commit_that_raised_the_weight(clone: Path) -> None:
    assert raised_by(clone) == ""
    commit(clone, canaryWeight=10)
    raised = commit(clone, canaryWeight=40)
    assert raised_by(clone) == raised
    commit(clone, canaryWeight=40, replicas=3)
    (clone / "other").write_text("")
    commit(clone, canaryWeight=40, replicas=3)
    assert raised_by(clone) == raised


def test_after_a_revert_it_is_the_commit_that_first_had_as_much(clone: Path) -> None:
    commit(clone, canaryWeight=0)
    ten = commit(clone, canaryWeight=10)
    commit(clone, canaryWeight=40)
    commit(clone, canaryWeight=10)
    assert raised_by(clone) == ten


def test_a_merged_pull_request_is_the_commit_that_merged_it(clone: Path) -> None:
    commit(clone, canaryWeight=10)
    git(clone, "checkout", "-q", "-b", "canary-40")
    commit(clone, canaryWeight=30)
    commit(clone, canaryWeight=40)
    git(clone, "checkout", "-q", "main")
    git(clone, "merge", "-q", "--no-ff", "-m", "Merge", "canary-40")
    assert raised_by(clone) == git(clone, "rev-parse", "HEAD")


def test_a_weight_that_was_always_there_is_of_the_first_commit(clone: Path) -> None:
    first = commit(clone, canaryWeight=40)
    commit(clone, canaryWeight=40, replicas=2)
    assert raised_by(clone) == first


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_shallow_clone_names_no_commit_that_it_may_end_after(
    clone: Path, tmp_path_factory: pytest.TempPathFactory, depth: int
) -> None:
    """Git shows every file of the last commit that it has as added by that one."""
    commit(clone, canaryWeight=10)
    raised = commit(clone, canaryWeight=40)
    for name in ("a", "b"):
        (clone / name).write_text("")
        git(clone, "add", name)
        git(clone, "commit", "-q", "-m", name)
    shallow = tmp_path_factory.mktemp("shallow")
    git(shallow, "clone", "-q", f"--depth={depth}", f"file://{clone}", ".")
    assert raised_by(shallow) == (raised if depth == 4 else "")


def test_no_commit_is_named_outside_of_a_repository(tmp_path: Path) -> None:
    assert raised_by(tmp_path) == ""


# What is left


BACK = Rollout("world", "world-v2", 10, 40, "abc", 0, exits.FAILED, "world-v2 was rolled back.")
DONE = replace(BACK, in_force=40, code=exits.DONE, said="world-v2 was promoted.")
NOT_BEGUN = replace(BACK, service="web", canary="web-b", in_force=10, code=None, said="")


def test_an_outcome_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = Record(tmp_path / "deployment.json")
    record.begin("Pulumi.dev.yaml", (replace(BACK, in_force=10, code=None, said=""), NOT_BEGUN), {})
    begun = outcomes.read(tmp_path / "deployment.json")
    assert (begun.code, len(begun.open_rollouts)) == (None, 2), "it may be killed at any time"
    record.rolled_out(0, code=exits.FAILED, said=BACK.said, in_force=0.0)
    record.end(exits.FAILED)
    read = outcomes.read(tmp_path / "deployment.json")
    assert read == Outcome("Pulumi.dev.yaml", (BACK, NOT_BEGUN), exits.FAILED)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"deployment": 2}', '{"deployment": 1}'])
def test_a_file_that_is_no_outcome_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(text)
    with pytest.raises(CanaryError, match="is no outcome of a deployment"):
        outcomes.read(path)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CanaryError, match="No such file or directory"):
        Record(tmp_path / "none" / "deployment.json").begin("", (), {})


def test_the_summary_has_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    record = Record(None)
    record.end(exits.DONE)
    assert summary.read_text() == "", "nothing is said where nothing rose"
    record.begin("Pulumi.dev.yaml", (BACK, NOT_BEGUN), {})
    record.end(exits.FAILED)
    assert summary.read_text() == (
        "### Deployment\n\n"
        "| version | before | config | in force |\n| --- | ---: | ---: | ---: |\n"
        "| `world-v2` | 10 % | 40 % | 0 % |\n"
        "| `web-b` | 10 % | 40 % | 10 % |\n\n"
        "`world-v2 was rolled back.`\n\n"
        "`The rollout of web-b did not come to its end, or was not begun.`\n"
    )
    summary.write_text("")
    record.begin("", (), {})
    record.end(exits.CANNOT, "pulumi up failed: what it said is above")
    assert summary.read_text() == (
        "### Deployment\n\n**The deployment failed:** `pulumi up failed: what it said is above`\n"
    )


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    with fake_github() as fake:
        for name, value in fake.environment().items():
            monkeypatch.setenv(name, value)
        yield fake


def tell(folder: Path, capsys: pytest.CaptureFixture[str], outcome: Outcome) -> str:
    path = folder / "deployment.json"
    record = Record(path)
    record.begin(outcome.settings, outcome.rollouts, outcome.weights)
    if outcome.code is not None:
        record.end(outcome.code, outcome.error)
    assert main(["outcome", str(path), "--stack", "dev"]) == 0
    return capsys.readouterr().out


def test_one_issue_is_open_until_a_deployment_ends_well(
    github: FakeGitHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    github.issue("copied", "<!-- linkerd-canary deployment dev -->\ncopied", PERSON)
    number = github.merged("abc")
    failed = Outcome("Pulumi.dev.yaml", (BACK,), exits.FAILED)
    assert tell(tmp_path, capsys, failed) == "opened https://github.example/i/2\n"
    issue = github.issues[1]
    assert issue["body"] == (
        "<!-- linkerd-canary deployment dev -->\n"
        "### `dev` does not have what `Pulumi.dev.yaml` says\n\n"
        "| version | before | config | in force |\n| --- | ---: | ---: | ---: |\n"
        "| `world-v2` | 10 % | 40 % | 0 % |\n\n"
        "`world-v2 was rolled back.`\n\n"
        f"**Revert #{number}**, which raised `world-v2`.\n\n"
        "Each deployment until then rolls `world-v2` out again, by steps. This issue closes by "
        "itself once a deployment has brought about what Git has.\n\n"
        "<!-- wanted world-v2 40 -->\n\n"
        "<sub>[log](https://github.example/octo/canary/actions/runs/42)</sub>\n"
    )
    held = Outcome("Pulumi.dev.yaml", (replace(BACK, in_force=20, code=exits.HELD),), exits.HELD)
    assert tell(tmp_path, capsys, held) == "brought up to date https://github.example/i/2\n"
    assert "| `world-v2` | 10 % | 40 % | 20 % |" in issue["body"]
    done = Outcome("Pulumi.dev.yaml", (DONE,), exits.DONE)
    assert tell(tmp_path, capsys, done) == "closed https://github.example/i/2\n"
    assert (issue["state"], github.issues[0]["state"]) == ("closed", "open")
    assert tell(tmp_path, capsys, Outcome(code=exits.DONE)) == "what Git has is in force\n"


def test_a_last_step_that_was_not_passed_is_not_accepted_by_the_next_deployment(
    github: FakeGitHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = replace(BACK, in_force=40, code=exits.HELD, said="world-v2 was held.")
    weights = {"world-v2": 40.0}
    tell(tmp_path, capsys, Outcome("Pulumi.dev.yaml", (held,), exits.HELD, weights=weights))
    issue = github.issues[0]
    assert "`world-v2` has its weight, and its last step was not passed" in issue["body"]
    after = Outcome(code=exits.DONE, weights=weights)
    assert tell(tmp_path, capsys, after) == (
        "the issue stays open: the last step of world-v2 was not passed\n"
    )
    assert issue["state"] == "open"
    reverted = Outcome(code=exits.DONE, weights={"world-v2": 10.0})
    assert tell(tmp_path, capsys, reverted).startswith("closed ")


def test_a_canary_that_never_passed_is_not_forgotten_over_another(
    github: FakeGitHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = replace(BACK, in_force=40, code=exits.HELD, said="world-v2 was held.")
    weights = {"world-v2": 40.0, "web-b": 80.0}
    tell(tmp_path, capsys, Outcome("Pulumi.dev.yaml", (held,), exits.HELD, weights=weights))
    issue = github.issues[0]
    assert (
        issue["body"]
        .partition("\n")[2]
        .startswith("### `dev` has, without having passed, what `Pulumi.dev.yaml` says\n")
    )
    assert "out again, by steps" not in issue["body"]
    back = replace(BACK, service="web", canary="web-b", wanted=80)
    tell(tmp_path, capsys, Outcome("Pulumi.dev.yaml", (back,), exits.FAILED, weights=weights))
    assert "`world-v2` has its weight, and its last step was not passed" in issue["body"]
    assert "Each deployment until then rolls `web-b` out again" in issue["body"]
    done = replace(back, code=exits.DONE, in_force=80)
    tell(tmp_path, capsys, Outcome("Pulumi.dev.yaml", (done,), exits.DONE, weights=weights))
    assert issue["state"] == "open"


def test_a_commit_without_a_pull_request_is_named_itself(
    github: FakeGitHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = (BACK, replace(NOT_BEGUN, commit=""))
    tell(tmp_path, capsys, Outcome("Pulumi.dev.yaml", two, exits.FAILED))
    body = github.issues[0]["body"]
    assert "**Revert abc (of no pull request)**, which raised `world-v2`." in body
    assert "**Revert the change**, which raised `web-b`." in body


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("Pulumi.dev.yaml", (NOT_BEGUN,), exits.CANNOT, "pulumi up failed"),
        Outcome(code=exits.DRIFTED, error="anna@ws7 runs a rollout"),
        Outcome(),
    ],
)
def test_what_was_not_rolled_out_leaves_the_issue_as_it_is(
    github: FakeGitHub, tmp_path: Path, capsys: pytest.CaptureFixture[str], outcome: Outcome
) -> None:
    assert tell(tmp_path, capsys, outcome).startswith("nothing was rolled out: the issue")
    assert github.requests == []


def test_a_deployment_that_did_not_begin_leaves_it_too(
    github: FakeGitHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["outcome", str(tmp_path / "none.json"), "--stack", "dev"]) == 0
    assert capsys.readouterr().out.startswith("the deployment did not begin: the issue")
    assert github.requests == []


@pytest.mark.parametrize("error", [UnreachableError("gone"), UnauthorizedError("an old token")])
def test_a_cluster_of_the_last_update_that_is_gone_is_a_matter_of_this_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OneLineError
) -> None:
    monkeypatch.setattr(deploying, "to_cluster", raising(error))
    deploying._must_be_free(known(WORLD))
    said = capsys.readouterr().out
    assert said == f"Whether a rollout is under way is not known: {error}\n"


@pytest.mark.parametrize("error", [DeniedError("403"), TimedOutError("no answer")])
def test_a_deployment_that_cannot_tell_who_rolls_out_does_not_begin(
    monkeypatch: pytest.MonkeyPatch, error: OneLineError
) -> None:
    monkeypatch.setattr(deploying, "to_cluster", raising(error))
    with pytest.raises(CanaryError, match=r"^whether a rollout is under way is not known: "):
        deploying._must_be_free(known(WORLD))


def raising(error: OneLineError) -> Callable[..., Any]:
    def to_cluster(*_: object) -> Any:
        raise error

    return to_cluster


# The update

_PULUMI = """\
#!/bin/sh
trap 'echo interrupted; exit 1' INT
echo "$@" >{said}
for _ in $(seq 2400); do sleep 0.05; done
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_pulumi_and_waits_for_it(tmp_path: Path, number: int) -> None:
    said, pulumi = tmp_path / "said", tmp_path / "pulumi"
    pulumi.write_text(_PULUMI.format(said=said))
    pulumi.chmod(0o755)
    program = (
        "from canary.stack import whole; from canary.stack.cli import Cli\n"
        "from canary.errors import CanaryError\n"
        "try: whole.up(Cli('dev'), ('--policy-pack', 'policy'))\n"
        "except CanaryError as error: print(error.code, error)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: said.exists() and said.read_text(), "pulumi runs")
    process.send_signal(number)
    shown, _ = process.communicate(timeout=60)
    assert shown == f"interrupted\n{128 + number} pulumi up was interrupted\n"
    words = said.read_text().split()
    log = words[words.index("--event-log") + 1]
    assert words == [
        *("up", "--yes", "--skip-preview", "--refresh", "--diff"),
        *("--policy-pack", "policy", "--event-log", log),
        *("--stack", "dev", "--non-interactive", "--color=never"),
    ]
