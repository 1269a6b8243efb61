"""The real node, for tests that need one."""

from collections.abc import Iterator

import pytest

from local import node
from tests.e2e.cluster import Cluster, make


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """The local node, brought up if it is down, and left as it was found."""
    was_running = node.running()
    make("up")
    yield Cluster()
    make("up" if was_running else "down")
