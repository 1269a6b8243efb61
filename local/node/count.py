"""How many nodes there are to be, and whether this machine can hold them."""

import os
import shutil
from pathlib import Path

from local.errors import LocalError
from local.node.identity import MOST_NODES
from local.paths import LOCAL

VARIABLE = "LINKERD_CANARY_NODES"
USUAL = 3

GIB = 1 << 30
MEMORY = (0.75, 0.25)
"""GiB that one node takes with the stack on it, and each more: measured, and a third on top."""

INOTIFY = (24.0, 9.0)
"""Instances that one node takes, the control plane's included, and each more: 21 and 8 measured."""

INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
"""Of each user; 128 by default. A kubelet that gets none never becomes ready, and says so only in
its log."""

DISK = (2.0, 0.5)
"""GiB for images, etcd and logs of a first start, and what kubelet wants to see free (200 MiB)."""

DISK_AGAIN = 0.5
"""GiB for another start of nodes that have their data: what kubelet wants to see free, and logs."""


def wanted(remembered: int | None = None) -> int:
    """The number that the environment asks for, else `remembered`, else the usual one."""
    text = os.environ.get(VARIABLE)
    if not text:
        return remembered or USUAL
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_NODES:
        raise LocalError(f"{VARIABLE}={text}: give a whole number from 1 to {MOST_NODES}")
    return int(text)


def check(count: int, running: int = 0, known: int = 0) -> None:
    """Raise a LocalError where that many nodes would soon be short of something.

    `running` of them run already; `known` of them, these included, have run and have their data.
    """
    LOCAL.mkdir(exist_ok=True)
    _refuse_less_disk(count, running, max(running, known))
    _refuse_less_memory(count, running)
    _refuse_less_inotify(count, running)


def _refuse_less_disk(count: int, running: int, known: int) -> None:
    def needs(count: int) -> float:
        more = _total(DISK, count) - _total(DISK, min(known, count))
        return max(more, DISK_AGAIN) if count > running else 0.0

    free = shutil.disk_usage(LOCAL).free
    of = f"{' more' if known else ''} of disk"
    _refuse_less(of, f"free in {LOCAL}", free, count, needs(count), needs(1))


def _refuse_less_memory(count: int, running: int) -> None:
    needs = _total(MEMORY, count) - _total(MEMORY, running)
    one_needs = _total(MEMORY, 1) - _total(MEMORY, min(running, 1))
    of = f"{' more' if running else ''} of memory"
    _refuse_less(of, "available", available_memory(), count, needs, one_needs)


def _refuse_less_inotify(count: int, running: int) -> None:
    needs = int(_total(INOTIFY, count) - _total(INOTIFY, running))
    limit = int(INOTIFY_LIMIT.read_text())
    left = limit - inotify_instances()
    if left < needs:
        raise LocalError(
            f"the nodes need {needs} inotify instances, and {max(left, 0)} of root's {limit} are "
            "left: `sysctl -w fs.inotify.max_user_instances=512` allows more"
        )


def inotify_instances() -> int:
    """How many inotify instances root's processes have open, those in containers included."""
    links = (link for folder in Path("/proc").glob("[0-9]*/fd") for link in _links(folder))
    return sum(link == "anon_inode:inotify" for link in links)


def _links(folder: Path) -> list[str]:
    """What a process's file descriptors refer to; none if it is another user's, or has ended."""
    try:
        if folder.stat().st_uid != 0:
            return []
        return [str(link.readlink()) for link in folder.iterdir()]
    except OSError:
        return []


def _refuse_less(
    of: str, where: str, found: int, count: int, needs: float, one_needs: float
) -> None:
    """Raise a LocalError where less is found, in bytes, than `count` nodes need, in GiB."""
    if found >= needs * GIB:
        return
    nodes = "1 node needs" if count == 1 else f"{count} nodes need"
    would_do = 0 < one_needs * GIB <= found
    fewer = f": {VARIABLE}=1 needs {one_needs:g} GiB" if would_do else ""
    raise LocalError(f"{nodes} {needs:g} GiB{of}, and {found / GIB:.1f} GiB are {where}{fewer}")


def _total(needed: tuple[float, float], count: int) -> float:
    first, each = needed
    return first + each * (count - 1) if count else 0.0


def available_memory(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that programs can still have without swapping, by the kernel's own estimate."""
    fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024
