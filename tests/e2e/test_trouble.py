"""What requests see while something is replaced, killed, drained or out of order, on three nodes.

Each test is a row of docs/trouble.md and prints its figures. world-v2 can be told to misbehave.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from local import archives, images, node, stack, standins
from local.archives import OwnImage
from mesh.routers import RETRY, Routing
from tests.e2e import linkerds, local_stack, told
from tests.e2e.cluster import PATIENCE, Cluster, eventually
from tests.e2e.local_stack import Traffic, command, set_weight
from tests.e2e.told import APPS, DEPLOYED, MESH, pods, settled
from tests.e2e.visitors import Visitors

pytestmark = pytest.mark.long

WEIGHT = 30
TIMEOUT = Routing("").total_timeout_ms / 1000
OTHER_NAME = "linkerd-canary.local/linkerd:other"


@dataclass
class Load:
    """Requests from outside: some on connections that are kept, some on new ones."""

    kept: Traffic
    visitors: Visitors

    @property
    def count(self) -> int:
        return self.kept.count + len(self.visitors.outcomes)

    @property
    def failures(self) -> list[str]:
        return [*self.kept.failures, *self.visitors.failures]

    def goes_on(self, requests: int = 60) -> None:
        """Wait for this many more."""
        seen = self.count
        eventually(lambda: self.count >= seen + requests)


@contextmanager
def steady(url: str, row: str) -> Iterator[Load]:
    """Some 20 requests a second, before, during and after what the block does to the mesh."""
    with (
        local_stack.load(url, connections=3, pause=0.2) as kept,
        Visitors(url, at_once=2, pause=0.2) as visitors,
    ):
        load = Load(kept, visitors)
        load.goes_on()
        began = time.monotonic()
        yield load
        took = time.monotonic() - began
        load.goes_on()
    failed = Counter(load.failures)
    print(f"{row}: {failed.total()} of {load.count} failed, {took:.0f} s {dict(failed)}")


@pytest.fixture(scope="module")
def brought(cluster: Cluster) -> Iterator[None]:
    """The nodes' images, without those of these tests at the end."""
    before = node.image_names()
    with told.image():
        yield
        local_stack.up()  # the settings are back: nothing runs on these any more
    if OTHER_NAME in node.image_names() - before:
        node.forget(OTHER_NAME)


@pytest.fixture(scope="module")
def url(cluster: Cluster, brought: None, settings: dict[str, Any]) -> str:
    """Where hello answers, with a world-v2 that does as it is told."""
    found = told.up(settings, "v2", canaryWeight=WEIGHT)
    settled(cluster)
    return found


@pytest.mark.parametrize("workload", ["daemonset/l5d", "deployment/namerd"])
def test_rolled(cluster: Cluster, url: str, workload: str) -> None:
    with steady(url, f"{workload} rolled") as load:
        cluster.kubectl("rollout", "restart", workload, "-n", MESH)
        settled(cluster)
    assert load.failures == [], load.visitors.reasons


@pytest.mark.parametrize(("killed", "weight"), [(1, 50), (2, WEIGHT)])
def test_namerd_killed(cluster: Cluster, url: str, killed: int, weight: int) -> None:
    """Known names go on, and new weights reach every linkerd once a namerd is there for it.

    Without a namerd linkerd asks for one every RETRY["maxSeconds"]. That is the bound, plus twice
    what the update took just before, since a slow machine is slow in both.
    """
    with steady(url, f"{killed} of 2 namerds killed") as load:
        names = [pod["metadata"]["name"] for pod in pods(cluster, MESH, "namerd")]
        assert len(names) == 2
        now = ("--grace-period=0", "--force")
        cluster.kubectl("delete", "pod", "-n", MESH, *names[:killed], *now)
        load.goes_on()
        settled(cluster)
        began = time.monotonic()
        set_weight(weight)
        written = time.monotonic()
        linkerds.wait_until_followed(cluster, weight)
        took = time.monotonic() - written
        print(f"a weight was written in {written - began:.1f} s and in force after {took:.1f} s")
    assert load.failures == [], load.visitors.reasons
    assert took < RETRY["maxSeconds"] + 2 * (written - began)


@pytest.fixture
def crowded(cluster: Cluster, url: str) -> Iterator[str]:
    """A node with a namerd and with every pod of the apps: the worst one to lose.

    It is not that of the local nodes' only CoreDNS, without which no app finds its linkerd.
    """
    (dns,) = cluster.get("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")["items"]
    candidates = {pod["spec"]["nodeName"] for pod in pods(cluster, MESH, "namerd")}
    chosen = str(min(candidates - {dns["spec"]["nodeName"]}))
    others = sorted(cluster.nodes().keys() - {chosen})
    cluster.kubectl("cordon", *others)
    try:
        cluster.kubectl("delete", "pods", "-n", APPS, "-l", f"app in ({', '.join(DEPLOYED)})")
        settled(cluster)
    finally:
        cluster.kubectl("uncordon", *others)
    where = {pod["spec"]["nodeName"] for app in DEPLOYED for pod in pods(cluster, APPS, app)}
    assert where == {chosen}
    yield chosen
    cluster.kubectl("uncordon", chosen)


