"""Each change of the weight reaches the traffic within seconds, however often namerd was lost."""

import time
from collections.abc import Iterator

import pytest

from local import stack
from mesh.routers import RETRY
from tests.e2e import linkerds, local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.local_stack import set_weight

pytestmark = pytest.mark.long


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    local_stack.up()
    found = stack.config().get("canaryWeight", 0)
    set_weight(0)
    yield str(local_stack.outputs()["url"])
    local_stack.configure_weight(float(found))


def kill_namerd(cluster: Cluster) -> None:
    """All its pods at once, and wait for the next ones."""
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
    """By linkerd's default the waits add up: on the real ones over four minutes after five.

    Beside linkerd's longest wait it may take twice as long as the update did just before: on a slow
    machine both take longer.
    """
    linkerds.wait_until_followed(cluster, 0)
    for weight, world in ((100, "worldv2"), (0, "world"), (100, "worldv2"), (0, "world")):
        kill_namerd(cluster)
        began = time.monotonic()
        set_weight(weight)
        written = time.monotonic()
        linkerds.wait_until_followed(cluster, weight)
        took = time.monotonic() - written
        slow = 2 * (written - began)
        assert took < RETRY["maxSeconds"] + slow, f"{took:.1f} s to a weight of {weight}"
        assert local_stack.world_of(local_stack.ask(url)) == world
