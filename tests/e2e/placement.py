"""Where a Deployment's pods run, as a test wants it: by closing nodes, without any change to the
Deployment itself."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

from tests.e2e.cluster import Cluster, eventually

APPS = "hello-world"


def placements(nodes: Sequence[str], pods: int) -> Sequence[Mapping[str, int]]:
    """Every way to put so many equal pods on the nodes: for three on three, ten.

    Each differs from the one before it by as few pods as possible.
    """
    counts = product(range(pods + 1), repeat=len(nodes))
    left = [Counter(dict(zip(nodes, each, strict=True))) for each in counts if sum(each) == pods]
    ordered = [left.pop(0)]
    while left:
        nearest = min(left, key=lambda each: (each - ordered[-1]).total())
        ordered.append(nearest)
        left.remove(nearest)
    return ordered


class Placing:
    """Moves pods of one app between nodes."""

    def __init__(self, cluster: Cluster, app: str) -> None:
        self._cluster = cluster
        self._app = app
        self.nodes = [one["metadata"]["name"] for one in cluster.get("nodes")["items"]]

    def place(self, wanted: Mapping[str, int]) -> None:
        """Move one pod after another until each node has as many as wanted, all of them ready."""
        counts = Counter({node: count for node, count in wanted.items() if count})
        while missing := counts - (now := self._wait_until_ready()):
            ((surplus, _),) = (now - counts).most_common(1)
            self._move(surplus, min(missing))

    def _move(self, source: str, target: str) -> None:
        pod = next(one for one in self._pods() if one["spec"].get("nodeName") == source)
        with self._only(target):
            self._cluster.kubectl(
                "delete", "pod", pod["metadata"]["name"], "-n", APPS, "--grace-period=1"
            )
            self._wait_until_ready()

    @contextmanager
    def _only(self, node: str) -> Iterator[None]:
        """New pods start on this node alone."""
        others = [each for each in self.nodes if each != node]
        self._cluster.kubectl("cordon", *others)
        try:
            yield
        finally:
            self._cluster.kubectl("uncordon", *others)

    def count(self) -> int:
        """How many pods there are to be."""
        found = self._cluster.get("deployment", self._app, "-n", APPS)
        return int(found["spec"]["replicas"])

    def _pods(self) -> list[dict[str, Any]]:
        pods = self._cluster.get("pods", "-n", APPS, "-l", f"app={self._app}")["items"]
        return [one for one in pods if "deletionTimestamp" not in one["metadata"]]

    def _wait_until_ready(self) -> Counter[str]:
        """How many pods each node has, once all are ready and the service leads to them alone."""
        count = self.count()

        def all_ready() -> Counter[str] | None:
            pods = self._pods()
            ready = [one for one in pods if _is_ready(one)]
            addresses = {one["status"]["podIP"] for one in ready}
            if len(pods) != count or len(ready) != count or self._endpoints() != addresses:
                return None
            return Counter(one["spec"]["nodeName"] for one in ready)

        found: Counter[str] = eventually(all_ready)
        return found

    def _endpoints(self) -> set[str]:
        subsets = self._cluster.get("endpoints", self._app, "-n", APPS).get("subsets") or []
        return {each["ip"] for subset in subsets for each in subset.get("addresses") or []}


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
