"""How tests are spread when some run in a second clone, and the clone itself."""

import subprocess
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.node import network
from local.paths import PYTHON, ROOT
from tests import conftest
from tests.harness import networks, second_clone

E2E = "tests/e2e/test_canary.py::test_outputs"
KILLING = "tests/e2e/test_node_life.py::test_two_ups_at_once"
CONTRACT = ("tests/contract/test_tls.py::test_a", "tests/contract/test_names.py::test_b")
UNIT = "tests/unit/test_go.py::test_go[.]"


@dataclass(eq=False)
class Worker:
    """A process of xdist's as the scheduling sees it."""

    second: bool = False
    given: list[int] = field(default_factory=list)
    shutting_down: bool = False

    @property
    def env(self) -> dict[str, str]:
        return {network.VARIABLE: "10.7.0.0/16"} if self.second else {}

    @property
    def gateway(self) -> Any:
        return SimpleNamespace(spec=SimpleNamespace(env=self.env), id="gw0")

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


class Config:
    option = SimpleNamespace(loadscopereorder=False)

    def __init__(self, processes: int, second: bool) -> None:
        self._processes, self._second = processes, second

    def getvalue(self, name: str) -> list[str]:
        assert name == "tx"
        return ["popen"] * self._processes

    def getoption(self, name: str, default: bool) -> bool:
        assert name == conftest.OPTION
        return self._second


def spread(collected: list[str], *workers: Worker, second: bool = True) -> list[list[str]]:
    """Which tests each process is given at first."""
    scheduling = conftest._Scheduling(Config(len(workers), second))
    for worker in workers:
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, collected)
    scheduling.schedule()
    return [[collected[index] for index in worker.given] for worker in workers]


def many(test: str) -> list[str]:
    """So many that a process with them gets nothing more."""
    return [f"{test}{number}" for number in range(4)]


def test_those_on_the_second_nodes_go_to_the_process_that_has_them() -> None:
    collected = [*many(KILLING), *many(E2E), *many(UNIT)]
    given = spread(collected, Worker(), Worker(), Worker(second=True))
    assert given == [many(E2E), many(UNIT), many(KILLING)]


def test_that_process_takes_no_others() -> None:
    worker = Worker(second=True)
    given = spread([*many(E2E), *many(UNIT)], Worker(), worker)
    assert given == [many(E2E), []]
    assert worker.shutting_down


@pytest.mark.parametrize(
    ("collected", "expected"),
    [
        ([*many(KILLING), *many(E2E)], [many(E2E), [], many(KILLING)]),
        (many(KILLING), [[], [], many(KILLING)]),
        (many(UNIT), [many(UNIT), [], []]),
    ],
)
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_too_many_processes_those_go_that_have_nothing_to_do(
    collected: list[str], expected: list[list[str]], order: tuple[int, ...]
) -> None:
    """In whatever order they become ready."""
    workers = [Worker(), Worker(), Worker(second=True)]
    spread(collected, *(workers[number] for number in order))
    given = [[collected[index] for index in worker.given] for worker in workers]
    assert given[2] == expected[2]
    assert sorted(given[:2]) == sorted(expected[:2])
    assert all(worker.shutting_down for worker in workers if not worker.given)


def test_one_that_takes_its_place_goes_on() -> None:
    collected = [*many(KILLING), *many(E2E)]
    lost, other = Worker(second=True), Worker()
    scheduling = conftest._Scheduling(Config(2, second=True))
    for worker in (lost, other):
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, collected)
    scheduling.schedule()
    assert scheduling.remove_node(lost) == many(KILLING)[0]
    assert [collected[index] for index in other.given] == many(E2E)
    instead = Worker(second=True)
    scheduling.add_node(instead)
    scheduling.add_node_collection(instead, collected)
    scheduling.schedule()
    assert [collected[index] for index in instead.given] == many(KILLING)


def test_without_them_one_process_takes_all_on_nodes() -> None:
    collected = [*many(KILLING), *many(E2E), *CONTRACT, *many(UNIT)]
    given = spread(collected, Worker(), Worker(), second=False)
    assert given == [[*many(KILLING), *many(E2E)], [*CONTRACT, *many(UNIT)]]


def test_each_file_that_is_named_is_there() -> None:
    assert all((ROOT / each).is_file() for each in conftest.ON_SECOND)


def test_the_clone_is_the_tree_and_goes_again(tmp_path: Path) -> None:
    folder = second_clone.make(tmp_path / "second")
    said = "from local import paths; from tests import conftest; print(paths.ROOT)"
    done = subprocess.run(
        [PYTHON, "-c", said], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(folder)
    assert (folder / "Pulumi.yaml").read_text() == (ROOT / "Pulumi.yaml").read_text()
    assert (folder / ".venv" / "bin" / "python").exists()
    assert not (folder / "Pulumi.local.yaml").exists()
    second_clone.remove(folder)
    assert not folder.exists()
    second_clone.remove(folder)


def test_what_was_copied_by_half_is_in_nobodys_way(tmp_path: Path) -> None:
    folder = tmp_path / "second"
    (folder / "local").mkdir(parents=True)
    (folder / "local" / "__main__.py").write_text("raise SystemExit('cut sh")
    second_clone.remove(folder)
    assert not folder.exists()


def test_its_network_is_none_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_PRIVATE", ["10.7.0.0/16", "10.8.0.0/16"])
    monkeypatch.setattr(networks, "refuse_conflicts", lambda wanted: None)
    kept = network.Network.of("10.7.0.0/16")
    assert str(networks.free_network(kept).all) == "10.8.0.0/16"
