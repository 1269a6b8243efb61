"""What processes have used, by /proc. A program may be a script with others below it: those of its
session count with it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_SESSION, _USER, _SYSTEM = 3, 11, 12
"""Fields of /proc/PID/stat after the program's name (proc(5))."""


def cpu_seconds(sessions: Sequence[int]) -> float:
    """User and system time of all processes of some sessions."""
    return sum(int(stat[_USER]) + int(stat[_SYSTEM]) for _, stat in _of(sessions)) / _TICKS


def resident_mib(sessions: Sequence[int]) -> float:
    """Resident memory of all of them."""
    total = 0
    for folder, _ in _of(sessions):
        status = (folder / "status").read_text()
        total += int(status.partition("VmRSS:")[2].split()[0])
    return total / 1024


def _of(sessions: Sequence[int]) -> Iterator[tuple[Path, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(stat[_SESSION]) in sessions:
            yield folder, stat
