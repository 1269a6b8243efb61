"""Running the programs that the node is set up with, each for a bounded time."""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from local.errors import LocalError


def said_by(
    command: Sequence[str | Path],
    *,
    seconds: float = 120.0,
    given: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    shown_as: str | None = None,
) -> str:
    """What a command prints; a LocalError with its last line of complaint if it fails.

    `given` is its standard input; `shown_as` is what the error calls it.
    """
    name = shown_as or f"`{shlex.join(map(str, command))}`"
    try:
        done = subprocess.run(
            command, stdin=given, capture_output=True, timeout=seconds, env=env, check=False
        )
    except subprocess.TimeoutExpired:
        raise LocalError(f"{name} took more than {seconds:.0f} s") from None
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip().splitlines()
        raise LocalError(f"{name}: {complaint[-1] if complaint else 'it said nothing'}")
    return done.stdout.decode(errors="replace")
