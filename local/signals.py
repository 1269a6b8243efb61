"""The disposition of signals that what is started here takes over."""

import signal


def heed_interrupts() -> None:
    """Let SIGINT interrupt this process and those it starts, also as a shell's background job.

    Such a job ignores it, and hands that down: the engine, which ends its plugins by SIGINT, would
    wait five seconds for each of them at the end of each command.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
