"""A command that is under way, and its lines as they come."""

import subprocess
import threading

from tests.harness.waiting import wait_until

END_SECONDS = 600.0


class UnderWay:
    """A process whose standard output is read here."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            print(line, end="")
            self.lines.append(line.rstrip())

    def says(self, text: str) -> None:
        """Wait for a line with this; an AssertionError where it ends without one."""

        def said() -> bool:
            return any(text in line for line in self.lines)

        wait_until(lambda: said() or not self._reader.is_alive(), repr(text))
        assert said(), f"it ended without {text!r}: {self.lines}"

    def ends(self) -> int:
        """Its exit code."""
        code = self.process.wait(timeout=END_SECONDS)
        self._reader.join(END_SECONDS)
        return code

    def kill(self) -> None:
        """Where it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
