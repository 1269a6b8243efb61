"""What the mesh costs: requests per second, latency, CPU and memory by path and by TLS.

On loopback, with linkerd and namerd as processes: the stand-ins, or the real programs if a folder
with them is given. `bench.mesh.job` measures a cluster instead.
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.mesh import deployed, figures, load
from bench.mesh.figures import Row
from bench.mesh.loopback import Loopback
from bench.mesh.paths import PATHS
from local.errors import LocalError
from local.paths import LOCAL
from tests.harness.apiserver import api_server

PICTURE = LOCAL / "mesh-cost.svg"


def main(
    programs: Path | None = None, seconds: float = load.SECONDS, picture: Path = PICTURE
) -> None:
    """Measure every path, print the table and draw it.

    `programs` is a folder with the real `linkerd` and `namerd`, each started with its config file
    as the last argument.
    """
    _prepare(programs, picture)
    rows = measure(programs, seconds)
    which = "the real linkerd and namerd" if programs else "the stand-ins, not the real linkerd"
    print(f"measured: {which}; {load.CONNECTIONS} connections, {seconds:g} s after the warm-up")
    # The stand-ins are no JVMs.
    jvm = f", with a heap of {deployed.MEMORY.heap_mb} MB and tiered compilation"
    print(f"config: as deployed by default{jvm if programs else ''}")
    print(figures.table(rows))
    picture.write_text(figures.svg(rows, which))
    print(f"drawn: {picture}", flush=True)


def _prepare(programs: Path | None, picture: Path) -> None:
    """Raise a LocalError for what would fail only after minutes, or not in one line."""
    for name in ("linkerd", "namerd"):
        path = programs and programs / name
        if path and not (path.is_file() and os.access(path, os.X_OK)):
            raise LocalError(f"there is no program {name} in {programs}")
    if os.geteuid() != 0:
        raise LocalError("the paths need a network of their own: run it as root or with sudo")
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(
            f"--picture {picture}: its folder cannot be made ({error.strerror}): give another file"
        ) from None
    if picture.is_dir():
        raise LocalError(f"--picture {picture} is a folder: give a file in it")


def measure(programs: Path | None, seconds: float) -> Sequence[Row]:
    """One row a path, each with linkerds of its own."""
    rows = []
    fortio = load.fortio()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        api = stack.enter_context(api_server())
        place = Loopback(api, Path(folder), stack, programs)
        for path in PATHS:
            with ExitStack() as running:
                route = path.prepare(place, running)
                rows.append(load.measure(fortio, place, path.name, route, seconds))
            print(f"  {path.name}: {rows[-1].rate:,.0f} requests/s", flush=True)
    return rows
