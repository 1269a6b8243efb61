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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: there every interrupted write counts as somebody else's
    fcntl = None  # type: ignore[assignment]


@dataclass
class Entry:
    """One write. Tables are canonical texts; None is no table."""

    table_before: str | None
    version_before: str | None
    table: str | None
    finished: bool = False


class Journal:
    """The journal of one table of one namerd, as it is on this machine."""

    def __init__(self, identity: str, namespace: str) -> None:
        home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        name = hashlib.sha256(f"{identity}/{namespace}".encode()).hexdigest()[:32]
        self._path = home / "linkerd-canary" / f"{name}.json"
        self._file: IO[str] | None = None

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
            else:
                file.close()
        try:
            yield self
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None

    def unrecorded(self, table: str | None, version: str | None) -> Entry | None:
        """The write over this table and version, which a state that has them has not seen."""
        with suppress(OSError, ValueError, TypeError):
            entry = Entry(**json.loads(self._path.read_text()))
            before = (entry.table_before, entry.version_before)
            if before == (table, version) and entry.table != table:
                return entry
        return None

    def interrupted(self, table: str | None, version: str | None) -> Entry | None:
        """The same, if it was never finished and nobody is at it. Only while held."""
        entry = self.unrecorded(table, version)
        return entry if self._file and entry and not entry.finished else None

    def note(self, entry: Entry) -> None:
        """Say what is about to be written, or that it is finished."""
        self._put(json.dumps(asdict(entry)))

    def forget(self) -> None:
        """Nothing remains of what was noted, or the state is about to see it."""
        self._put("")

    def _put(self, text: str) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(text)
            self._file.flush()


def _locked(file: IO[str]) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
