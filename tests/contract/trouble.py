"""Pods that hold their answers back, hang up, or break off."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.contract.network import Network
from tests.contract.stand_ins import StandIns

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BROKEN_OFF = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart"
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)


class Pod:
    """Answers each request by what `say` is, once `answering` is set; resets if it is too short."""

    def __init__(self, listener: socket.socket, say: bytes, held: bool) -> None:
        self._listener = listener
        self._say = say
        self.answering = threading.Event()
        if not held:
            self.answering.set()
        self._lock = threading.Lock()
        self.open = 0
        """Connections now."""
        self.most = 0
        """Connections at once."""
        self.asked = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._count(1)
        with suppress(OSError), connection:
            while connection.recv(1 << 16):
                with self._lock:
                    self.asked += 1
                self.answering.wait()
                if self._say:
                    connection.sendall(self._say)
                if self._say != ANSWER:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
                    break
        self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self.open += change
            self.most = max(self.most, self.open)


@contextmanager
def pod(
    network: Network, address: str, say: bytes = ANSWER, *, held: bool = False, port: int = 7778
) -> Iterator[Pod]:
    """Serve at an address inside. With `held`, answers wait until they are told to come."""
    with network.run(lambda: socket.create_server((address, port))) as listener:
        it = Pod(listener, say, held)
        yield it
        it.answering.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def held(world: StandIns, service: str) -> Iterator[Pod]:
    """A service of one pod, whose answers wait until they are told to come."""
    address = world.address()
    world.endpoints(service, [address], 7778)
    with pod(world.network, address, held=True) as it:
        yield it
