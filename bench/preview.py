"""A preview of the local stack: what it costs, and that it does not load Azure's types.

It is held against a program of as many Kubernetes objects and nothing else. It needs the node that
`make up` brings up, and changes nothing on the stack.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.report import Bound, Ratio, median
from local import stack, whole
from local.paths import KUBECONFIG, ROOT
from tests.engine.azure import COMMAND
from tests.harness import engine
from tests.standins.azure_native import cloud

ROUNDS = 5

PROGRAM = ROOT / "tests" / "engine" / "programs" / "config_maps.py"

NOTES = "BENCH_NOTES"
_SITE = f"""\
import atexit, json, os, pathlib, sys

def note():
    if "pulumi-language-python-exec" in " ".join(sys.orig_argv):
        peak = pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
        azure = sorted(name for name in sys.modules if name.startswith("pulumi_azure_native"))
        note = {{"peak": int(peak) / 1024, "azure": azure}}
        pathlib.Path(os.environ["{NOTES}"]).write_text(json.dumps(note))
atexit.register(note)
"""
"""Python runs this at its start: a program notes its peak memory in MiB, and what it loaded."""


@dataclass(frozen=True)
class Cost:
    """What one preview took."""

    seconds: float
    peak: float
    """The most memory of the program's process, MiB."""
    azure: list[str]
    """Modules of pulumi_azure_native that the program loaded."""


def main() -> None:
    """Measure, and print each figure against its peer."""
    whole.up()
    resources = json.loads(stack.ask("stack", "export"))["deployment"]["resources"]
    count = sum(each["type"].startswith("kubernetes:") for each in resources)
    with (
        tempfile.TemporaryDirectory() as name,
        _noting(Path(name)) as noted,
        _bare(Path(name), count) as bare,
        _aks(Path(name)) as aks,
    ):
        previews = (lambda: stack.ask("preview"), bare, aks)
        rounds = [[noted(each) for each in previews] for _ in range(ROUNDS)]
    ours, theirs, azures = zip(*rounds, strict=True)
    peer = f"{count} ConfigMaps'"
    print(_ratio(f"preview of the local stack / of {peer}", ours, theirs, _seconds, "s", 2.5))
    print(_ratio(f"its program's peak memory / {peer}", ours, theirs, _peak, "MiB", 1.5))
    print(_ratio(f"peak memory on AKS / {peer}", azures, theirs, _peak, "MiB", None))
    print(Bound("Azure's modules that it loads", max(len(each.azure) for each in ours), 0, ""))
    print(f"on AKS, of pulumi_azure_native: {', '.join(_services(azures[0]))}", flush=True)


def _services(cost: Cost) -> list[str]:
    """Which of Azure's services a program loaded the types of."""
    parts = [name.split(".") for name in cost.azure]
    return sorted({part[1] for part in parts if len(part) > 2})


def _seconds(cost: Cost) -> float:
    return cost.seconds


def _peak(cost: Cost) -> float:
    return cost.peak


def _ratio(
    name: str,
    ours: tuple[Cost, ...],
    theirs: tuple[Cost, ...],
    figure: Callable[[Cost], float],
    unit: str,
    limit: float | None,
) -> Ratio:
    mine, peers = ([figure(each) for each in costs] for costs in (ours, theirs))
    return Ratio(name, median(mine), median(peers), limit, unit)


@contextmanager
def _noting(folder: Path) -> Iterator[Callable[[Callable[[], object]], Cost]]:
    """Have every Python program that is started meanwhile note what it took."""
    site, notes = folder / "site", folder / "notes.json"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_SITE)
    before = dict(os.environ)
    os.environ.update({"PYTHONPATH": str(site), NOTES: str(notes)})

    def cost(run: Callable[[], object]) -> Cost:
        started = time.perf_counter()
        run()
        seconds = time.perf_counter() - started
        return Cost(seconds, **json.loads(notes.read_text()))

    try:
        yield cost
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _bare(folder: Path, count: int) -> Iterator[Callable[[], object]]:
    """The preview of a program of ConfigMaps that are there."""
    place = folder / "bare"
    place.mkdir()
    given = {"KUBECONFIG": str(KUBECONFIG), "COUNT": str(count)}
    with engine.stack(place, {"kubernetes": engine.kubernetes_plugin()}, **given) as found:
        found.run(PROGRAM)
        found.up()
        try:
            yield found.preview
        finally:
            found.destroy()


@contextmanager
def _aks(folder: Path) -> Iterator[Callable[[], object]]:
    """The preview of the stack `dev` before it exists."""
    place = folder / "aks"
    (place / "azure").mkdir(parents=True)
    plugins: dict[str, Sequence[str] | Path] = {
        "kubernetes": engine.kubernetes_plugin(),
        "azure-native": COMMAND,
    }
    given = {cloud.FOLDER: str(place / "azure")}
    with engine.stack(place, plugins, engine.own_project, "dev", **given) as found:
        found.set("authorizedIpRanges[0]", "203.0.113.7", "--path")
        yield found.preview
