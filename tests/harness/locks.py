"""The lock of a stack that somebody else updates."""

import json
from pathlib import Path

_OWNER = {"pid": 1, "username": "anna", "hostname": "ws7", "timestamp": "2026-01-01T00:00:00Z"}


def locked(locks: Path) -> Path:
    """A lock in the folder where the backend keeps the stack's: the file, to be deleted."""
    found = locks / "4d1e5c3a-0000-4000-8000-000000000000.json"
    found.parent.mkdir(parents=True, exist_ok=True)
    found.write_text(json.dumps(_OWNER))
    return found
