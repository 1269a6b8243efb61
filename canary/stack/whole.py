"""An update of the whole stack, which speaks for itself."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from canary import events
from canary.errors import CanaryError
from canary.stack.cli import Cli, environment


def up(cli: Cli, more: Sequence[str]) -> None:
    """Bring the stack to its config. What was changed by hand is put back.

    A signal that would end this process interrupts pulumi, which ends in good order. Raises
    CanaryError with the first error where the update failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "events.jsonl"
        log.touch()
        status, told = _run(cli, [*more, "--event-log", str(log)])
        if told:
            raise CanaryError("pulumi up was interrupted", 128 + told[0])
        if status:
            raise CanaryError(f"pulumi up failed: {_error(log)}")


def _run(cli: Cli, more: Sequence[str]) -> tuple[int, list[int]]:
    """Its exit status, and the signals that came meanwhile."""
    # Without a preview of its own: before the first update, Kubernetes lets nobody who has no right
    # to bind try out a binding whose role is not there yet.
    command = cli.command("up", "--yes", "--skip-preview", "--refresh", "--diff", *more)
    try:
        # The terminal's interrupt reaches this process alone, which hands it on once.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            # Without the variable the CLI does not know --event-log.
            env={**environment(), "PULUMI_DEBUG_COMMANDS": "true"},
            start_new_session=True,
        )
    except OSError as error:
        raise CanaryError(f"cannot run pulumi: {error.strerror}; is it on PATH?") from None
    with _handed_on(process) as told:
        return process.wait(), told


def _error(log: Path) -> str:
    try:
        found = events.read(log.read_text(encoding="utf-8"), "pulumi's log").errors
    except CanaryError:
        found = []
    return " ".join((found or ["what it said is above"])[0].split())


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
