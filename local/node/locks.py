"""Locks that keep two commands from meeting; both end with the process that holds them."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from local.errors import LocalError
from local.paths import LOCAL
from local.progress import say

LOCK_SECONDS = 300.0

NETWORK = Path("/proc/self/ns/net")
"""This machine's network namespace: what clones share, and nothing that has to be written."""


@contextmanager
def of_clone() -> Iterator[None]:
    """Keep two starts or ends of this clone's nodes from meeting. Raises LocalError."""
    LOCAL.mkdir(exist_ok=True)
    lock = os.open(LOCAL / "node.lock", os.O_RDWR | os.O_CREAT, 0o644)
    with _held(lock, "start or end of these nodes", "`make up` or `make down` of this clone"):
        yield


@contextmanager
def of_machine() -> Iterator[None]:
    """Keep two clones from choosing one network.

    A bridge whose nodes do not run counts as dead, so it is held from the choice until they run.
    Raises LocalError.
    """
    lock = os.open(NETWORK, os.O_RDONLY)
    with _held(lock, "clone's start of its nodes", "`make up`, of some clone on this machine,"):
        yield


@contextmanager
def _held(lock: int, awaited: str, holder: str) -> Iterator[None]:
    """Hold the lock of an open file, and close that at the end."""
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        told = False
        while not taken(lock):
            if time.monotonic() > deadline:
                raise LocalError(f"another {holder} does not end")
            if not told:
                say(f"… waiting for another {awaited}")
                told = True
            time.sleep(0.1)
        yield
    finally:
        os.close(lock)


def taken(lock: int | TextIO) -> bool:
    """Take the lock of an open file, unless another open file has it; whether it is taken."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
