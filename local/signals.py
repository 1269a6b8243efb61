"""Signals: how this process, and what it starts, ends by them."""

import signal
import sys


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
