"""One line a step on standard error, with how long each took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    """Print one line of progress."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Name a step that may take a while, and say how many seconds it took."""
    started = time.monotonic()
    say(f"… {what}")
    yield
    say(f"  done in {time.monotonic() - started:.1f} s")
