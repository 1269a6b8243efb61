"""An update of the whole stack, which speaks for itself."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from canary import signals
from canary.errors import CanaryError
from canary.stack.cli import Cli, environment_of_update
from canary.stack.targeted import error_of


def up(cli: Cli, more: Sequence[str]) -> None:
    """Bring the stack to its config. What was changed by hand is put back.

    A signal that would end this process interrupts pulumi, which ends in good order. Raises
    CanaryError with the first error where the update failed.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "events.jsonl"
        log.touch()
        status, said, told = _run(cli, [*more, "--event-log", str(log)], folder)
        if told:
            raise CanaryError("pulumi up was interrupted", 128 + told[0])
        if status:
            raise CanaryError(f"pulumi up failed: {error_of(log, said)}")


def _run(cli: Cli, more: Sequence[str], folder: str) -> tuple[int, str, list[int]]:
    """Its exit status, what it said on its standard error, and the signals that came meanwhile."""
    # Without a preview of its own: before the first update, Kubernetes lets nobody who has no right
    # to bind try out a binding whose role is not there yet.
    command = cli.command("up", "--yes", "--skip-preview", "--refresh", "--diff", *more)
    told: list[int] = []
    begun: list[subprocess.Popen[str]] = []

    def hand_on(number: int, _: FrameType | None) -> None:
        told.append(number)
        for process in begun:
            process.send_signal(signal.SIGINT)

    with signals.handled(hand_on):
        begun.append(_begun(command, folder))
        if told:  # before there was a process to tell
            begun[0].send_signal(signal.SIGINT)
        said = _passed_on(begun[0])
        return begun[0].wait(), said, told


def _passed_on(process: subprocess.Popen[str]) -> str:
    lines = []
    for line in process.stderr or ():
        lines.append(line)
        with suppress(OSError):  # the terminal is gone: pulumi is read to its end all the same
            print(line, end="", file=sys.stderr, flush=True)
    return "".join(lines)


def _begun(command: list[str], folder: str) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment_of_update(folder),
            # The terminal's interrupt reaches this process alone, which hands it on once.
            start_new_session=True,
        )
    except OSError as error:
        raise CanaryError(f"cannot run pulumi: {error.strerror}; is it on PATH?") from None
