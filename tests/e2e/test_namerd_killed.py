"""Each change of the weight reaches the traffic within seconds, however often namerd was lost."""

import time
from collections.abc import Iterator

import pytest

from local import stack
from mesh import linkerd
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.local_stack import local, set_weight

SLOW = 15.0
"""Seconds that requests may take on a loaded machine, beside linkerd's longest wait for namerd."""

IN_A_ROW = 20
"""Answers by which all linkerds on the way, one of each node, are taken to follow the table."""


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    local("up")
    found = stack.config().get("canaryWeight", 0)
    set_weight(0)
    yield str(local_stack.outputs()["url"])
    set_weight(int(found))


def kill_namerd(cluster: Cluster) -> None:
    """Its pod, at once, and wait for the next one."""
    gone = _namerds(cluster)
    cluster.kubectl(
        *("delete", "pod", "-n", "linkerd", "-l", "app=namerd", "--grace-period=0", "--force")
    )
    eventually(lambda: gone.isdisjoint(_namerds(cluster)) and _namerds(cluster))
    cluster.kubectl("rollout", "status", "deployment/namerd", "-n", "linkerd", "--timeout=250s")


def _namerds(cluster: Cluster) -> set[str]:
    pods = cluster.get("pods", "-n", "linkerd", "-l", "app=namerd")["items"]
    return {one["metadata"]["uid"] for one in pods}


def test_after_four_losses_of_namerd_each_weight_is_in_force_within_seconds(
    cluster: Cluster, url: str
) -> None:
    """By linkerd's default the waits add up: on the real ones over four minutes after five."""
    assert local_stack.world_of(local_stack.ask(url)) == "world"
    for weight, world in ((100, "worldv2"), (0, "world"), (100, "worldv2"), (0, "world")):
        kill_namerd(cluster)
        set_weight(weight)
        began = time.monotonic()

        def followed(world: str = world) -> bool:
            answers = (local_stack.ask(url) for _ in range(IN_A_ROW))
            return all(local_stack.world_of(answer) == world for answer in answers)

        eventually(followed)
        took = time.monotonic() - began
        assert took < linkerd.RETRY["maxSeconds"] + SLOW, f"{took:.1f} s to a weight of {weight}"
