"""Handling the signals that would end a process, for as long as something must come to its end."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# SIGHUP: the terminal is gone.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handled(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have them do this instead."""
    former = {each: signal.signal(each, handle) for each in _ENDING}
    try:
        yield
    finally:
        for number, was in former.items():
            signal.signal(number, was)
