"""What it adds to a write to see that traffic follows it: three linkerds, and a simulated hundred.

The cluster is a real API server with a namerd behind it. The linkerds are stand-ins that follow at
once, so that what is measured is the asking.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from bench.report import Bound, Ratio, median
from dynamic.dtab import DtabProvider
from tests.contract.stand_ins import DTAB_DEFINITION
from tests.engine.cluster import MESH, Cluster
from tests.harness.apiserver import api_server
from tests.harness.linkerds import StandInLinkerds, stand_in_linkerds
from tests.harness.namerd import namerd
from tests.provider_host import Stack, provider_host

ROUNDS = 5
MOST_LINKERDS = 100
NAME = "/svc/world"
V1, V2 = "/$/inet/127.0.0.1/7001", "/$/inet/127.0.0.1/7002"


def main() -> None:
    """Measure, and print each figure against a write that nobody is asked about."""
    with _cluster() as (cluster, stack), stand_in_linkerds(cluster.api, MESH) as linkerds:
        alone = median([_write(cluster, stack, None, weight) for weight in _weights()])
        followed = {}
        for number in (3, MOST_LINKERDS):
            linkerds.start(number)
            followed[number] = median(
                [_write(cluster, stack, linkerds, weight) for weight in _weights()]
            )
        print(Ratio("a new weight that 3 linkerds follow / that none does", followed[3], alone, 4))
        print(Ratio(f"{MOST_LINKERDS} linkerds / 3", followed[MOST_LINKERDS], followed[3], 20))
        print(Bound(f"a new weight that {MOST_LINKERDS} linkerds follow", followed[100], 5))


def _weights() -> Iterator[int]:
    """Each new to the table, none of them a way back."""
    for weight in range(ROUNDS):
        yield 10 + weight


@contextmanager
def _cluster() -> Iterator[tuple[Cluster, Stack]]:
    with ExitStack() as up:
        folder = Path(up.enter_context(tempfile.TemporaryDirectory()))
        server = up.enter_context(api_server())
        server.kubectl("create", "namespace", MESH)
        server.define(dict(DTAB_DEFINITION))
        found = up.enter_context(namerd(folder))
        server.expose(MESH, "namerd", {"admin": int(found.admin.rpartition(":")[2])})
        host = up.enter_context(provider_host())
        admin = yaml.safe_load(server.kubeconfig.read_text())
        yield Cluster(server, admin), Stack(host, DtabProvider())


def _write(cluster: Cluster, stack: Stack, linkerds: StandInLinkerds | None, weight: int) -> float:
    """Seconds of an update to a weight, from one below it."""
    more = {"linkerds": linkerds.inputs} if linkerds else {}
    stack.up(cluster.inputs(cluster.admin, weight - 5, more))
    if linkerds:
        for pod in linkerds.pods:
            linkerds.follow(pod, NAME, {V1: 100.0 - weight, V2: float(weight)})
    started = time.perf_counter()
    stack.up(cluster.inputs(cluster.admin, weight, more))
    seconds = time.perf_counter() - started
    if linkerds:
        linkerds.pages.clear()
    return seconds
