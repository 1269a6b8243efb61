"""Processes by descriptors that never come to mean another one, and ending them in good order."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from local.errors import LocalError
from local.progress import say

TIDY_SECONDS = 60.0
"""How long a command may take, once interrupted, to note what it did and to unlock."""

HURRY_SECONDS = 15.0
"""How long it may take after a second interrupt."""

KILL_SECONDS = 15.0
"""How long a killed process may take to be gone."""

_STOP_SECONDS = 5.0


class Process:
    """A process of this machine. Raises ProcessLookupError if there is none of that number."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def close(self) -> None:
        """Give the descriptor back; nothing else works after that."""
        os.close(self._descriptor)

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def interrupt(self) -> None:
        """Send it SIGINT, as Control-C does."""
        self.send(signal.SIGINT)

    def ended(self, seconds: float = 0.0) -> bool:
        """Whether it ends within some seconds; one that nobody has reaped has ended."""
        return bool(select.select([self._descriptor], [], [], seconds)[0])

    def kill_with_descendants(self) -> None:
        """Kill it and all that it has started.

        Each is stopped before it is asked what it has started, so that it starts nothing meanwhile.
        """
        self.send(signal.SIGSTOP)
        deadline = time.monotonic() + _STOP_SECONDS
        while not self.ended() and _state(self.pid) not in "TtZX":
            if time.monotonic() > deadline:  # in a call that the kernel does not interrupt
                break
            time.sleep(0.005)
        for number in [] if self.ended() else children(self.pid):
            with suppress(ProcessLookupError):
                child = Process(number)
                if number in children(self.pid):  # and not another's number by now
                    child.kill_with_descendants()
                child.close()
        self.send(signal.SIGKILL)


def end(find: Callable[[], Sequence[Process]]) -> None:
    """End processes in good order: an interrupt, a second one, and then by force.

    `find` gives those that have not ended yet, none once all have; it may find more as time goes.
    Raises LocalError where even force does not end them.
    """
    for seconds, what, act in (
        (TIDY_SECONDS, "", Process.interrupt),
        (HURRY_SECONDS, "it has not ended: interrupting it again", Process.interrupt),
        (KILL_SECONDS, "it has not ended: killing it", Process.kill_with_descendants),
    ):
        if what:
            say(f"  {what}")
        if _all_end(find, act, seconds):
            return
    raise LocalError(f"these processes do not end: {sorted(each.pid for each in find())}")


def _all_end(
    find: Callable[[], Sequence[Process]], act: Callable[[Process], None], seconds: float
) -> bool:
    """Whether all end within some seconds, once each has been acted upon."""
    deadline = time.monotonic() + seconds
    done: set[int] = set()
    while found := find():
        for process in found:
            if process.pid not in done:
                done.add(process.pid)
                act(process)
        if time.monotonic() > deadline:
            return False
        found[0].ended(0.1)
    return True


def with_descendants(pid: int) -> Iterator[int]:
    """The number of a process and those of all that it has started."""
    yield pid
    for child in children(pid):
        yield from with_descendants(child)


def children(pid: int) -> list[int]:
    """The numbers of the processes that a process has started; none if it is gone."""
    found: list[int] = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):  # each thread has its own
        with suppress(OSError):
            found += map(int, each.read_text().split())
    return found


def _state(pid: int) -> str:
    """A process's state, one letter of proc(5); X if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
