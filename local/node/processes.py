"""A node's processes: starting its process 1 in namespaces of its own, and ending all of them."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from local.errors import LocalError
from local.node import cgroups, mounts, network
from local.node.identity import Node
from local.node.setup import Setup
from local.node.waiting import last_words
from local.paths import PYTHON, ROOT

NAMESPACES = (
    "--mount", "--pid", "--net", "--uts", "--ipc",
    "--fork", "--kill-child", "--mount-proc", "--propagation", "slave",
)  # fmt: skip
"""What a node has of its own; when its process 1 ends, so does all the rest.

Its mounts never show on this machine; what this machine unmounts, it does not keep.
"""

SET_UP_SECONDS = 120.0
END_SECONDS = 60.0


def launch(node: Node, setup: Setup) -> None:
    """Start a node's process 1 and plug its network in; nothing of it is left if that fails."""
    for name in mounts.data_of(node):
        (node.state / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    machine_network = os.open("/proc/self/ns/net", os.O_RDONLY)
    folders = [f"{name}={folder}" for name, folder in setup.folders.items()]
    arguments = [str(node.number), str(setup.network.all), str(machine_network), *folders]
    inside = [str(PYTHON), "-m", "local.node.inside", *arguments]
    try:
        with (
            (node.logs / "node.log").open("w") as log,
            subprocess.Popen(
                ["setsid", "--fork", "unshare", *NAMESPACES, *inside],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=(machine_network,),
            ) as starting,
        ):
            first = cgroups.first_process(node.name) if _says_ready(starting) else None
            if first is None:
                raise LocalError(f"the node could not be set up: {last_words(node)}")
            network.plug(node, first)
    except BaseException:
        end([node.name])
        raise
    finally:
        os.close(machine_network)


def _says_ready(starting: subprocess.Popen[bytes]) -> bool:
    """Whether the new process 1 asks for its network, within SET_UP_SECONDS."""
    if not starting.stdout:
        return False
    said, _, _ = select.select([starting.stdout], [], [], SET_UP_SECONDS)
    return bool(said) and starting.stdout.readline() == b"ready\n"


def end(parts: Iterable[str]) -> None:
    """Kill all processes of parts at once and remove their control groups."""
    ending = list(parts)
    killed = {pid for part in ending for pid in _kill(part)}
    deadline = time.monotonic() + END_SECONDS
    while left := {pid for pid in killed if cgroups.alive(pid)}:
        _wait(deadline, left)
    for part in ending:
        # What a process 1 leads ends with it, a moment later.
        while left := cgroups.processes(part):
            _wait(deadline, left)
        cgroups.remove(part)


def _kill(part: str) -> set[int]:
    """Kill a part; the processes by which it is seen to end."""
    first = cgroups.first_process(part)
    if first is None:
        killed = cgroups.processes(part)
    else:
        starter = _starter_of(first)
        killed = {first, starter} if starter else {first}
    for pid in {first} if first else killed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return killed


def _wait(deadline: float, left: set[int]) -> None:
    if time.monotonic() > deadline:
        raise LocalError(f"these processes of the nodes do not end: {sorted(left)}")
    time.sleep(0.01)


def _starter_of(first: int) -> int | None:
    """The `unshare` that waits for a process 1."""
    try:
        parent = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
        name = Path(f"/proc/{parent}/comm").read_text()
    except OSError:  # it has just ended
        return None
    return parent if name == "unshare\n" else None
