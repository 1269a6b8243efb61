"""The nodes' control groups: one of this clone's own in each hierarchy, by which all is found.

`<root>/linkerd-canary-<clone>/<node>` is a node's: `node` in it holds the node's own processes,
`kubepods` the pods'. Both layouts are known: version 2, and version 1 with a hierarchy per
controller.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from local.errors import LocalError
from local.node.identity import ID, NODE_NAME

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


def join(part: str, pid: int = 0) -> None:
    """Make a part's groups and move a process into them, by default the calling one.

    Its children come with it. `part` is a node's name, or what else this clone runs.
    """
    for root in hierarchies():
        group = root / NAME
        folders = (group, group / part, group / part / "node")
        for folder in folders:
            folder.mkdir(exist_ok=True)
            _prepare(folder)
        (folders[-1] / "cgroup.procs").write_text(str(pid))


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


def processes(part: str = "", name: str = NAME) -> set[int]:
    """Every process of a part, its pods' included; of all parts where none is given.

    `name` is the group of another clone's nodes.
    """
    return {
        int(pid)
        for root in hierarchies()
        for group in _groups(root / name / part)
        for pid in _read(group / "cgroup.procs").split()
        if pid != "0"
    }


def first_process(part: str = NODE_NAME) -> int | None:
    """A part's process 1, by its number out here; none when the part does not run."""
    for root in hierarchies():
        for pid in _read(root / NAME / part / "node" / "cgroup.procs").split():
            if _numbers(int(pid))[1:] == [1]:
                return int(pid)
    return None


def parts() -> set[str]:
    """The parts, and groups of older releases, that have processes."""
    named = {folder.name for root in hierarchies() for folder in (root / NAME).glob("*/")}
    return {part for part in named if processes(part)}


def _numbers(pid: int) -> list[int]:
    """A process's numbers, from our namespace inwards; none if it is gone."""
    lines = _read(Path(f"/proc/{pid}/status")).splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return [int(number) for number in fields.get("NSpid", "").split()] if alive(pid) else []


def alive(pid: int) -> bool:
    """Whether a process is there and more than a zombie that its parent has yet to reap."""
    after_name = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return bool(after_name) and after_name[0] not in "ZX"


def remove(part: str = "", timeout: float = 30.0) -> None:
    """Remove a part's groups, or all, once their processes are gone; waits `timeout` seconds."""
    until = time.monotonic() + timeout
    while True:
        left = [group for root in hierarchies() for group in _groups(root / NAME / part)]
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
