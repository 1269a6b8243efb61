"""Signals: how this process, and what it starts, ends by them."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def restore_sigint() -> None:
    """Let SIGINT interrupt this process and those it starts, also as a shell's background job.

    Such a job ignores it, and hands that down: the engine, which ends its plugins by SIGINT, would
    wait five seconds for each of them at the end of each command.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def exit_on_termination() -> None:
    """Make SIGTERM and SIGHUP exceptions, so that what is under way is ended and put in order."""

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
            signal.signal(number, leave)


@contextmanager
def handled(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Have a function called for each signal of ENDING that is not ignored; main thread only."""
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        for number, earlier in before.items():
            if earlier is not signal.SIG_IGN:
                signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
