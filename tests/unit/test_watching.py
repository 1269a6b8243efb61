"""canary.watching: looks at a stack that is updated meanwhile, and at a cluster that is away."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canary import exits, overview, watching
from canary.counters.reading import Seen
from canary.errors import CanaryError
from canary.overview import ClusterView, StackView
from canary.stack import configured, deployed, split
from canary.stack.cli import Cli
from canary.stack.split import Split
from canary.watching import How
from tests.harness.stacks import config_text, export, table
from tests.unit.test_canary_commands import cluster, seen, stack

UNFINISHED = "did not come to its end"


def stack_at(weight: float) -> StackView:
    """One whose last update has set so much."""
    splits = {"/host/world": {"/srv/world-v1": 100 - weight, "/srv/world-v2": weight}}
    found = deployed.read(export(table("internal", splits)))
    chosen = split.chosen(found, None)
    values = configured.read(config_text(canaryWeight=f"{weight:g}"), "linkerd-canary")
    weights = configured.weights(values, chosen)
    return replace(
        stack(), deployed=found, split=chosen, values=values, configured=weights, committed=None
    )


class World:
    """A stack and its cluster; the time that passes lets something happen."""

    def __init__(self) -> None:
        self.updated = self.in_force = 10.0
        self.at = 0.0
        self.slept: list[float] = []
        self.meanwhile: list[Callable[[], object]] = []
        self.problems: list[str] = []
        """Of the next looks at the cluster; empty for none."""
        self.stack_problems: list[str] = []
        self.asked = 0
        """How often Pulumi and git were asked."""
        self.looks = 0

    def of_stack(self, *_: object) -> StackView:
        self.asked += 1
        _fail(self.stack_problems)
        return stack_at(self.updated)

    def of_cluster(self, _: object, found: Split) -> ClusterView:
        self.looks += 1
        _fail(self.problems)
        now = {"world-v1": 100 - self.in_force, "world-v2": self.in_force}
        agrees = dict(found.ways[0].weights) == now
        return replace(
            cluster(now),
            agrees=agrees,
            versions=[f"{self.in_force:g}"],
            seen=Seen(self.at, seen().readings),
        )

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept.append(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()

    def set(self, weight: float) -> None:
        """As `canary set` does, to its end."""
        self.updated = self.in_force = weight


def _fail(problems: list[str]) -> None:
    problem = problems.pop(0) if problems else ""
    if problem:
        raise CanaryError(problem)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()

    @contextmanager
    def api_of(_: object) -> Iterator[Any]:
        yield None

    monkeypatch.setattr(overview, "of_stack", found.of_stack)
    monkeypatch.setattr(overview, "of_cluster", found.of_cluster)
    monkeypatch.setattr(overview, "api_of", api_of)
    monkeypatch.setattr(Cli, "background", at_once)
    monkeypatch.setattr("canary.watching.time.sleep", found.sleep)
    monkeypatch.setattr("canary.watching.time.monotonic", lambda: found.at)
    return found


def at_once(_: Cli, work: Callable[[], StackView]) -> Future[StackView]:
    """As it would be by the next look."""
    found = Future[StackView]()
    try:
        found.set_result(work())
    except CanaryError as error:
        found.set_exception(error)
    return found


def once(seconds: float = 0) -> int:
    return watching.once(None, None, Path(), How(seconds, as_json=False))


def watch(seconds: float, *, as_json: bool = False) -> int:
    return watching.watch(None, None, Path(), How(seconds, as_json))


def test_an_update_that_ends_while_it_is_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    views = [stack_at(10), stack_at(20)]
    monkeypatch.setattr(overview, "of_stack", lambda *_: views.pop(0))
    world.in_force = 20
    assert once() == exits.DONE
    assert UNFINISHED not in capsys.readouterr().out


def test_an_update_that_has_not_come_to_its_end(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.in_force = 20
    assert once() == watch(6) == exits.DRIFTED
    assert UNFINISHED in capsys.readouterr().out


def test_a_watch_asks_at_once_about_a_table_only_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a minute after an update that failed, and for another after its successor did."""
    world.in_force = 20
    assert watch(60) == exits.DRIFTED
    assert len(capsys.readouterr().out.splitlines()) == 31
    assert world.looks == 31 + 1
    in_background = 60 // watching.STACK_SECONDS
    assert world.asked <= 1 + 1 + in_background
    world.asked = 0
    world.meanwhile = [lambda: setattr(world, "in_force", 30.0)]
    assert watch(4) == exits.DRIFTED
    assert world.asked == 1 + 1 + 1


def test_a_watch_shows_the_cluster_where_pulumi_fails(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.in_force, world.stack_problems = 20, ["", "pulumi stack export: 503"]
    assert watch(4) == exits.DRIFTED
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(UNFINISHED in line for line in lines)


def test_one_look_that_cannot_ask_again_fails(world: World) -> None:
    world.in_force, world.stack_problems = 20, ["", "pulumi stack export: 503"]
    with pytest.raises(CanaryError, match="503"):
        once()


def test_a_measurement_begins_anew_where_the_weights_change(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.meanwhile = [lambda: world.set(20)]
    assert once(30) == exits.DONE
    assert world.slept == [30, 30]
    said = capsys.readouterr()
    assert said.err == "The weights were changed meanwhile: measuring anew.\n"
    rows = {line[:13].strip(): line[13:].split() for line in said.out.splitlines()}
    assert rows["weight"] == rows["configured"] == ["80", "%", "20", "%"]
    assert rows["share"][-2:] == ["30", "s"]


def test_a_watch_knows_of_an_update_at_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.meanwhile = [lambda: world.set(20)]
    assert watch(2) == exits.DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2:4] for line in lines] == [["world-v1", "90"], ["world-v1", "80"]]
    assert UNFINISHED not in lines[1]


def test_a_watch_goes_on_after_a_hiccup(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.problems = ["", "the API server answers 503"]
    assert watch(4) == exits.DONE
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1][8:] == " Not seen: the API server answers 503"
    world.problems = ["", "", "the API server answers 503"]
    assert watch(4) == exits.CANNOT


def test_a_watch_goes_on_where_pulumi_does_not_answer_for_a_while(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.stack_problems = ["", "pulumi stack export: 503"]
    assert watch(60) == exits.DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line[8:] for line in lines if "Not seen" in line] == [
        " Not seen: pulumi stack export: 503"
    ]
    assert "Not seen" not in lines[-1]


def test_a_watch_whose_first_look_fails_fails(world: World) -> None:
    world.problems = ["the API server answers 503"]
    with pytest.raises(CanaryError, match="503"):
        watch(60)


def test_json_is_kept_apart_from_what_cannot_be_seen(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.problems = ["", "the API server answers 503"]
    assert watch(4, as_json=True) == exits.DONE
    said = capsys.readouterr()
    assert [json.loads(line)["exit"] for line in said.out.splitlines()] == [0, 0]
    assert said.err.endswith(" Not seen: the API server answers 503\n")