def test_a_node_drained(cluster: Cluster, url: str, crowded: str) -> None:
    with steady(url, "a node drained and uncordoned") as load:
        cluster.kubectl("drain", crowded, "--ignore-daemonsets", "--delete-emptydir-data")
        settled(cluster)
        cluster.kubectl("uncordon", crowded)
    left = [pod for app in DEPLOYED for pod in pods(cluster, APPS, app)]
    assert crowded not in {pod["spec"]["nodeName"] for pod in left}
    # A 502 of linkerd's own was seen, whose text the edge hides: presumably of one that still sent
    # to this node's linkerd when that had no pod left. What comes from outside is not sent again.
    assert {failure.strip() for failure in load.failures} <= {"502"}
    assert len(load.failures) <= load.count / 100


def archive_of(name: str, folder: Path) -> Path:
    """The archive of linkerd's image: the published one, or the stand-in's."""
    if images.is_standin(name):
        return OwnImage(standins.mesh_binaries() / "linkerd", as_name=name).archive()
    archives.pull(images.full_name(name), folder / "image.tar")
    return folder / "image.tar"


def test_the_image_changed(cluster: Cluster, url: str, tmp_path: Path) -> None:
    present = str(stack.config().get("linkerdImage", stack.default("linkerdImage")))
    node.load(archive_of(present, tmp_path), OTHER_NAME)
    with steady(url, "linkerd's image changed") as load:
        command("pulumi", "config", "set", "linkerdImage", OTHER_NAME)
        command("pulumi", "up", "--yes", "--skip-preview")
        settled(cluster)
    running = {
        container["image"]
        for pod in pods(cluster, MESH, "l5d")
        for container in pod["spec"]["containers"]
        if container["name"] == "l5d"
    }
    assert running == {OTHER_NAME}
    assert load.failures == [], load.visitors.reasons


def timed(url: str) -> tuple[str, float]:
    """Which world answered, or what came instead, and after how many seconds."""
    began = time.monotonic()
    with node.session() as session:
        response = session.get(url, timeout=PATIENCE)
    took = time.monotonic() - began
    if response.status_code != requests.codes.ok:
        return f"{response.status_code}", took
    return local_stack.world_of(response.text.strip()), took


def spread_out(url: str, count: int) -> Mapping[str, list[float]]:
    """The seconds by outcome of requests that start ten times a second, whatever the others do."""
    found: dict[str, list[float]] = {}
    with ThreadPoolExecutor(count) as callers:
        waiting = []
        for _ in range(count):
            waiting.append(callers.submit(timed, url))
            time.sleep(0.1)
        for said, took in (each.result() for each in waiting):
            found.setdefault(said, []).append(took)
    return found


def test_v2_hangs(cluster: Cluster, url: str) -> None:
    """Its share waits for totalTimeoutMs and gets a 503; the rest notices nothing."""
    linkerds.wait_until_followed(cluster, WEIGHT)
    with told.told(cluster, "hang"):
        seen = spread_out(url, 120)
    for said, times in seen.items():
        print(f"v2 hangs: {len(times)} of 120 {said}, {min(times):.1f} to {max(times):.1f} s")
    assert seen.keys() == {"world", "503"}
    assert local_stack.within_binomial_bounds(len(seen["503"]), 120, WEIGHT / 100)
    assert min(seen["503"]) >= TIMEOUT
    assert max(seen["world"]) < TIMEOUT


def test_v2_resets(cluster: Cluster, url: str) -> None:
    """Callers see none of it: a request that only reads is sent again, and drawn again."""
    with steady(url, "v2 resets") as load, told.told(cluster, "reset"):
        load.goes_on()  # so that all that were under way have an answer
        before = Counter(load.kept.worlds)
        load.goes_on(200)
        more = load.kept.worlds - before
    assert more["world"] > 0
    assert more["worldv2"] == 0
    assert load.failures == [], load.visitors.reasons


def test_v2_refuses(cluster: Cluster, url: str) -> None:
    """Its share fails at most: its pods are soon unready, and linkerd draws it all the same.

    A version without any address is a 502 that linkerd does not send again.
    """
    with steady(url, "v2 refuses") as load:
        before = load.count
        with told.told(cluster, "refuse"):
            load.goes_on(260)
        asked, failed = load.count - before, len(load.failures)
    assert {failure.strip() for failure in load.failures} <= {"503 invalid response 502"}
    share = WEIGHT / 100
    assert failed <= asked * share or local_stack.within_binomial_bounds(failed, asked, share)
