"""How the tests are spread over processes, and fixtures that more than one kind of test uses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import apiserver

TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process takes all tests of the node, since there is one, and from the beginning.

    The other tests of a file go together, for the sake of their fixtures.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_together(item)))
    items.sort(key=lambda item: _together(item) != "node")


def _together(item: pytest.Item) -> str:
    file = item.path.relative_to(TESTS)
    return "node" if file.parts[0] == "e2e" else str(file)


@pytest.fixture(scope="session")
def api_server() -> Iterator[apiserver.ApiServer]:
    """A real Kubernetes API server without a node, shared by the session's tests.

    Each test makes namespaces of its own in it.
    """
    with apiserver.api_server() as server:
        yield server
