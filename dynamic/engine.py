"""The `pulumi` that asked for an operation, which may have been killed meanwhile."""

import socket
import sys


class Engine:
    """The engine of the process that runs dynamic providers; made as an operation begins.

    That process outlives a killed engine and would go on writing what no state ever records.
    """

    def __init__(self) -> None:
        self._address = _address(sys.argv)
        self._was_there = self._is_there()

    @property
    def is_gone(self) -> bool:
        """Whether it has ended since; False where there never was one, as in a test."""
        return self._was_there and not self._is_there()

    def _is_there(self) -> bool:
        if self._address is None:
            return False
        try:
            socket.create_connection(self._address, timeout=1).close()
        except OSError:
            return False
        return True


def _address(arguments: list[str]) -> tuple[str, int] | None:
    """The host and port that the engine has given its plugin as an argument."""
    for argument in arguments[1:]:
        host, _, port = argument.rpartition(":")
        if host and port.isdigit():
            return host, int(port)
    return None
