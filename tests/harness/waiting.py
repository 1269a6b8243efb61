"""Waiting for what comes sooner or later."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], object], what: str, seconds: float = 300) -> None:
    """Look until a condition holds; an AssertionError that names it if it does not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
