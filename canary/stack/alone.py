"""One command at a time writes a stack's settings, of those that run in the project's folder."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from canary.errors import CanaryError

WAIT_SECONDS = 30.0

_POLL_SECONDS = 0.2


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder. Raises CanaryError where another command has it for longer than that.

    `pulumi up --config` empties the settings and writes them anew before it asks for the stack's
    lock. A second one that reads them at that moment takes them for empty, and leaves nothing in
    them but what it sets.
    """
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise CanaryError(f"{folder}: {error.strerror}") from None
    try:
        _lock(held)
        yield
    finally:
        os.close(held)


def _lock(held: int) -> None:
    ends = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends:
                raise CanaryError("another command of this folder is updating the stack") from None
            time.sleep(_POLL_SECONDS)
        except OSError:
            return  # a file system without locks
        else:
            return
