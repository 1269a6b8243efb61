"""CPU and memory of containers, as their nodes' kubelets tell them now and then."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from kube.connection import Connection

Key = tuple[str, str]
"""Of a pod: its namespace and name."""

Sample = tuple[float, float]
"""When, in Unix seconds, and how many CPU seconds a container had used by then."""

LAG_SECONDS = 40.0
"""How old what a kubelet tells may be: it looks at containers every 10 to 20 s."""


def used_by(samples: Sequence[Sample], at: float) -> float | None:
    """The CPU seconds used by a moment, between the samples around it; None if it lies outside."""
    for (before, less), (after, more) in pairwise(samples):
        if before <= at <= after:
            share = (at - before) / (after - before) if after > before else 0
            return less + share * (more - less)
    return None


class Usages:
    """What the linkerds of some pods have used."""

    def __init__(self, cluster: Connection, nodes: Mapping[Key, str], container: str) -> None:
        """`nodes` tells the node of each pod."""
        self._cluster = cluster
        self._nodes = nodes
        self._container = container
        self._samples: dict[Key, list[Sample]] = {key: [] for key in nodes}
        self._resident: dict[Key, float] = {}
        self.readable = True
        """Whether the cluster lets the user ask (get on nodes/proxy)."""

    def sample(self) -> None:
        """Ask each node once."""
        for node in sorted(set(self._nodes.values())):
            answer = self._cluster.send("GET", f"/api/v1/nodes/{node}/proxy/stats/summary")
            if answer.status != 200:
                # Anything else may pass, such as a kubelet that is too busy under the load.
                self.readable = self.readable and answer.status != 403
                continue
            for pod in json.loads(answer.text).get("pods", ()):
                key = (pod["podRef"]["namespace"], pod["podRef"]["name"])
                if key in self._samples:
                    self._add(key, pod)

    def _add(self, key: Key, pod: Mapping[str, Any]) -> None:
        for each in pod.get("containers", ()):
            if each["name"] != self._container or "usageCoreNanoSeconds" not in each.get("cpu", {}):
                continue
            when = datetime.fromisoformat(each["cpu"]["time"]).timestamp()
            sample = (when, each["cpu"]["usageCoreNanoSeconds"] / 1e9)
            samples = self._samples[key]
            if not samples or samples[-1][0] < when:
                samples.append(sample)
            self._resident[key] = each.get("memory", {}).get("workingSetBytes", 0) / 2**20

    def sample_until(self, moment: float) -> None:
        """Ask until what is told of every container is of a later moment."""
        deadline = time.monotonic() + LAG_SECONDS
        while self.readable and time.monotonic() < deadline:
            self.sample()
            if all(samples and samples[-1][0] >= moment for samples in self._samples.values()):
                return
            time.sleep(1)

    def cpu_seconds(self, began: float, ended: float) -> float | None:
        """Of all containers between two moments; None where it is not known."""
        total = 0.0
        for samples in self._samples.values():
            before, after = used_by(samples, began), used_by(samples, ended)
            if before is None or after is None:
                return None
            total += after - before
        return total if self._samples else None

    def resident_mib(self) -> float | None:
        """Working set of all containers, as last told."""
        return sum(self._resident.values()) if self._resident else None
