"""Taking the stack over from whoever works on it, for `make down`.

A user who wants the nodes down has no use for an update that tries to reach them for minutes. So it
is interrupted, as by Control-C, while the cluster still answers: then it notes what it did, and
unlocks. Nobody is signalled of whom it is not certain that the stack is what it works on.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from local import holders
from local.holders import Holder, StackInUseError
from local.processes import Process, end, with_descendants
from local.progress import say
from local.state import State, url

DOWN_SECONDS = 120.0
"""How long another `make down` may take."""


@contextmanager
def taken_over(lock: Path, state: State, project: Path) -> Iterator[None]:
    """Keep the stack for this process; commands at work on it are interrupted and waited for.

    `lock` is the file that `holders.alone` takes, `project` the folder of the Pulumi program.
    Raises StackInUseError where another `make down` does not end, LocalError where a command does
    not even when it is killed.
    """
    at_work = _AtWork(lock, state, project)
    deadline = time.monotonic() + DOWN_SECONDS
    with ExitStack() as kept:
        kept.callback(at_work.close)
        while True:
            end(at_work.find)
            try:
                kept.enter_context(holders.alone(lock, state.stack))
                break
            except StackInUseError as in_use:
                if time.monotonic() > deadline:
                    raise
                at_work.wait_for(in_use.holder)
        end(at_work.find)  # a `pulumi` by hand heeds no lock of ours
        yield


class _AtWork:
    """The processes that are at work on a stack, as far as that is certain."""

    def __init__(self, lock: Path, state: State, project: Path) -> None:
        self._lock, self._state, self._project = lock, state, project
        self._known: dict[int, Process] = {}
        self._said: set[int] = set()

    def find(self) -> list[Process]:
        """Those that have not ended yet; each is named once."""
        keeper = holders.keeper(self._lock)
        if keeper and not keeper.is_down:
            self._meet(keeper, self._keeps)
        for holder in holders.look(self._state.locks)[1]:
            self._meet(holder, self._works_on_it)
        return [process for process in self._known.values() if not process.ended()]

    def wait_for(self, holder: Holder | None) -> None:
        """Let another `make down` go on for a moment."""
        if holder and holder.is_down and holder.pid not in self._said:
            self._said.add(holder.pid)
            say(f"… waiting for {holder}")
        time.sleep(0.1)

    def close(self) -> None:
        """Give the processes' descriptors back."""
        for process in self._known.values():
            process.close()

    def _meet(self, holder: Holder, is_certain: Callable[[Holder], bool]) -> None:
        known = self._known.get(holder.pid)
        if holder.pid == os.getpid() or (known and not known.ended()):
            return
        process = self._process_of(holder, is_certain)
        if process is None:
            return
        if not self._is_started_by_known(holder.pid):
            say(f"… interrupting {holder}, at work on the stack {self._state.stack}")
        if known:
            known.close()
        self._known[holder.pid] = process

    def _process_of(self, holder: Holder, is_certain: Callable[[Holder], bool]) -> Process | None:
        """The process, where it is certain that it is the one that has the stack."""
        with ExitStack() as unless_certain, suppress(OSError):  # it may end at this moment
            if not holder.host:
                # First: should it end and its number be another's, no signal reaches that one.
                process = Process(holder.pid)
                unless_certain.callback(process.close)
                if is_certain(holder):
                    unless_certain.pop_all()
                    return process
            if holder.pid not in self._said:
                self._said.add(holder.pid)
                say(f"… leaving {holder} alone: it may be at work on something else")
        return None

    def _keeps(self, holder: Holder) -> bool:
        """Whether a process has the lock's file open; nobody inherits that."""
        for opened in Path(f"/proc/{holder.pid}/fd").iterdir():
            with suppress(OSError):
                if opened.samefile(self._lock):
                    return True
        return False

    def _works_on_it(self, holder: Holder) -> bool:
        """Whether it is the very pulumi that has locked the stack.

        The lock of a killed one stays, and its number may be another project's pulumi by now.
        """
        if holder.command.split()[0] != "pulumi" or not holder.began_in_time:
            return False
        process = Path(f"/proc/{holder.pid}")
        backend = f"PULUMI_BACKEND_URL={url(self._state.backend)}".encode()
        stated = (process / "environ").read_bytes().split(b"\0")
        return (
            self._is_started_by_known(holder.pid)
            or (process / "cwd").samefile(self._project)
            or any(each.partition(b"?")[0] == backend for each in stated)
        )

    def _is_started_by_known(self, pid: int) -> bool:
        return any(pid in with_descendants(known) for known in self._known)
