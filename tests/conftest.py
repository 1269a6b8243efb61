"""Fixtures that more than one kind of test uses."""

from collections.abc import Iterator

import pytest

from tests.harness import apiserver


@pytest.fixture(scope="session")
def api_server() -> Iterator[apiserver.ApiServer]:
    """A real Kubernetes API server without a node, shared by the session's tests.

    Each test makes namespaces of its own in it.
    """
    with apiserver.api_server() as server:
        yield server
