"""Who has the stack: another `make up`, or a `pulumi` that somebody runs by hand."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.errors import LocalError
from local.node.cgroups import alive
from local.node.locks import taken

WRITING_SECONDS = 2.0
"""How long a file may be unreadable because somebody is about to write it."""

_COMMAND_CHARACTERS = 60
_CLOCK_SLACK = timedelta(seconds=5)
_DOWN = "make down"


@dataclass(frozen=True)
class Holder:
    """A process that has the stack; of one on another machine nothing is known but its lock."""

    pid: int
    command: str
    since: datetime
    host: str | None = None

    @property
    def began_in_time(self) -> bool:
        """Whether it was there when the lock was written; one with its number by now was not."""
        return _started(self.pid) <= self.since + _CLOCK_SLACK

    @property
    def is_down(self) -> bool:
        """Whether it is a `make down`."""
        return self.command == _DOWN

    def __str__(self) -> str:
        local = self.since.astimezone()
        today = local.date() == datetime.now().astimezone().date()
        since = f"{local:%H:%M:%S}" if today else f"{local:%Y-%m-%d %H:%M:%S}"
        where = f" on {self.host}" if self.host else ""
        return f"`{self.command}` (process {self.pid}{where}, since {since})"


class StackInUseError(LocalError):
    """The stack is another process's for now; `holder` is none if that could not be told."""

    def __init__(self, stack: str, holder: Holder | None) -> None:
        self.holder = holder
        way_out = (
            '; if that has ended: eval "$(make -s env)"; pulumi cancel'
            if holder and holder.host
            else ""
        )
        super().__init__(
            f"{holder or 'another command'} is at work on the stack {stack}: wait for it to end "
            f"and try again{way_out}"
        )


@contextmanager
def alone(file: Path, stack: str) -> Iterator[None]:
    """Keep the stack for this process; the lock ends with the process, however that ends.

    Raises StackInUseError where another process has it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as lock:
        deadline = time.monotonic() + WRITING_SECONDS
        while not taken(lock):
            holder = _noted(file)
            if holder is not None or time.monotonic() > deadline:
                raise StackInUseError(stack, holder)
            time.sleep(0.05)
        lock.truncate(0)
        json.dump({"pid": os.getpid(), "timestamp": datetime.now(UTC).isoformat()}, lock)
        lock.flush()
        yield


def keeper(file: Path) -> Holder | None:
    """Who keeps a stack by `alone`; none where nobody does, or it has not noted itself yet."""
    try:
        with file.open("a+") as lock:
            return None if taken(lock) else _noted(file)
    except FileNotFoundError:
        return None


def _noted(file: Path) -> Holder | None:
    """Who noted itself in a lock file; none where it has not come to that yet."""
    note = _note(file)
    return _living(note) if note else None


def look(locks: Path) -> tuple[list[Path], list[Holder]]:
    """Pulumi's locks that bind nobody, and who has the stack.

    `locks` is the folder of the stack's lock files. One binds nobody if its process is gone, or if
    a full disk or a kill cut it short.
    """
    dead, living = [], []
    for lock in sorted(file for file in locks.rglob("*") if file.is_file()):
        note = _note(lock) or _note_soon(lock)
        holder = _living(note) if note else None
        if holder is not None:
            living.append(holder)
        else:
            dead.append(lock)
    return dead, living


@dataclass(frozen=True)
class _Note:
    pid: int
    host: str | None
    since: datetime


def _note(file: Path) -> _Note | None:
    """What a lock file says; none if it is empty, cut short or gone."""
    try:
        said = json.loads(file.read_text())
        since = datetime.fromisoformat(said["timestamp"]).astimezone(UTC)
        return _Note(int(said["pid"]), said.get("hostname"), since)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _note_soon(file: Path) -> _Note | None:
    """What a lock file says that may be under way: after some seconds it is not any more."""
    with suppress(OSError):
        while time.time() - file.stat().st_mtime < WRITING_SECONDS:
            if (note := _note(file)) is not None:
                return note
            time.sleep(0.05)
    return None


def _living(note: _Note) -> Holder | None:
    """Who wrote a note, as long as that process is there; its number may be another's by now."""
    if note.host not in (None, socket.gethostname()):
        return Holder(note.pid, "pulumi", note.since, note.host)
    with suppress(OSError):  # it ends at this moment
        holder = Holder(note.pid, _command(note.pid), note.since)
        # Not by the time alone: a clock that is put right moves it.
        another = not holder.began_in_time and holder.command.split()[0] != "pulumi"
        if alive(note.pid) and not another:
            return holder
    return None


def _started(pid: int) -> datetime:
    """When a process began (proc(5): field 22 of its stat, in ticks since the machine started)."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    age = uptime - int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return datetime.now(UTC) - timedelta(seconds=age)


def _command(pid: int) -> str:
    """What a process was started as: `pulumi up`, or `make up` for the program behind that."""
    said = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    words = said.rstrip("\0").split("\0")
    if words[1:3] == ["-m", "local"]:
        return f"make {' '.join(words[3:])}"
    text = " ".join(" ".join([Path(words[0]).name or "a process", *words[1:]]).split())
    return text if len(text) <= _COMMAND_CHARACTERS else f"{text[:_COMMAND_CHARACTERS]}…"
