"""From 1 to 200 services: what a preview, an `up`, the table and the objects grow by, with linkerds
on nodes and beside the apps.

The project's own program by the real engine. The tables are objects of a real API server and a
namerd is asked where they lead; all other objects are taken for made.

The engine writes the whole state before and after each resource, so a first `up` cannot grow
linearly. What of it is the program's shows in two ways: against a bare program with as many
resources of the same size, and by an `up` that writes the state once.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.report import Bound, Ratio
from mesh.topology import DAEMONSET, SIDECAR
from tests.harness.apiserver import ApiServer, api_server
from tests.harness.engine import bare_project, stack
from tests.harness.shops import AGREEABLE, Shop, services, shop

TOPOLOGIES = (DAEMONSET, SIDECAR)
COUNTS = (1, 50, 100, 200)
LIMIT = 2.0
"""What one more service may cost between the last two counts, against the first two."""

SPLIT_FROM = 1
"""One service alone has two versions, or there were no weight to change."""

FIRST_UP = "first up, s"
BARE = "as many bare resources, s"
"""A first `up` of the engine with nothing of this project: the floor."""
BARE_LIMIT = 2.0
OBJECT = "the largest object, kB"
OBJECT_LIMIT = 2**20 / 1000
"""What an API server takes of a ConfigMap: MaxSecretSize in Kubernetes' validation."""

PLAIN = Path(__file__).parent / "plain.py"

Figures = dict[str, dict[int, float]]
"""By what was measured and the number of services."""


def main() -> None:
    """Measure, and print every figure and how it grows."""
    with tempfile.TemporaryDirectory() as folder, api_server() as api:
        for where in TOPOLOGIES:
            print(f"meshTopology {where}", flush=True)
            own = Path(folder) / where
            own.mkdir()
            for line in lines(measure(api, own, where)):
                print(line, flush=True)


def measure(api: ApiServer, folder: Path, where: str) -> Figures:
    """Each count from nothing: a preview, the first `up`, later ones, and the bare engine's."""
    found: Figures = {}
    with shop(api, folder, COUNTS[-1], SPLIT_FROM) as of:
        for count in COUNTS:
            for what, figure in _measured(of, count, folder, where):
                found.setdefault(what, {})[count] = figure
                print(f"  {count:>3} services: {what.replace(',', f' {figure:,.1f}')}", flush=True)
    return found


def _measured(of: Shop, count: int, folder: Path, where: str) -> Iterator[tuple[str, float]]:
    engine = of.engine

    def configure(weight: int) -> None:
        declared = services(count, SPLIT_FROM)
        of.configure(declared, canaryWeight=weight, meshTopology=where)

    configure(10)
    yield "preview of everything new, s", _seconds(engine.preview)
    yield FIRST_UP, _seconds(engine.up)
    yield "up without a change, s", _seconds(engine.up)
    configure(20)
    yield "up with a new weight, s", _seconds(engine.up)
    yield "the table, bytes", len(";".join(of.table("internal")))
    resources = engine.state()["resources"]
    engine.destroy()
    yield "resources, number", len(resources)
    yield OBJECT, largest(resources) / 1000
    yield "the state, kB", len(json.dumps(resources)) / 1000
    yield BARE, _bare(folder / f"bare-{count}", resources)
    engine.set_environment(PULUMI_SKIP_CHECKPOINTS="true")
    configure(10)
    yield "first up with one write, s", _seconds(engine.up)
    engine.destroy()
    engine.set_environment(PULUMI_SKIP_CHECKPOINTS="false")


def largest(resources: list[dict[str, Any]]) -> int:
    """The bytes of the largest Kubernetes object of a state."""
    objects = [each for each in resources if each["type"].startswith("kubernetes:")]
    return max(len(json.dumps(each.get("inputs", {}))) for each in objects)


def _bare(folder: Path, like: list[dict[str, Any]]) -> float:
    """The seconds of a first `up` with as many resources, of the same size in the state."""
    folder.mkdir()
    with stack(folder, {"kubernetes": AGREEABLE}, bare_project) as engine:
        # What is given comes back: the state has it twice.
        size = len(json.dumps(like)) // len(like) // 2
        engine.run(PLAIN, RESOURCES=str(len(like)), BYTES=str(size))
        return _seconds(engine.up)


def _seconds(command: Callable[[], object]) -> float:
    began = time.perf_counter()
    command()
    return time.perf_counter() - began


def lines(figures: Figures) -> Iterator[str]:
    """A table of the figures, then what one more service costs early and late."""
    yield f"{'services':<32}" + "".join(f"{count:>10}" for count in COUNTS)
    for what, by_count in figures.items():
        yield f"{what:<32}" + "".join(f"{by_count[count]:>10,.1f}" for count in COUNTS)
    most = COUNTS[-1]
    if BARE in figures:
        against = figures[BARE][most]
        name = f"first up of {most} services / as many bare resources"
        yield str(Ratio(name, figures[FIRST_UP][most], against, BARE_LIMIT))
    if OBJECT in figures:
        name = OBJECT.partition(",")[0]
        yield str(Bound(name, max(figures[OBJECT].values()), OBJECT_LIMIT, "kB"))
    for what, by_count in figures.items():
        if what in (FIRST_UP, BARE, OBJECT):
            continue  # the engine's, and no straight line; the object's need not grow at all
        name, _, unit = what.rpartition(", ")
        early = more(by_count, COUNTS[0], COUNTS[1])
        late = more(by_count, COUNTS[-2], COUNTS[-1])
        yield str(Ratio(f"{name}: one more service, late / early", late, early, LIMIT, unit))


def more(by_count: Mapping[int, float], fewer: int, many: int) -> float:
    """What one more service costs between two counts."""
    return (by_count[many] - by_count[fewer]) / (many - fewer)


if __name__ == "__main__":
    main()
