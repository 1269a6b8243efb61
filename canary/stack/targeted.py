"""An update of some resources alone, whose errors are told one a line."""

import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from canary import events
from canary.errors import CanaryError
from canary.stack.cli import Cli, environment, first_error


@dataclass(frozen=True)
class Ended:
    """An update that came to its end."""

    succeeded: bool
    error: str
    """The first; empty where it succeeded."""
    was_interrupted: bool = False


def up(
    cli: Cli,
    urns: Iterable[str],
    message: str,
    given: Sequence[str],
    *,
    hears_interrupts: bool = True,
) -> Ended:
    """Bring these resources to the config, and no others. Raises CanaryError where it cannot begin.

    `given` are words of the command that change the config first.

    An interrupt of the terminal's reaches pulumi too, or is handed to it where it does not hear
    them by itself: it is let come to its end.
    """
    targets = [word for urn in urns for word in ("--target", urn)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "events.jsonl"
        log.touch()
        command = cli.command(
            *("up", "--yes", "--skip-preview", "--diff", "--suppress-permalink"),
            *("--message", message, "--event-log", str(log), *given, *targets),
        )
        said, status, interrupted = _run(command, hears_interrupts)
        if status == 0:
            return Ended(True, "", interrupted)
        return Ended(False, _error(log.read_text(encoding="utf-8"), said), interrupted)


def _run(command: list[str], hears_interrupts: bool) -> tuple[str, int, bool]:
    """What it says, its exit status, and whether it was interrupted."""
    # Without the variable the CLI does not know --event-log.
    env = {**environment(), "PULUMI_DEBUG_COMMANDS": "true"}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            text=True,
            start_new_session=not hears_interrupts,
        )
    except OSError as error:
        raise CanaryError(f"cannot run pulumi: {error.strerror}; is it on PATH?") from None
    interrupted = False
    while True:
        try:
            said, _ = process.communicate()
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            if not hears_interrupts:
                process.send_signal(signal.SIGINT)
        else:
            return said, process.returncode, interrupted


def _error(log: str, said: str) -> str:
    try:
        found = events.read(log, "pulumi's log").errors
    except CanaryError:
        found = []
    return " ".join((found or [first_error(said)])[0].split())
