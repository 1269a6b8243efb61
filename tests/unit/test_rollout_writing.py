"""canary.rollout.writing: what an update has done, told by what is in force after it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from canary import deploying, moving, overview
from canary.errors import CanaryError
from canary.overview import ClusterView, StackView, Tables
from canary.rollout import checks, writing
from canary.rollout.checks import Ours
from canary.rollout.writing import ChangedError, Stack, UnfinishedError
from canary.stack import alone, targeted
from canary.stack.settings import Settings
from canary.stack.targeted import Ended
from tests.unit.test_canary_commands import cluster, stack

PODS = ["one"]


class World:
    """What is in force, and how updates end."""

    def __init__(self, tmp_path: Path) -> None:
        self.weights = [10.0]
        self.is_own = self.agrees = True
        self.known = stack()
        self.settings = tmp_path / self.known.deployed.settings
        self.settings.write_text("before")
        self.updates: list[Callable[[], Ended]] = []
        self.unreachable = 0

    def tables(self, *_: object) -> Tables:
        if self.unreachable:
            self.unreachable -= 1
            raise CanaryError("the cluster cannot be reached")
        by_way = [{"world-v1": 100 - each, "world-v2": each} for each in self.weights]
        return Tables(by_way, self.agrees, self.is_own, "kubectl-edit", ["1"])

    def view(self, *_: object) -> StackView:
        return self.known

    def cluster(self, *_: object) -> ClusterView:
        tables = self.tables()
        return replace(cluster(), by_way=tables.by_way, agrees=tables.agrees, is_own=tables.is_own)

    def up(self, *_: object) -> Ended:
        self.settings.write_text("after")
        return self.updates.pop(0)()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path)
    monkeypatch.setattr(overview, "of_stack", found.view)
    monkeypatch.setattr(overview, "of_tables", found.tables)
    monkeypatch.setattr(overview, "of_cluster", found.cluster)
    monkeypatch.setattr(targeted, "up_to_its_end", found.up)
    monkeypatch.setattr(Stack, "releases", lambda *_: PODS)
    monkeypatch.setattr("canary.rollout.writing.time.sleep", lambda _: None)
    return found


@pytest.fixture
def written(world: World, tmp_path: Path) -> Stack:
    none: Any = None
    return Stack(none, tmp_path, none, world.known)


def ours(wanted: float, **more: Any) -> Ours:
    return Ours(10, wanted, checks.identity(stack().updates), PODS, **more)


def sets(world: World, *weights: float, succeeds: bool = True) -> Callable[[], Ended]:
    def update() -> Ended:
        world.weights = list(weights)
        return Ended(succeeds, "" if succeeds else "node-2 does not follow")

    return update


def test_a_hiccup_after_an_update_is_read_over(world: World, written: Stack) -> None:
    def update() -> Ended:
        world.unreachable = 2
        return sets(world, 20)()

    world.updates = [update]
    assert written.write(ours(20), world.known).stack is world.known


def test_an_update_that_failed_after_it_wrote_keeps_the_config(
    world: World, written: Stack
) -> None:
    world.updates = [sets(world, 20, succeeds=False)]
    with pytest.raises(UnfinishedError, match="node-2 does not follow") as unfinished:
        written.write(ours(20), world.known)
    assert unfinished.value.in_force == 20
    assert world.settings.read_text() == "after"


def test_an_update_that_failed_before_it_wrote_puts_the_config_back(
    world: World, written: Stack
) -> None:
    world.updates = [sets(world, 10, succeeds=False)]
    with pytest.raises(CanaryError) as failed:
        written.write(ours(20), world.known)
    assert not isinstance(failed.value, UnfinishedError | ChangedError)
    assert world.settings.read_text() == "before"


def test_where_it_cannot_be_read_what_is_in_force_the_config_stays(
    world: World, written: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "READ_BACK_SECONDS", 0)

    def update() -> Ended:
        world.unreachable = 1_000_000
        return Ended(False, "the backend is away")

    world.updates = [update]
    with pytest.raises(UnfinishedError) as unfinished:
        written.write(ours(20), world.known)
    assert unfinished.value.in_force is None
    assert world.settings.read_text() == "after"


def test_0_is_in_force_only_where_every_way_has_it(world: World, written: Stack) -> None:
    """Of two tables one alone was written: that is not done."""
    at_0 = configured_at_0(world.known)
    world.known = replace(at_0, split=replace(at_0.split, ways=at_0.split.ways * 2))
    world.weights = [0, 10]
    world.updates = [sets(world, 0, 0)]
    written.go_back()
    assert world.weights == [0, 0]
    assert world.updates == []


def test_going_back_where_0_is_in_force_updates_nothing(world: World, written: Stack) -> None:
    at_0 = configured_at_0(world.known)
    (way,) = at_0.split.ways
    table = replace(way.table, splits={way.prefix: {"/srv/world-v1": 100.0, "/srv/world-v2": 0.0}})
    world.known = replace(at_0, split=replace(at_0.split, ways=(replace(way, table=table),)))
    world.weights = [0]
    written.go_back()


def test_an_abort_that_was_faster_is_not_done_again(world: World, written: Stack) -> None:
    """What this process knows of the stack is older than that abort."""
    before = world.known
    at_0 = configured_at_0(before)
    (way,) = at_0.split.ways
    table = replace(way.table, splits={way.prefix: {"/srv/world-v1": 100.0, "/srv/world-v2": 0.0}})
    world.known = replace(at_0, split=replace(at_0.split, ways=(replace(way, table=table),)))
    world.weights = [0]
    assert written.write(ours(0), before).stack is world.known


def test_a_config_that_has_a_weight_at_0_is_updated(world: World, written: Stack) -> None:
    world.weights = [0]
    world.updates = [sets(world, 0)]
    written.write(ours(0), configured_at_0(world.known))
    assert world.updates == []


def configured_at_0(known: StackView) -> StackView:
    return replace(known, configured={"world-v1": 100.0, "world-v2": 0.0})


@pytest.mark.parametrize("wanted", [20, 0])
def test_another_command_of_the_folder_is_waited_for(
    world: World, written: Stack, tmp_path: Path, wanted: float
) -> None:
    world.updates = [sets(world, wanted)]
    with alone.alone(tmp_path):
        pool = ThreadPoolExecutor(1)
        writing = pool.submit(written.write, ours(wanted), world.known)
        with pytest.raises(TimeoutError):
            writing.result(1)
        assert world.settings.read_text() == "before"
    writing.result(60)
    assert world.settings.read_text() == "after"


def test_another_command_that_does_not_end_is_one_line(
    world: World, written: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "WAIT_SECONDS", 0)
    said = "^another command of this folder is updating the stack$"
    with alone.alone(tmp_path), pytest.raises(CanaryError, match=said):
        written.write(ours(0), world.known)


@pytest.mark.parametrize(
    ("asks", "command"),
    [
        ("of_stack", lambda folder: moving.move("20", None, None, folder, None)),
        ("known", lambda folder: deploying.deploy(deploying.Given(), folder)),
    ],
    ids=["set", "deploy"],
)
def test_the_stack_is_looked_at_once_the_folder_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asks: str, command: Callable[[Path], int]
) -> None:
    """What another command of the folder wrote until then is seen."""

    def look(*_: object) -> None:
        with pytest.raises(CanaryError, match="another command"), alone.alone(tmp_path):
            pass
        raise CanaryError("looked at")

    monkeypatch.setattr(alone, "WAIT_SECONDS", 0)
    monkeypatch.setattr(overview, asks, look)
    with pytest.raises(CanaryError, match="looked at"):
        command(tmp_path)


SET = "config: {p:canaryWeight: '20', p:replicas: '3'}\n"


@pytest.mark.parametrize(
    ("former", "now", "left", "asked"),
    [
        ("# mine\nconfig: {p:replicas: 3}\n", SET, "# mine\nconfig: {p:replicas: 3}\n", []),
        ("config: {p:canaryWeight: 10}\n", "", "config: {p:canaryWeight: 10}\n", []),
        (None, "config: {p:canaryWeight: '20'}\n", None, []),
        (
            "config: {p:canaryWeight: 10, p:replicas: 2}\n",
            SET,
            SET,
            [("config", "set", "p:canaryWeight", "10")],
        ),
        ("config: {p:replicas: 2}\n", SET, SET, [("config", "rm", "p:canaryWeight")]),
    ],
)
def test_a_config_that_somebody_else_changed_too_is_put_back_by_our_key_alone(
    world: World, former: str | None, now: str, left: str | None, asked: list[tuple[str, ...]]
) -> None:
    world.settings.unlink()
    if former is not None:
        world.settings.write_text(former)
    said: list[tuple[str, ...]] = []
    cli: Any = SimpleNamespace(ask=lambda *words: said.append(words))
    known = replace(world.known, deployed=replace(world.known.deployed, project="p"))
    settings = Settings(cli, world.settings, known, 20)
    world.settings.write_text(now)
    settings.put_back()
    assert (world.settings.read_text() if world.settings.exists() else None) == left
    assert said == asked


def test_other_services_weights_that_are_not_deployed_stop_it(world: World, written: Stack) -> None:
    world.known = replace(world.known, others=("web",))
    with pytest.raises(ChangedError, match="has other weights of web, which are not deployed"):
        written.write(ours(20), world.known)


def test_a_max_weight_step_that_cannot_be_used_keeps_no_canary_up(
    world: World, written: Stack
) -> None:
    texts = {**world.known.values.texts, "maxWeightStep": "0"}
    world.known = replace(world.known, values=replace(world.known.values, texts=texts))
    with pytest.raises(CanaryError, match=r"^config maxWeightStep is '0': it must be a percent"):
        written.write(ours(20), world.known)
    world.updates = [sets(world, 0)]
    written.write(ours(0), world.known)
    assert world.weights == [0]


def test_somebody_elses_table_is_left_alone(world: World, written: Stack) -> None:
    world.is_own = world.agrees = False
    for wanted in (20, 0):
        with pytest.raises(ChangedError):
            written.write(ours(wanted), world.known)


def test_going_back_from_what_an_update_that_failed_wrote(world: World, written: Stack) -> None:
    world.weights, world.agrees = [20], False

    def update() -> Ended:
        world.agrees = True
        return sets(world, 0)()

    world.updates = [update]
    written.write(ours(0, tried=20), world.known)
    assert world.weights == [0]
