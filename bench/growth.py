"""From 1 to 200 services: what a preview, an `up` and the routing table grow by.

The project's own program by the real engine. The tables are objects of a real API server and a
namerd is asked where they lead; all other objects are taken for made.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.report import Ratio
from tests.contract.stand_ins import DTAB_DEFINITION
from tests.engine.test_services import AGREEABLE, endpoints, namer
from tests.harness.apiserver import ApiServer, api_server
from tests.harness.engine import Engine, own_project, stack
from tests.harness.namerd import namerd

COUNTS = (1, 50, 100, 200)
LIMIT = 2.0
"""What one more service may cost between the last two counts, against the first two."""

MESH, APPS = "growth-mesh", "growth-apps"

Figures = dict[str, dict[int, float]]
"""By what was measured and the number of services."""


def main() -> None:
    """Measure, and print every figure and how it grows."""
    with tempfile.TemporaryDirectory() as folder, api_server() as api:
        figures = measure(api, Path(folder))
    for line in lines(figures):
        print(line, flush=True)


def measure(api: ApiServer, folder: Path) -> Figures:
    """Each count from nothing: a preview, the first `up`, one without a change, a new weight."""
    found: Figures = {}
    with _shop(api, folder) as (engine, configure):
        for count in COUNTS:
            _note(
                found, "preview of everything new, s", count, configure(count, 10, engine.preview)
            )
            _note(found, "first up, s", count, configure(count, 10, engine.up))
            _note(found, "up without a change, s", count, configure(count, 10, engine.up))
            _note(found, "up with a new weight, s", count, configure(count, 20, engine.up))
            kept = api.get("dtabs.l5d.io", "internal", MESH)["dentries"]
            text = ";".join(f"{entry['prefix']}=>{entry['dst']}" for entry in kept)
            _note(found, "the table, bytes", count, len(text))
            engine.destroy()
    return found


def _note(found: Figures, what: str, count: int, figure: float) -> None:
    found.setdefault(what, {})[count] = figure
    print(f"  {count:>3} services: {what.replace(',', f' {figure:,.1f}')}", flush=True)


def services(count: int) -> dict[str, dict[str, Any]]:
    """So many, every fifth from the first on in two versions."""
    found: dict[str, dict[str, Any]] = {}
    for number in range(count):
        service: dict[str, Any] = {"port": 7000, "image": "example.com/shop:1"}
        if number % 5 == 0:
            service["versions"] = {"v1": {}, "v2": {"image": "example.com/shop:2"}}
        found[f"shop-{number}"] = service
    return found


def deployments(count: int) -> list[str]:
    """The names of what runs them."""
    return [
        f"{name}-{version}" if version else name
        for name, service in services(count).items()
        for version in service.get("versions", [""])
    ]


def lines(figures: Figures) -> Iterator[str]:
    """A table of the figures, then what one more service costs early and late."""
    yield f"{'services':<32}" + "".join(f"{count:>10}" for count in COUNTS)
    for what, by_count in figures.items():
        yield f"{what:<32}" + "".join(f"{by_count[count]:>10,.1f}" for count in COUNTS)
    for what, by_count in figures.items():
        name, _, unit = what.rpartition(", ")
        early = more(by_count, COUNTS[0], COUNTS[1])
        late = more(by_count, COUNTS[-2], COUNTS[-1])
        yield str(Ratio(f"{name}: one more service, late / early", late, early, LIMIT, unit))


def more(by_count: Mapping[int, float], fewer: int, many: int) -> float:
    """What one more service costs between two counts."""
    return (by_count[many] - by_count[fewer]) / (many - fewer)


@contextmanager
def _shop(
    api: ApiServer, folder: Path
) -> Iterator[tuple[Engine, Callable[[int, int, Callable[[], object]], float]]]:
    """The engine, and what runs a command of it for so many services and a weight; its seconds."""
    for namespace in (MESH, APPS):
        api.kubectl("create", "namespace", namespace)
    api.define(dict(DTAB_DEFINITION))
    api.apply(*(endpoints(APPS, name) for name in deployments(COUNTS[-1])))
    with api.proxy() as url, namerd(folder, namers=[namer(url)]) as found:
        api.expose(MESH, "namerd", {"admin": int(found.admin.rpartition(":")[2])})
        plugins = {"kubernetes": AGREEABLE}
        settings = {
            "kubeconfig": str(api.kubeconfig),
            "meshNamespace": MESH,
            "appsNamespace": APPS,
            "exposure": "ClusterIP",
            "entryService": "shop-0",
        }
        with stack(folder, plugins, own_project, LINKERD_CANARY_PATIENCE="0.3") as engine:

            def run(count: int, weight: int, command: Callable[[], object]) -> float:
                engine.configure(**settings, services=services(count), canaryWeight=weight)
                began = time.perf_counter()
                command()
                return time.perf_counter() - began

            yield engine, run


if __name__ == "__main__":
    main()
