"""How the tests are spread over processes, and fixtures that more than one kind of test uses."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from execnet import XSpec
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from local.node import network
from local.signals import restore_sigint
from tests.harness import apiserver, at_once, second_clone

TOGETHER = ("tests/e2e/", "tests/contract/")
"""Folders whose tests share what one process starts: the local nodes, the stand-ins' mesh."""

SECOND = "the second nodes"
"""The scope of the tests that the process in the second clone takes."""

ON_SECOND = tuple(
    f"tests/e2e/test_{name}.py"
    for name in (
        "namerd_killed",
        "node_alone",
        "node_gone",
        "node_life",
        "node_mesh",
        "rollout",
        "tls",
    )
)
"""About half of the time of all long tests on nodes. Each file can run on either nodes."""

NODES_OF_THEIR_OWN = ("tests/e2e/test_node_gone.py", "tests/e2e/test_node_life.py")

OPTION = "--second-nodes"

# Any example may take long where the machine is busy, and each run tries the same ones: whether
# `make test` passes is no matter of luck. `--hypothesis-profile=explore` looks for new ones.
_STEADY = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.register_profile("steady", _STEADY, derandomize=True, database=None)
hypothesis.settings.register_profile("explore", _STEADY, max_examples=1000)
hypothesis.settings.load_profile("steady")


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """The tests of a file run in one process, and those of these folders.

    With `--second-nodes` those on the second nodes go to the process in the second clone, which
    takes no others.
    """

    assigned_work: dict[WorkerController, dict[str, dict[str, bool]]]

    def _split_scope(self, nodeid: str) -> str:
        if self.config.getoption(OPTION, False) and nodeid.startswith(ON_SECOND):
            return SECOND
        folders = (folder for folder in TOGETHER if nodeid.startswith(folder))
        return next(folders, nodeid.partition("::")[0])

    def schedule(self) -> None:
        """Where there are more processes than scopes the last ones end: let that be the useless."""
        if self.collection is None:
            collected: list[str] = next(iter(self.registered_collections.values()))
            useful = SECOND in map(self._split_scope, collected)
            by_use = sorted(
                self.assigned_work, key=lambda node: _is_second(node.gateway.spec) != useful
            )
            self.assigned_work = {node: self.assigned_work[node] for node in by_use}
        super().schedule()

    def _assign_work_unit(self, node: WorkerController) -> None:
        wants_second = _is_second(node.gateway.spec)
        scope = next((each for each in self.workqueue if (each == SECOND) == wants_second), None)
        if scope is None:
            node.shutdown()
            return
        self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


def _is_second(spec: XSpec) -> bool:
    """Whether a process is that of the second clone, or has been started in its place."""
    return network.VARIABLE in spec.env


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "the last process runs in a second clone, on nodes of its own (docs/decisions/0021)"
    parser.addoption(OPTION, action="store_true", help=text)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[XSpec]) -> None:
    if config.getoption(OPTION, False):
        second_clone.make()
        specs[-1].env.update(second_clone.environment())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Before the process reads anything of the project, which it finds where it is."""
    if _is_second(node.gateway.spec):
        move = f"import os; os.chdir({str(second_clone.FOLDER)!r})"
        node.gateway.remote_exec(move).waitclose()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Also after an interrupt; xdist's processes have ended by now."""
    if config.getoption(OPTION, False) and not hasattr(config, "workerinput"):
        second_clone.remove()


def pytest_configure(config: pytest.Config) -> None:
    restore_sigint()
    at_once.pytest_configure(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests on the nodes first: they take the longest, and wait the most.

    Those with nodes of their own are the first of all, before a process has brought its nodes up:
    the kernel lets one user have inotify instances for three sets of nodes, and this makes two.
    """
    items.sort(key=lambda item: (not item.nodeid.startswith("tests/e2e/"), not _makes_nodes(item)))


def _makes_nodes(item: pytest.Item) -> bool:
    return item.nodeid.startswith(NODES_OF_THEIR_OWN)


@pytest.fixture(scope="session", autouse=True)
def plugins_leavings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The kubernetes plugin leaves its kubeconfig, at each start, where temporary files go."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
        yield


@pytest.fixture(scope="session")
def api_server() -> Iterator[apiserver.ApiServer]:
    """A real Kubernetes API server without a node, shared by the session's tests.

    Each test makes namespaces of its own in it.
    """
    with apiserver.api_server() as server:
        yield server
