"""The stack with network policies, on nodes that enforce them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local import node
from mesh import namerd, routers
from tests.e2e import local_stack
from tests.e2e.cluster import PATIENCE, Cluster, server_image

pytestmark = pytest.mark.long

MESH, APPS, OTHERS = "linkerd", "hello-world", "strangers"
WEIGHT = 30
COUNT = 1000


def deploy(**config: Any) -> None:
    given = (f"--config=linkerd-canary:{key}={value}" for key, value in config.items())
    local_stack.command("pulumi", "up", "--yes", "--skip-preview", *given)


@pytest.fixture(scope="module")
def url(cluster: Cluster, settings: dict[str, Any]) -> Iterator[str]:
    """Where hello answers, with policies; at the end the stack has none again."""
    # What is dropped stays without an answer, however long it takes; on a busy machine others wait.
    deploy(networkPolicies="true", canaryWeight=WEIGHT, totalTimeoutMs=0)
    address = str(local_stack.outputs()["url"])
    local_stack.first_answer(address)
    yield address
    deploy(networkPolicies="false")
    assert cluster.get("networkpolicies", "-A")["items"] == []
    assert "NFQUEUE" not in rules(cluster)


def rules(cluster: Cluster) -> str:
    return cluster.enter("iptables", "-t", "mangle", "-S", "POSTROUTING")


@pytest.fixture(scope="module")
def strangers(cluster: Cluster, url: str) -> Iterator[dict[str, tuple[str, str]]]:
    """Pods that are none of the stack's: one elsewhere, and one in each of its namespaces."""
    image = server_image()
    if image.name not in node.image_names():
        node.load(image.archive())
    places = {"elsewhere": OTHERS, "in the mesh": MESH, "among the apps": APPS}
    clean(cluster)
    cluster.kubectl("create", "namespace", OTHERS)
    for namespace in places.values():
        cluster.kubectl("apply", "-f", "-", given=json.dumps(stranger(namespace, image.name)))
    for namespace in places.values():
        ready = ("wait", "--for=condition=Ready", "pod/stranger", "-n", namespace)
        cluster.kubectl(*ready, f"--timeout={PATIENCE}s")
    yield {place: (namespace, "stranger") for place, namespace in places.items()}
    clean(cluster)


def clean(cluster: Cluster) -> None:
    cluster.kubectl("delete", "namespace", OTHERS, "--ignore-not-found")
    for namespace in (MESH, APPS):
        cluster.kubectl("delete", "pod", "stranger", "-n", namespace, "--ignore-not-found")


def stranger(namespace: str, image: str) -> dict[str, Any]:
    """One as Pod Security `restricted` has it."""
    container = {
        "name": "stranger",
        "image": image,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    secure = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger", "namespace": namespace},
        "spec": {
            "containers": [container],
            "securityContext": secure,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
        },
    }


def address(cluster: Cluster, namespace: str, app: str, port: int) -> str:
    """A port of one of an app's pods."""
    found = cluster.get("pods", "-n", namespace, "-l", f"app={app}")["items"]
    present = [each for each in found if "deletionTimestamp" not in each["metadata"]]
    return f"{present[0]['status']['podIP']}:{port}"


def test_a_pod_that_is_none_of_the_stacks_reaches_what_is_open_alone(
    cluster: Cluster, strangers: dict[str, tuple[str, str]]
) -> None:
    ports = {
        "thrift": address(cluster, MESH, "namerd", namerd.PORTS["thrift"]),
        "namerd's admin": address(cluster, MESH, "namerd", namerd.ADMIN_PORT),
        "outgoing": address(cluster, MESH, "l5d", routers.OUTGOING),
        "incoming": address(cluster, MESH, "l5d", routers.INCOMING),
        "external": address(cluster, MESH, "l5d", routers.EXTERNAL),
        "linkerd's admin": address(cluster, MESH, "l5d", routers.ADMIN),
        "hello": address(cluster, APPS, "hello", 7777),
        "world": address(cluster, APPS, "world-v1", 7778),
    }
    open_to_all = {"namerd's admin", "external", "linkerd's admin"}

    def reached(place: str) -> set[str]:
        namespace, pod = strangers[place]
        asked = ("--", "/bin/testserver", "connect", *ports.values())
        said = cluster.kubectl("exec", pod, "-n", namespace, *asked).split()
        return {name for name, target in ports.items() if target in said}

    assert {place: reached(place) for place in strangers} == {
        "elsewhere": open_to_all,
        "in the mesh": open_to_all,
        "among the apps": {*open_to_all, "outgoing"},
    }


def test_every_node_enforces_them(cluster: Cluster, url: str) -> None:
    for number in range(1, len(cluster.nodes()) + 1):
        made = cluster.enter("iptables", "-t", "mangle", "-S", "POSTROUTING", number=number)
        assert "-j NFQUEUE" in made


def test_nothing_that_the_stack_does_is_refused(cluster: Cluster, url: str) -> None:
    """With linkerds on nodes. tests/engine/test_network_policies.py has the other topologies."""
    worlds = local_stack.split_of(url, COUNT)
    share = WEIGHT / 100
    assert local_stack.within_binomial_bounds(worlds["worldv2"], worlds.total(), share), worlds
