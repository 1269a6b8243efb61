"""The stack's state as Pulumi keeps it in a folder, and its repair after a full disk.

Beside `stacks/PROJECT/STACK.json` the backend has copies of it: `STACK.json.bak`, the state before
the last write; `history/PROJECT/STACK/*.checkpoint.json`, after each command that changed it; and
`backups/PROJECT/STACK/*.json`, before each such command. (pulumi/pkg v3.259, backend/diy/state.go.)
"""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import yaml

from local.errors import LocalError

DAMAGED = ".damaged"
"""What the name of a damaged state file is given more, until the state is sound again."""

_LAYOUT = "version: 1\n"
"""What `meta.yaml` says of a backend whose stacks lie in a folder for each project."""


def url(backend: Path) -> str:
    """The URL, without options, of the backend in a folder, whatever characters its path has."""
    return f"file://{quote(str(backend))}"


@dataclass(frozen=True)
class State:
    """A stack's state in a backend: `backend` is the folder that its URL names."""

    backend: Path
    project: str
    stack: str

    @property
    def file(self) -> Path:
        """The state itself; the stack is there if this is."""
        return self._folder("stacks").with_suffix(".json")

    @property
    def damaged(self) -> Path:
        """A damaged state that was put aside; the state may be older than what is live."""
        return self.file.with_name(self.file.name + DAMAGED)

    @property
    def locks(self) -> Path:
        """The folder of the stack's lock files."""
        return self.backend / ".pulumi" / "locks" / "organization" / self.project / self.stack

    def _folder(self, kind: str) -> Path:
        return self.backend / ".pulumi" / kind / self.project / self.stack

    def repair(self) -> str | None:
        """Replace a state that cannot be read by the newest copy that can; what was done.

        Without any such copy the state is gone, as if nothing were live. None if the state was
        sound, or is not there at all. Raises LocalError where it cannot be written.
        """
        try:
            self._repair_layout()
            if not self.file.exists() or _is_sound(self.file):
                return None
            return self._replace()
        except OSError as error:
            raise LocalError(
                f"the state {self.file} is damaged and cannot be replaced: {error.strerror} "
                f"({error.filename})"
            ) from None

    def has_pending(self) -> bool:
        """Whether it notes operations that were begun and whose end is not known."""
        state = _json(self.file)
        checkpoint = state.get("checkpoint") if isinstance(state, dict) else None
        latest = checkpoint.get("latest") if isinstance(checkpoint, dict) else None
        return isinstance(latest, dict) and bool(latest.get("pending_operations"))

    def settle(self) -> None:
        """Forget that the state was damaged: what is live has been compared with it since."""
        self.damaged.unlink(missing_ok=True)

    def _replace(self) -> str:
        copy = next(filter(_is_sound, self._copies()), None)
        if copy is None:
            self.file.replace(self.damaged)
            return (
                f"the state of the stack {self.stack} is damaged, and no copy of it can be read: "
                "making it anew, over what is live"
            )
        scratch = self.file.with_name(f"{self.file.name}.scratch")
        try:
            shutil.copyfile(copy, scratch)
            _flush(scratch)
            self.damaged.unlink(missing_ok=True)
            self.damaged.hardlink_to(self.file)
            scratch.replace(self.file)
        finally:
            scratch.unlink(missing_ok=True)
        return (
            f"the state of the stack {self.stack} is damaged: taking the copy "
            f"{copy.relative_to(self.backend)}, and looking at what is live"
        )

    def _copies(self) -> list[Path]:
        """Copies of the state, the newest first."""
        found = [
            self.file.with_name(f"{self.file.name}.bak"),
            *self._folder("history").glob("*.checkpoint.json"),
            *self._folder("backups").glob("*.json"),
        ]
        there = [file for file in found if file.is_file()]
        return sorted(there, key=lambda file: file.stat().st_mtime_ns, reverse=True)

    def _repair_layout(self) -> None:
        layout = self.backend / ".pulumi" / "meta.yaml"
        if layout.exists() and not _says_version(layout):
            layout.write_text(_LAYOUT)


def drop_unreadable(files: Iterable[Path]) -> None:
    """Delete those of some JSON files that are cut short, where nothing is lost by that."""
    for file in files:
        if not isinstance(_json(file), dict):
            file.unlink(missing_ok=True)


def _is_sound(file: Path) -> bool:
    state = _json(file)
    return isinstance(state, dict) and isinstance(state.get("checkpoint"), dict)


def _json(file: Path) -> object:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None


def _says_version(layout: Path) -> bool:
    try:
        said = yaml.safe_load(layout.read_text(errors="replace"))
    except yaml.YAMLError:
        return False
    return isinstance(said, dict) and isinstance(said.get("version"), int)


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
