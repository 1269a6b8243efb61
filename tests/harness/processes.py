"""Programs that a test starts: output in a file, ended by process id when the test is over."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


class EndedTooSoonError(Exception):
    """A program ended while it was needed; the message holds the last lines it wrote."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 for a program that is told which to listen on.

    Not one of those that the kernel gives to whoever asks for any port, or connects to one: another
    program could have it before this one listens on it, or listens on it again.
    """
    while True:
        port = _LOWEST + secrets.randbelow(_COUNT)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


# Below Linux's ip_local_port_range (32768 and up, by default) and Kubernetes' node ports (30000).
_LOWEST, _COUNT = 10_000, 20_000


@contextmanager
def refusing_port() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that refuses connections for the length of a `with` block."""
    with socket.socket() as bound:  # and does not listen; so nothing else can
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


class Process:
    """A running program and the file with what it writes."""

    def __init__(self, popen: "subprocess.Popen[bytes]", log: Path) -> None:
        self._popen = popen
        self.log = log

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def last_lines(self, count: int = 15) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-count:]
        return "\n".join(line[:400] for line in lines)

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = 300) -> None:
        """Wait for a condition that this program brings about.

        Raises EndedTooSoonError when the program ends before that, TimeoutError after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise EndedTooSoonError(
                    f"{self._popen.args!r} ended ({self._popen.returncode}) before {what}:\n"
                    + self.last_lines()
                )
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {seconds} s\n{self.last_lines()}")
            time.sleep(0.05)

    def wait(self, seconds: float = 120) -> int:
        """Wait until the program ends by itself; its exit status."""
        return self._popen.wait(seconds)

    def end(self) -> None:
        """Kill the program and reap it. Its data is thrown away, so nothing asks for a slow end."""
        if self.running:
            self._popen.kill()
        self._popen.wait()


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run a program for the length of a `with` block, its output appended to `log`.

    The kernel kills it, too, should the thread that started it die: a killed test run leaves
    nothing behind. So start it in a thread that lives as long as the program is needed.
    """
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [*_dying_with_us(), *map(str, command)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal reaches the tests, not the programs
        )
    process = Process(popen, log)
    try:
        yield process
    finally:
        process.end()


def _dying_with_us() -> list[str]:
    return ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
