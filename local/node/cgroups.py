"""The node's control groups: one of its own in each hierarchy, by which all of it is found.

`<root>/linkerd-canary-<clone>/node` holds the node's own processes, `.../kubepods` the pods'. Both
layouts are known: version 2, and version 1 with a hierarchy per controller.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from local.errors import LocalError
from local.node.identity import ID

NAMES = "linkerd-canary-"
NAME = f"{NAMES}{ID}"


def hierarchies(mountinfo: Path = Path("/proc/self/mountinfo")) -> list[Path]:
    """Where control groups are mounted. Mount points have no spaces on any known system."""
    found = []
    for line in mountinfo.read_text().splitlines():
        before, after = line.split(" - ")
        if after.split()[0] in ("cgroup", "cgroup2"):
            found.append(Path(before.split()[4]))
    if not found:
        raise LocalError("no control groups are mounted (/sys/fs/cgroup): containers need them")
    return found


def join() -> None:
    """Make the node's groups and move the calling process, and so all its children, into them."""
    for root in hierarchies():
        group = root / NAME
        for folder in (group, group / "node"):
            folder.mkdir(exist_ok=True)
            _prepare(folder)
        (group / "node" / "cgroup.procs").write_text("0")


def _prepare(folder: Path) -> None:
    """What a new group lacks before processes or groups may go into it."""
    for name in ("cpuset.cpus", "cpuset.mems"):  # version 1: empty, not inherited
        file = folder / name
        if (
            file.exists()
            and not (folder / "cgroup.controllers").exists()
            and not file.read_text().strip()
        ):
            file.write_text((folder.parent / name).read_text())
    controllers = folder.parent / "cgroup.controllers"
    if controllers.exists():  # version 2: the parent hands controllers on
        for controller in controllers.read_text().split():
            _write_if_possible(folder.parent / "cgroup.subtree_control", f"+{controller}")


def _write_if_possible(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError:  # a controller in use elsewhere; kubelet names one that it misses
        return


def processes(name: str = NAME) -> set[int]:
    """Every process of the node, its pods' included; with a name, of another clone's node."""
    return {
        int(pid)
        for root in hierarchies()
        for group in _groups(root / name)
        for pid in _read(group / "cgroup.procs").split()
        if pid != "0"
    }


def first_process() -> int | None:
    """The node's process 1, by its number out here; none when the node does not run."""
    for pid in processes():
        if _numbers(pid)[1:] == [1]:
            return pid
    return None


def _numbers(pid: int) -> list[int]:
    """A process's numbers, from our namespace inwards; none if it is gone."""
    lines = _read(Path(f"/proc/{pid}/status")).splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return [int(number) for number in fields.get("NSpid", "").split()] if alive(pid) else []


def alive(pid: int) -> bool:
    """Whether a process is there and more than a zombie that its parent has yet to reap."""
    after_name = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return bool(after_name) and after_name[0] not in "ZX"


def remove(patience: float = 2.0) -> None:
    """Remove the groups once their processes are gone; waits at most `patience` seconds."""
    until = time.monotonic() + patience
    while True:
        left = [group for root in hierarchies() for group in _groups(root / NAME)]
        if not left:
            return
        if time.monotonic() > until:
            raise LocalError(f"control group {left[0]} cannot be removed: is a process in it?")
        for group in left:
            try:
                group.rmdir()
            except OSError:  # a process is still ending in it
                time.sleep(0.01)


def _groups(top: Path) -> Iterator[Path]:
    """A group and all below it, the innermost first."""
    for folder, _, _ in os.walk(top, topdown=False):
        yield Path(folder)


def _read(file: Path) -> str:
    """A file of a process or group, empty when that has just gone."""
    try:
        return file.read_text()
    except OSError:
        return ""
