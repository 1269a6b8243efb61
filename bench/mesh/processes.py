"""What processes have used, by /proc. A program may be a script with others below it: those of its
session count with it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SESSION, _USER, _SYSTEM, _RESIDENT = 3, 11, 12, 21
"""Fields of /proc/PID/stat after the program's name (proc(5))."""


def cpu_seconds(sessions: Sequence[int]) -> float:
    """User and system time of all processes of some sessions."""
    return sum(int(stat[_USER]) + int(stat[_SYSTEM]) for stat in _of(sessions)) / _TICKS


def resident_mib(sessions: Sequence[int]) -> float:
    """Resident memory of all of them."""
    return sum(int(stat[_RESIDENT]) for stat in _of(sessions)) * _PAGE / 2**20


def _of(sessions: Sequence[int]) -> Iterator[list[str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(stat[_SESSION]) in sessions:
            yield stat
