"""What this machine last set out to write, so that an interrupted write is known as one's own.

Killed between the write and the state, a run leaves a table that no state has seen: to the next
`pulumi up` it would look like somebody else's. One small file for each table, in Pulumi's home,
says what was written over what. Where it is missing (another machine), an interrupted write is an
error that names `pulumi up --refresh`; nothing else depends on it.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: there every interrupted write counts as somebody else's
    fcntl = None  # type: ignore[assignment]


@dataclass
class _Entry:
    """What may have been written over the table that the state has. None is no table."""

    table_before: str | None
    version_before: str | None
    tables: list[str | None]
    finished: bool = False


class Journal:
    """The journal of one table of one namerd, as it is on this machine.

    `table` and `version` are what the state has of it, None where it has nothing. All tables are
    canonical texts.
    """

    def __init__(
        self, identity: str, namespace: str, table: str | None, version: str | None
    ) -> None:
        home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        name = hashlib.sha256(f"{identity}/{namespace}".encode()).hexdigest()[:32]
        self._path = home / "linkerd-canary" / f"{name}.json"
        self._recorded = table
        self._entry = _Entry(table, version, [])
        self._file: IO[str] | None = None
        self._left: list[str | None] = []
        self._finished: list[str | None] = []

    def has_unrecorded(self) -> bool:
        """Whether something was written over what the state has, which it has not seen."""
        entry = self._read()
        return entry is not None and any(table != self._recorded for table in entry.tables)

    @contextmanager
    def held(self) -> Iterator["Journal"]:
        """Keep it from others during an operation; without effect where that cannot be.

        The lock goes with the process, which is how a write that was interrupted is told from one
        that somebody is at.
        """
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            file = os.fdopen(descriptor, "r+")
            if _locked(file):
                self._file = file
                entry = self._read()
                self._left = entry.tables if entry and not entry.finished else []
                self._finished = entry.tables if entry and entry.finished else []
            else:
                file.close()
        try:
            yield self
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None

    def is_left_behind(self, table: str) -> bool:
        """Whether an interrupted write over what the state has left this table. While held."""
        return table in self._left

    def has_finished(self, table: str) -> bool:
        """Whether this machine has written this table over what the state has. While held.

        Not a claim to it: two stacks of one table look the same as one whose state was not saved.
        """
        return table in self._finished

    def begin(self, table: str | None) -> None:
        """Say what is about to be written."""
        tables = [each for each in self._left if each != table]
        self._put(replace(self._entry, tables=[*tables, table]))

    def finish(self, table: str | None) -> None:
        """Say what was written and nothing else remains; the state is about to see it."""
        self._put(replace(self._entry, tables=[table], finished=True))

    def withdraw(self) -> None:
        """What was begun was not written; what was left behind before is still there."""
        self._put(replace(self._entry, tables=self._left) if self._left else None)

    def forget(self) -> None:
        """What was written is gone again, and everything before it."""
        self._put(None)

    def _read(self) -> _Entry | None:
        """The entry that continues what the state has."""
        with suppress(OSError, ValueError, TypeError, AttributeError):
            entry = _Entry(**json.loads(self._path.read_text()))
            before = (entry.table_before, entry.version_before)
            if before == (self._entry.table_before, self._entry.version_before):
                return replace(entry, tables=list(entry.tables))
        return None

    def _put(self, entry: _Entry | None) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(json.dumps(asdict(entry)) if entry else "")
            self._file.flush()


def _locked(file: IO[str]) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
