"""An update of some resources alone, whose errors are told one a line."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from canary import events
from canary.errors import CanaryError
from canary.stack.cli import Cli, environment_of_update, first_error


@dataclass(frozen=True)
class Ended:
    """An update that came to its end."""

    succeeded: bool
    error: str
    """The first; empty where it succeeded."""
    was_interrupted: bool = False


MOST_SECONDS = 300.0
"""How long an update that nobody watches may take until it is interrupted, and then ended."""

_ENDING_SECONDS = 60.0


def up(cli: Cli, urns: Iterable[str], message: str, given: Sequence[str]) -> Ended:
    """Bring these resources to the config, and no others. Raises CanaryError where it cannot begin.

    `given` are words of the command that change the config first. An interrupt reaches pulumi from
    the terminal too: it is let come to its end.
    """
    return _up(cli, urns, message, given, is_alone=False)


def up_to_its_end(cli: Cli, urns: Iterable[str], message: str, given: Sequence[str]) -> Ended:
    """The same in a session of its own, which no interrupt reaches but the one that is handed on.

    It is interrupted after MOST_SECONDS, so that one that hangs does not keep the stack for good.
    """
    return _up(cli, urns, message, given, is_alone=True)


def _up(
    cli: Cli, urns: Iterable[str], message: str, given: Sequence[str], *, is_alone: bool
) -> Ended:
    try:
        return _update(cli, urns, message, given, is_alone)
    except OSError as error:  # no room for what it says, for example
        raise CanaryError(f"an update cannot be run: {error.strerror}") from None


def _update(
    cli: Cli, urns: Iterable[str], message: str, given: Sequence[str], is_alone: bool
) -> Ended:
    targets = [word for urn in urns for word in ("--target", urn)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log, said = Path(folder) / "events.jsonl", Path(folder) / "said"
        log.touch()
        command = cli.command(
            *("up", "--yes", "--skip-preview", "--diff", "--suppress-permalink"),
            *("--message", message, "--event-log", str(log), *given, *targets),
        )
        # A pipe would end pulumi with this process, and leave the stack locked.
        with said.open("wb") as output:
            process = _started(command, output, folder, is_alone)
            interrupted = (_wait_alone if is_alone else _wait)(process)
        if process.returncode == 0:
            return Ended(True, "", interrupted)
        text = said.read_text(encoding="utf-8", errors="replace")
        return Ended(False, error_of(log, text), interrupted)


def _started(
    command: list[str], output: IO[bytes], folder: str, is_alone: bool
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment_of_update(folder),
            start_new_session=is_alone,
        )
    except OSError as error:
        raise CanaryError(f"cannot run pulumi: {error.strerror}; is it on PATH?") from None


def _wait(process: "subprocess.Popen[bytes]") -> bool:
    """To its end; whether it was interrupted. A second interrupt ends the wait."""
    try:
        process.wait()
    except KeyboardInterrupt:
        process.wait()
        return True
    return False


def _wait_alone(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(MOST_SECONDS)
    except subprocess.TimeoutExpired:
        _end(process)
    except KeyboardInterrupt:
        _end(process)
        return True
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def error_of(log: Path, said: str) -> str:
    """The first error of an update, by its event log, or of what was wrong before it."""
    try:
        found = events.read(log.read_text(encoding="utf-8"), "pulumi's log").errors
    except CanaryError:
        found = []
    return " ".join((found or [first_error(said)])[0].split())
