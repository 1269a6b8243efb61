"""Programs on a terminal of their own."""

import os
import pty
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


class Terminal:
    """A terminal, the program that runs in its foreground, and what it has shown so far."""

    def __init__(self, master: int, slave: int, process: "subprocess.Popen[bytes]") -> None:
        self._master, self._slave, self.process = master, slave, process
        self._shown = bytearray()
        self._settings = termios.tcgetattr(slave)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace")

    def press_control_c(self) -> None:
        os.write(self._master, b"\x03")

    def wait(self, seconds: float = 120) -> int:
        """The program's exit status, once all that it showed has been read."""
        status = self.process.wait(timeout=seconds)
        self.sane = termios.tcgetattr(self._slave) == self._settings
        """Whether the terminal's settings are as they were before."""
        os.close(self._slave)
        self._reading.join(timeout=seconds)
        return status

    def _read(self) -> None:
        with suppress(OSError):  # the end, on Linux
            while read := os.read(self._master, 4096):
                self._shown += read


@contextmanager
def on_terminal(
    command: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Run a program on a terminal for the length of the block."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        # `setsid --ctty`: a session of its own, so that control-C on this terminal reaches it.
        ["setsid", "--ctty", *map(str, command)],
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", **(env or {})},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    try:
        yield Terminal(master, slave, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)
