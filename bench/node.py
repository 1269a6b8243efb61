"""The nodes by themselves, without a stack: three against one, in a clone of their own.

Nothing of the nodes that people use is touched; both may run side by side.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from bench.report import Bound, Ratio, median
from local import binaries, debs
from local.errors import LocalError
from local.node import count, network
from local.paths import PYTHON
from tests.harness.clone import copy_of_local

ROUNDS = 3
"""Warm starts of each number of nodes; they take turns."""

SEVERAL = 3

_RUN = """\
import json, time
from pathlib import Path
from local import node
from local.node import cgroups

def seconds(run):
    started = time.perf_counter()
    run()
    return time.perf_counter() - started

def share_of(pid):
    # Each page once, however many processes share it.
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

node.up()    # with the data, and the number, that the next start finds
node.down()
up = seconds(node.up)
gib = sum(map(share_of, cgroups.processes())) / 2**20
print(json.dumps({"up": up, "memory": gib, "down": seconds(node.down)}))
"""

_DOWN = "from local import node; node.down()"


def main() -> None:
    """Measure, and print each figure against its peer or bound."""
    for built in binaries.NODE:
        built()
    debs.unpacked()
    figures: dict[int, list[dict[str, float]]] = {1: [], SEVERAL: []}
    with tempfile.TemporaryDirectory(prefix="bench-nodes-") as folder:
        clone = copy_of_local(Path(folder))
        try:
            for _ in range(ROUNDS):
                for number, measured in figures.items():
                    measured.append(json.loads(_run(clone, _RUN, number)))
        finally:
            _run(clone, _DOWN)

    def middle(number: int, what: str) -> float:
        return median([figure[what] for figure in figures[number]])

    three = f"{SEVERAL} nodes"
    for line in (
        Ratio(f"{three} up from warm / 1 node", middle(SEVERAL, "up"), middle(1, "up"), 1.5),
        Ratio(
            f"memory of {three} / 1 node",
            middle(SEVERAL, "memory"),
            middle(1, "memory"),
            unit="GiB",
        ),
        Bound(f"memory of {three} without a stack", middle(SEVERAL, "memory"), 1.25, "GiB"),
        Bound(f"down of {three}", middle(SEVERAL, "down"), 2),
    ):
        print(line, flush=True)


def _run(folder: Path, program: str, number: int = 1) -> str:
    """What a program prints in the clone, with a number of nodes and a network that is free."""
    # The network that may be set for the nodes that people use is theirs.
    inherited = {name: value for name, value in os.environ.items() if name != network.VARIABLE}
    done = subprocess.run(
        [PYTHON, "-c", program],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(folder), count.VARIABLE: str(number)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LocalError(f"{number} nodes: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout
