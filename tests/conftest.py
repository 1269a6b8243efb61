"""How the tests are spread over processes, and fixtures that more than one kind of test uses."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from local.signals import restore_sigint
from tests.harness import apiserver, at_once

TOGETHER = ("tests/e2e/", "tests/contract/")
"""Folders whose tests share what one process starts: the one local node, the stand-ins' mesh."""

# Any example may take long where the machine is busy, and each run tries the same ones: whether
# `make test` passes is no matter of luck. `--hypothesis-profile=explore` looks for new ones.
_STEADY = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.register_profile("steady", _STEADY, derandomize=True, database=None)
hypothesis.settings.register_profile("explore", _STEADY, max_examples=1000)
hypothesis.settings.load_profile("steady")


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """The tests of a file run in one process, and those of these folders."""

    def _split_scope(self, nodeid: str) -> str:
        folders = (folder for folder in TOGETHER if nodeid.startswith(folder))
        return next(folders, nodeid.partition("::")[0])


def pytest_configure(config: pytest.Config) -> None:
    restore_sigint()
    at_once.pytest_configure(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests on the node first: they take the longest, and wait the most."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/e2e/"))


@pytest.fixture(scope="session")
def api_server() -> Iterator[apiserver.ApiServer]:
    """A real Kubernetes API server without a node, shared by the session's tests.

    Each test makes namespaces of its own in it.
    """
    with apiserver.api_server() as server:
        yield server
