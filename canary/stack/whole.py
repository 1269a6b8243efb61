"""An update of the whole stack, which speaks for itself."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from canary.errors import CanaryError
from canary.stack.cli import Cli, environment


def up(cli: Cli, more: Sequence[str]) -> None:
    """Bring the stack to its config. What was changed by hand is put back.

    A signal that would end this process interrupts pulumi, which ends in good order. Raises
    CanaryError where the update failed.
    """
    # Without a preview of its own: before the first update, Kubernetes lets nobody who has no right
    # to bind try out a binding whose role is not there yet.
    command = cli.command("up", "--yes", "--skip-preview", "--refresh", "--diff", *more)
    try:
        # The terminal's interrupt reaches this process alone, which hands it on once.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, env=environment(), start_new_session=True
        )
    except OSError as error:
        raise CanaryError(f"cannot run pulumi: {error.strerror}; is it on PATH?") from None
    with _handed_on(process) as told:
        status = process.wait()
    if told:
        raise CanaryError("pulumi up was interrupted", 128 + told[0])
    if status:
        raise CanaryError("pulumi up failed: what it said is above")


@contextmanager
def _handed_on(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """The signals so far, each of which interrupts the process."""
    told: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        told.append(number)
        process.send_signal(signal.SIGINT)

    former = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, was in former.items():
            signal.signal(number, was)
