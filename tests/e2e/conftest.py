"""The real nodes, for tests that need them."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from local import node, stack
from local.node import count, records
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster, make
from tests.e2e.told import settled

LEAST = 3
"""Nodes that tests of the mesh and of a node's end need."""


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """The local nodes, three or more, brought up if they are down, and left as they were found.

    So is the stack on them. Each module puts its settings back, and who needs it up brings it up:
    an update at the end of each module would be for the next one's to undo.
    """
    was_running, before = node.running(), records.read().count
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(count.VARIABLE, str(max(LEAST, count.wanted(before))))
        make("up")
        stack.ensure()  # an interrupted run may have left it locked
        yield Cluster()
        if was_running:
            environment.setenv(count.VARIABLE, str(before or count.USUAL))
            make("up")
            local_stack.up()
        else:
            make("down")
            record = records.read()
            record.count = before
            record.write()


@pytest.fixture(scope="module")
def settings(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """The config of the stack, which is up and at rest; it is put back at the end."""
    local_stack.up()
    settled(cluster)
    found = stack.SETTINGS.read_text()
    yield dict(yaml.safe_load(found))
    stack.SETTINGS.write_text(found)
