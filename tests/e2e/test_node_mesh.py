"""The mesh on three nodes: each node's linkerd is its own pods', and nodes may go."""

import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from local import node
from tests.e2e import local_stack
from tests.e2e.cluster import PATIENCE, Cluster, eventually, make
from tests.e2e.linkerds import entrances
from tests.e2e.told import settled
from tests.e2e.visitors import Visitors

pytestmark = pytest.mark.long

APPS, MESH = "hello-world", "linkerd"
ROLLED_OUT = f"--timeout={3 * PATIENCE:.0f}s"


@pytest.fixture(scope="module")
def url(cluster: Cluster) -> str:
    """Where hello answers, with the whole stack up on three nodes, and at rest."""
    local_stack.up()
    settled(cluster)
    address = str(local_stack.outputs()["url"])
    local_stack.first_answer(address)
    return address


def pods(cluster: Cluster, namespace: str, app: str) -> dict[str, tuple[str, str]]:
    """Name and address of a pod of an app, by node."""
    found = cluster.get("pods", "-n", namespace, "-l", f"app={app}")["items"]
    return {
        pod["spec"]["nodeName"]: (pod["metadata"]["name"], pod["status"]["podIP"])
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
    }


def calls(cluster: Cluster, linkerd: str) -> int:
    """Requests that a linkerd's outgoing router has had."""
    path = f"/api/v1/namespaces/{MESH}/pods/{linkerd}:9990/proxy/admin/metrics/prometheus"
    counted = re.findall(
        r'^rt:server:requests\{rt="outgoing".*\} (\d+)',
        cluster.kubectl("get", "--raw", path),
        re.MULTILINE,
    )
    return sum(map(int, counted))


def test_each_nodes_linkerd_answers_for_its_own_pods(cluster: Cluster, url: str) -> None:
    linkerds, hellos = pods(cluster, MESH, "l5d"), pods(cluster, APPS, "hello")
    assert set(linkerds) == set(cluster.nodes())
    assert hellos
    for where, (_, address) in hellos.items():
        before = {name: calls(cluster, linkerd) for name, (linkerd, _) in linkerds.items()}
        for _ in range(5):
            assert local_stack.ask(f"http://{address}:7777").startswith(f"Hello ({address}) world")
        more = {name: calls(cluster, linkerds[name][0]) - before[name] for name in linkerds}
        assert more == {name: 5 if name == where else 0 for name in linkerds}


def test_hello_answers_when_only_one_node_has_it(cluster: Cluster, url: str) -> None:
    *others, only = sorted(cluster.nodes())
    try:
        cluster.kubectl("cordon", *others)
        cluster.kubectl("delete", "pods", "-n", APPS, "-l", "app=hello")
        cluster.kubectl("rollout", "status", "deployment/hello", "-n", APPS, ROLLED_OUT)
        assert set(pods(cluster, APPS, "hello")) == {only}
        # By each node's linkerd, its incoming and its outgoing side.
        for entry in entrances(cluster).values():
            assert eventually(lambda entry=entry: local_stack.ask(entry, Host="hello"))  # type: ignore[misc]
        for _ in range(20):
            local_stack.world_of(local_stack.ask(url))
    finally:
        cluster.kubectl("uncordon", *others)
        cluster.kubectl("delete", "pods", "-n", APPS, "-l", "app=hello")
        cluster.kubectl("rollout", "status", "deployment/hello", "-n", APPS, ROLLED_OUT)


@pytest.fixture
def away(cluster: Cluster, url: str) -> Iterator[node.Node]:
    """A node that may go: any but the first, as namerd runs on two."""
    assert len(pods(cluster, MESH, "namerd")) > 1
    chosen = node.nodes()[-1]
    yield chosen
    make("up")
    for app in ("hello", "world-v1", "world-v2"):
        cluster.kubectl("rollout", "status", f"deployment/{app}", "-n", APPS, ROLLED_OUT)
    cluster.kubectl("rollout", "status", "daemonset/l5d", "-n", MESH, ROLLED_OUT)


def connects(url: str, port: int) -> bool:
    """Whether this machine gets a connection from one of its ports, as a later client may."""
    to, host = (str(urlsplit(url).hostname), 80), str(node.own_network().host)
    with suppress(OSError), socket.create_connection(to, PATIENCE, (host, port)):
        return True
    return False


def test_a_node_that_goes_under_load(cluster: Cluster, url: str, away: node.Node) -> None:
    """Connections to its linkerd fail until Kubernetes knows; then none does."""
    with Visitors(url) as visitors:
        eventually(lambda: visitors.outcomes.count("ok") >= 100)
        assert set(visitors.outcomes) == {"ok"}
        make("stop", away.number)
        gone = time.monotonic()
        # Below those that the kernel gives: the load has none of them.
        unanswered = next(port for port in range(20_000, 30_000) if not connects(url, port))

        def endpoints() -> set[str]:
            slices = cluster.get("endpointslices", "-n", MESH)["items"]
            return {
                endpoint.get("nodeName", "")
                for each in slices
                for endpoint in each["endpoints"] or []
                if endpoint["conditions"].get("ready")
            }

        eventually(lambda: away.name not in endpoints(), seconds=3 * PATIENCE)
        known = time.monotonic() - gone
        during = Counter(visitors.outcomes)
        # kube-proxy and the linkerds follow within a moment; requests begun before may still fail.
        eventually(lambda: visitors.outcomes[-200:].count("ok") == 200, seconds=3 * PATIENCE)
        over = time.monotonic() - gone
    total = sum(during.values())
    print(f"{away.name}: known after {known:.0f} s, over after {over:.0f} s, {during} of {total}")
    assert during["no connection"], "connections to the linkerd that is no more"
    assert during["ok"] > during["no connection"], during
    # A linkerd elsewhere says 502 where its own connection to a pod of the node has gone.
    failed = {each.split()[0] for each in visitors.outcomes if each not in ("ok", "no connection")}
    assert failed <= {"502"}, Counter(visitors.outcomes)

    make("up")
    settled(cluster)
    assert connects(url, unanswered), "it is turned to the pod that did not answer"
