"""What each node's linkerd says on its admin port."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kube import pods
from mesh import routers, sidecar
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster, eventually, get

REQUESTS = re.compile(
    r"rt/(outgoing/client|incoming/service)/(?:(?!/service/).)*/http/(world-v[12])/requests"
)
"""The attempts of `outgoing` by the version that it chose, under whatever name they came; and what
`incoming` was asked for, which is that version's name. In a sidecar its client is the app."""

STATE = "/outgoing/interpreter_state/io.l5d.namerd/internal.json"


def entrances(cluster: Cluster, namespace: str = "linkerd") -> dict[str, str]:
    """The URL of every linkerd's router for apps, by the name of its node.

    It is the pod's: the service that apps use leads this machine nowhere.
    """
    return {
        node: f"http://{ip}:{routers.OUTGOING}"
        for node, ip in addresses(cluster, namespace).items()
    }


def pages(cluster: Cluster, path: str) -> dict[str, str]:
    """A page of every linkerd, by the name of its node."""
    return {
        node: get(f"http://{ip}:{routers.ADMIN}{path}") for node, ip in addresses(cluster).items()
    }


def addresses(cluster: Cluster, namespace: str = "linkerd") -> dict[str, str]:
    """The address of the linkerd of each node."""
    found = cluster.get("pods", "-n", namespace, "-l", "app=l5d")["items"]
    return {
        pod["spec"]["nodeName"]: pod["status"]["podIP"]
        for pod in found
        if "deletionTimestamp" not in pod["metadata"] and "podIP" in pod["status"]
    }


def counted(cluster: Cluster) -> Counter[tuple[str, str]]:
    """The attempts of all linkerds, those beside apps included, by router and version."""
    found: Counter[tuple[str, str]] = Counter()
    for address in [*addresses(cluster).values(), *_beside_apps(cluster)]:
        page = get(f"http://{address}:{routers.ADMIN}/admin/metrics.json")
        for metric, value in json.loads(page).items():
            if of_version := REQUESTS.fullmatch(metric):
                router, _, _ = of_version[1].partition("/")
                found[router, of_version[2]] += value
    return found


def _beside_apps(cluster: Cluster) -> list[str]:
    """The addresses of pods that have a linkerd of their own."""
    selector = pods.selector(sidecar.LABELS)
    found = cluster.get("pods", "-n", "hello-world", "-l", selector)["items"]
    return [pod["status"]["podIP"] for pod in found if "deletionTimestamp" not in pod["metadata"]]


@contextmanager
def table_with(cluster: Cluster, weight: int) -> Iterator[None]:
    """A weight for world-v2 in the live table, without an update; it is put back at the end.

    Every node's linkerd follows it when the block begins.
    """
    split = {"/srv/world-v1": 100 - weight, "/srv/world-v2": weight}
    branches = " & ".join(f"{percent:.2f}*{path}" for path, percent in split.items())
    before = cluster.get("dtab", "internal", "-n", "linkerd")["dentries"]
    assert before[-1]["prefix"] == "/host/world"
    _write(cluster, [*before[:-1], {"prefix": "/host/world", "dst": branches}])
    try:
        wait_until_followed(cluster, weight)
        yield
    finally:
        _write(cluster, before)


def _write(cluster: Cluster, dentries: Sequence[dict[str, str]]) -> None:
    patch = json.dumps([{"op": "replace", "path": "/dentries", "value": dentries}])
    cluster.kubectl("patch", "dtab", "internal", "-n", "linkerd", "--type=json", f"-p={patch}")


def wait_until_followed(cluster: Cluster, weight: int) -> None:
    """Wait until every node's linkerd splits world's requests by a weight for world-v2."""
    wanted = {
        version: percent / 100
        for version, percent in (("world-v1", 100 - weight), ("world-v2", weight))
        if percent
    }

    def followed() -> bool:
        for entrance in entrances(cluster).values():  # it follows only names it was asked for
            local_stack.ask(entrance, Host="world")
        shares = {node: _shares(page) for node, page in pages(cluster, STATE).items()}
        wrong = {node: found for node, found in shares.items() if found != wanted}
        assert shares.keys() >= cluster.nodes().keys(), f"no linkerd on some node: {shares}"
        assert not wrong, f"not {wanted}: {wrong}"
        return True

    eventually(followed)


def _shares(page: str) -> dict[str, float]:
    """The shares, from 0 to 1, of the versions that requests for world go to."""
    names = json.loads(page).get("bind", {})
    bound = names.get("/svc/world", {}).get("", {}).get("state", {}).get("value") or {}
    weights: Counter[str] = Counter()
    for branch in bound.get("trees") or [{"weight": 1, "tree": bound}]:
        if branch["weight"] and "value" in branch["tree"]:
            version = branch["tree"]["value"]["id"].rpartition("/")[2]
            weights[version] += branch["weight"]
    return {version: weight / weights.total() for version, weight in weights.items()}
