"""A network namespace of the tests' own, whose loopback has addresses that pods may have.

The API server refuses loopback addresses as endpoints, and linkerd tells nodes by their /24. So the
programs run where 198.18.0.0/16 (for tests: RFC 2544) is local; nothing of it is seen outside, and
all is gone when the last program and the last descriptor are.
"""

import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
Connect = Callable[[], socket.socket]

_CLONE_NEWNET = 0x40000000
# From linux/sockios.h; the requests are a name of 16 bytes and a value.
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
_IFF_UP = 1
ADDRESS, NETMASK = "198.18.0.1", "255.255.0.0"


class Network:
    """The namespace, and a thread in it that lives as long: what `run` starts, stays inside."""

    def __init__(self) -> None:
        self._inside = ThreadPoolExecutor(1, "network", initializer=_enter_new_namespace)
        self.run(_raise_loopback)
        self._closed = threading.Event()
        self._listeners: list[socket.socket] = []

    def run(self, function: Callable[[], T]) -> T:
        """Call a function in the namespace: sockets it makes and programs it starts are there."""
        return self._inside.submit(function).result()

    def connect(self, address: tuple[str, int], timeout: float) -> socket.socket:
        """A connection inside."""
        return self.run(lambda: socket.create_connection(address, timeout))

    def bring_in(self, inside: tuple[str, int], outside: tuple[str, int]) -> "Gate":
        """Make an address outside reachable at an address inside."""
        listener = self.run(lambda: socket.create_server(inside))
        return self._forward(listener, lambda: socket.create_connection(outside))

    def bring_out(self, inside: tuple[str, int]) -> int:
        """Make an address inside reachable at a port of 127.0.0.1 outside; that port."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._forward(listener, lambda: self.connect(inside, 10))
        port: int = listener.getsockname()[1]
        return port

    def _forward(self, listener: socket.socket, connect: Connect) -> "Gate":
        self._listeners.append(listener)
        gate = Gate()
        threading.Thread(target=self._accept, args=(listener, connect, gate), daemon=True).start()
        return gate

    def _accept(self, listener: socket.socket, connect: Connect, gate: "Gate") -> None:
        while not self._closed.is_set():
            try:
                accepted = listener.accept()[0]
            except OSError:
                return
            try:
                other = connect()
            except OSError:
                accepted.close()
                continue
            tunnel = _Tunnel(accepted, other, gate)
            for carry in (tunnel.carry_requests, tunnel.carry_answers):
                threading.Thread(target=carry, daemon=True).start()

    def close(self) -> None:
        """End the forwarding and the thread inside."""
        self._closed.set()
        for listener in self._listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._inside.shutdown()


class Gate:
    """Holds up or cuts the Kubernetes watches that go through; other requests pass."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.watches: set[_Tunnel] = set()

    def hold(self) -> None:
        """Let no more of the answers of watches through until `release`."""
        self.open.clear()

    def release(self) -> None:
        self.open.set()

    def cut(self) -> None:
        """End all watches, as a proxy does now and then."""
        for tunnel in list(self.watches):
            tunnel.end()


class _Tunnel:
    """One connection through a gate."""

    def __init__(self, accepted: socket.socket, other: socket.socket, gate: Gate) -> None:
        self._accepted = accepted
        self._other = other
        self._gate = gate

    def carry_requests(self) -> None:
        with suppress(OSError):
            while chunk := self._accepted.recv(1 << 16):
                if b"/watch/" in chunk:
                    self._gate.watches.add(self)
                self._other.sendall(chunk)
        self.end()
        self._accepted.close()

    def carry_answers(self) -> None:
        with suppress(OSError):
            while chunk := self._other.recv(1 << 16):
                if self in self._gate.watches:
                    self._gate.open.wait()
                self._accepted.sendall(chunk)
        self.end()
        self._other.close()

    def end(self) -> None:
        self._gate.watches.discard(self)
        for each in (self._accepted, self._other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _enter_new_namespace() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        error = ctypes.get_errno()
        raise PermissionError(error, f"a network namespace needs root: {os.strerror(error)}")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name, address, netmask in (
            ("lo", "127.0.0.1", "255.0.0.0"),
            ("lo:1", ADDRESS, NETMASK),
        ):
            fcntl.ioctl(control, _SIOCSIFADDR, _address_request(name, address))
            fcntl.ioctl(control, _SIOCSIFNETMASK, _address_request(name, netmask))
        asked = struct.pack("16sh14x", b"lo", 0)
        flags: int = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _address_request(name: str, address: str) -> bytes:
    packed = socket.inet_aton(address)
    return struct.pack("16sHH4s8x8x", name.encode(), socket.AF_INET, 0, packed)
