"""A rollout's journal: JSON lines in `.canary/STACK/ID.jsonl`, each synced before it is acted on.

The first line says what was planned; each other one is an event. A process that is killed leaves at
most a torn last line, whose event nothing was done about yet.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from canary.analysis.limits import Limits
from canary.errors import CanaryError
from canary.rollout import events
from canary.rollout.events import Event
from canary.rollout.machine import Rollout, replayed
from canary.rollout.plan import Plan

FOLDER = ".canary"
VERSION = 1


@dataclass(frozen=True)
class Header:
    """What a rollout is of, and whose."""

    id: str
    """The time that it began at, in UTC: `20261126T081349Z`."""
    stack: str
    plan: Plan
    who: str
    """user@host"""
    commit: str = ""
    images: dict[str, list[str]] = field(default_factory=dict)
    """What the pods of each version run."""
    canary_pods: list[str] = field(default_factory=list)
    """What tells the canary's pods from those of another release of it."""


@dataclass(frozen=True)
class Journal:
    """A journal that was read."""

    path: Path
    header: Header
    events: tuple[Event, ...]

    @property
    def rollout(self) -> Rollout:
        """The rollout that its events make. Raises CanaryError."""
        try:
            return replayed(self.header.plan, self.events)
        except ValueError as error:
            raise self.without_rollout(error) from None

    def without_rollout(self, why: ValueError) -> CanaryError:
        """What is to be raised where its events make none."""
        return CanaryError(f"{self.path} tells no rollout: {why}")


class Writer:
    """A journal that is written."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path, self._file = path, file

    @classmethod
    def begin(cls, folder: Path, header: Header) -> "Writer":
        """Begin one. Raises CanaryError."""
        path = _folder(folder, header.stack) / f"{header.id}.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # git ignores what begins so, whatever the project's own .gitignore says.
            (folder / FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
            writer = cls(path, path.open("x", encoding="utf-8"))
            writer._write({"journal": VERSION, **_header(header)})
            _sync_folder(path.parent)
        except OSError as error:
            raise CanaryError(f"{path}: {error.strerror}: the journal cannot be begun") from None
        return writer

    @classmethod
    def resume(cls, journal: Journal) -> "Writer":
        """Go on with one, without the torn line that it may end with. Raises CanaryError."""
        try:
            content = journal.path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.truncate(journal.path, whole)
            return cls(journal.path, journal.path.open("a", encoding="utf-8"))
        except OSError as error:
            raise CanaryError(f"{journal.path}: {error.strerror}") from None

    def write(self, event: Event) -> None:
        """Return once the event is on the disk. Raises CanaryError."""
        self._write(events.encode(event))

    def _write(self, line: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise CanaryError(f"{self.path}: {error.strerror}: nothing more can be done") from None

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # what could not be written was told
            self._file.close()


def read(path: Path) -> Journal:
    """Read one. Raises CanaryError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CanaryError(f"{path}: {error.strerror}") from None
    # A torn last line has no end, and may stop in the middle of a character.
    lines = content.split(b"\n")[:-1]
    try:
        header = _read_header(json.loads(lines[0]) if lines else {})
    except (ValueError, KeyError, TypeError) as error:
        raise CanaryError(f"{path} is no journal of a rollout: {error!r}") from None
    return Journal(path, header, tuple(_events(path, lines[1:])))


def _events(path: Path, lines: Iterable[bytes]) -> Iterable[Event]:
    for number, line in enumerate(lines, start=2):
        try:
            yield events.decode(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise CanaryError(f"{path}, line {number} is no event: {error!r}") from None


def last(folder: Path, stack: str, service: str) -> Journal | None:
    """The newest journal of a split, None where there is none. Raises CanaryError."""
    for path in sorted(filter(_has_begun, _folder(folder, stack).glob("*.jsonl")), reverse=True):
        found = read(path)
        if found.header.plan.service == service:
            return found
    return None


def find(folder: Path, rollout_id: str | None) -> Journal:
    """The journal of an id, or the newest of all stacks. Raises CanaryError."""
    pattern = f"*/{rollout_id or '*'}.jsonl"
    begun = filter(_has_begun, (folder / FOLDER).glob(pattern))
    found = sorted(begun, key=lambda path: path.name)
    if not found:
        what = f"rollout {rollout_id}" if rollout_id else "rollout"
        raise CanaryError(f"{folder / FOLDER}: no {what} has left a journal here")
    return read(found[-1])


def _has_begun(path: Path) -> bool:
    """Whether it has its first line: a kill may have come before."""
    try:
        with path.open("rb") as file:
            return file.readline().endswith(b"\n")
    except OSError as error:
        raise CanaryError(f"{path}: {error.strerror}") from None


def _folder(folder: Path, stack: str) -> Path:
    return folder / FOLDER / stack


def _sync_folder(folder: Path) -> None:
    """Have the file's name on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _header(header: Header) -> dict[str, Any]:
    return asdict(header)


def _read_header(given: dict[str, Any]) -> Header:
    if given.get("journal") != VERSION:
        raise ValueError(f"its format is {given.get('journal')}, not {VERSION}")
    plan = dict(given["plan"])
    limits = dict(plan["limits"])
    limits["steps"] = tuple(limits["steps"])
    plan.update(limits=Limits(**limits), steps=tuple(plan["steps"]), pauses=tuple(plan["pauses"]))
    known = {each.name for each in fields(Header)} - {"plan"}
    return Header(plan=Plan(**plan), **{key: given[key] for key in known if key in given})
