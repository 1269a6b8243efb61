"""Pulumi's own CLI, several commands of it at a time.

The Automation API runs the same CLI, and one command more for each of its own to learn the CLI's
version; a `status` has no time for that.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from canary.errors import CanaryError

T = TypeVar("T")

_AT_ONCE = 8

MOST_SECONDS = 300.0
"""How long a command may take that only asks."""


class Cli:
    """Commands on one stack: the one that is given, or the one that is selected."""

    def __init__(self, stack: str | None) -> None:
        self._stack = ("--stack", stack) if stack else ()
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._others = ThreadPoolExecutor(1)

    def __enter__(self) -> "Cli":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pool in (self._others, self._pool):
            pool.shutdown(wait=False, cancel_futures=True)

    def start(self, *arguments: str) -> Future[str]:
        """Begin a command; its result is what it prints, or a CanaryError with what is wrong."""
        return self._pool.submit(self.ask, *arguments)

    def background(self, work: Callable[[], T]) -> Future[T]:
        """Do something that asks for commands, on a thread that none of them waits for."""
        return self._others.submit(work)

    def ask(self, *arguments: str) -> str:
        """What a command prints. Raises CanaryError with its first error."""
        return output(self.command(*arguments))

    def command(self, *arguments: str) -> list[str]:
        """The words of a command on the stack."""
        return ["pulumi", *arguments, *self._stack, "--non-interactive", "--color=never"]


def output(command: Sequence[str]) -> str:
    """What a program prints on its standard output. Raises CanaryError with its first error."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(),
            text=True,
            check=False,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CanaryError(f"{' '.join(command[:3])}: no answer within {MOST_SECONDS:g} s") from None
    except OSError as error:
        raise CanaryError(f"cannot run {command[0]}: {error.strerror}; is it on PATH?") from None
    if done.returncode:
        raise CanaryError(f"{' '.join(command[:3])}: {first_error(done.stderr or done.stdout)}")
    return done.stdout


def environment() -> dict[str, str]:
    """The environment of pulumi's commands: they look for no newer pulumi or pip."""
    quiet = {"PULUMI_SKIP_UPDATE_CHECK": "true", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {**quiet, **os.environ}


def environment_of_update(folder: str) -> dict[str, str]:
    """That of an update whose temporary files go to a folder.

    The kubernetes plugin leaves there, at each of its starts, the kubeconfig with its credentials.
    """
    # Without the second variable the CLI does not know --event-log.
    return {**environment(), "TMPDIR": folder, "PULUMI_DEBUG_COMMANDS": "true"}


def first_error(text: str) -> str:
    """The first error of what a program says, or its last line."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    errors = [line.partition("error: ")[2] for line in lines if line.startswith("error: ")]
    return (errors or lines[-1:] or ["it failed and does not say why"])[0]
