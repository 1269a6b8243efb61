"""What the mesh costs: requests per second, latency, CPU and memory by path and by TLS.

On loopback, with linkerd and namerd as processes: the stand-ins, or the real programs if a folder
with them is given. `bench.mesh.job` measures a cluster instead.
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.mesh import figures, load
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
    rows = measure(programs, seconds)
    which = "the real linkerd and namerd" if programs else "the stand-ins, not the real linkerd"
    print(f"measured: {which}; {load.CONNECTIONS} connections, {seconds:g} s after the warm-up")
    print(figures.table(rows))
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(figures.svg(rows, which))
    print(f"drawn: {picture}", flush=True)


def measure(programs: Path | None, seconds: float) -> Sequence[Row]:
    """One row a path, each with linkerds of its own."""
    for name in ("linkerd", "namerd"):
        if programs and not (programs / name).is_file():
            raise LocalError(f"there is no program {name} in {programs}")
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
