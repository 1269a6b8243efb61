"""Reading the counters of a simulated hundred linkerds, as `python -m canary` does.

The API server is a real one and the linkerds are stand-ins with a page as long as a busy linkerd's.
The peer is the same requests alone: what reading adds to asking.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bench.report import Bound, Ratio, median
from canary.counters import page, reading
from canary.counters.page import Expression
from dynamic.inputs import Linkerds
from dynamic.linkerds import AT_ONCE, ready_pods
from kube.api import Api
from kube.connection import to_cluster
from tests.harness import counters
from tests.harness.apiserver import api_server
from tests.harness.counters import DAEMONSET, WORLD, steady, version
from tests.harness.linkerds import stand_in_linkerds

ROUNDS = 5
NUMBER = 100
OTHERS = 40
"""Services beside the one that is split, each with two clients."""


def main() -> None:
    """Measure, and print each figure."""
    text = _page()
    with api_server() as server:
        server.kubectl("create", "namespace", "mesh")
        with stand_in_linkerds(server, "mesh") as linkerds:
            linkerds.start(NUMBER)
            for pod in linkerds.pods:
                linkerds.counters[pod] = lambda: text
            with to_cluster(str(server.kubeconfig)) as connection:
                _measure(Api(connection), Linkerds(**linkerds.inputs), len(text))


def _measure(api: Api, linkerds: Linkerds, size: int) -> None:
    names = [f"/{WORLD}-v1", f"/{WORLD}-v2"]
    expression = Expression(("outgoing",), names, lambda _, name: name == "svc/world")
    seen = reading.read(api, [linkerds], expression)
    if len(seen.readings) != NUMBER:
        raise AssertionError(f"{len(seen.readings)} of {NUMBER} linkerds were read")
    read = _median(lambda: reading.read(api, [linkerds], expression))
    asked = _median(lambda: _ask(api, linkerds))
    print(Bound(f"{NUMBER} linkerds are read, {size // 1000} kB each", read, 2))
    print(Ratio("reading them / asking them alone", read, asked, 2))


def _ask(api: Api, linkerds: Linkerds) -> None:
    def ask(pod: str) -> None:
        api.get_proxied("pods", linkerds.namespace, pod, linkerds.port, page.PATH)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, [pod.name for pod in ready_pods(api, linkerds)]))


def _median(work: Callable[[], object]) -> float:
    figures = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        figures.append(time.perf_counter() - began)
    return median(figures)


def _page() -> str:
    names = ["world", *(f"other-{number}" for number in range(OTHERS))]
    return counters.page(
        *(
            version(
                f"{DAEMONSET}#/io.l5d.k8s/hello-world/http/{name}-v{n}",
                1000,
                10,
                service=f"svc/{name}",
                refused=1,
                window=steady(3),
                window_count=100,
            )
            for name in names
            for n in (1, 2)
        )
    )
