"""An HTTP CONNECT proxy on loopback, as a company has between its people and their cluster."""

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Tunnel(socketserver.ThreadingTCPServer):
    """The running proxy; it notes where it was asked to go."""

    daemon_threads = True

    def __init__(self, to: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnelled)
        self.to = to
        self.asked: list[str] = []


class _Tunnelled(socketserver.BaseRequestHandler):
    server: Tunnel
    request: socket.socket

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.request.recv(4096)
        target = head.split(b" ")[1].decode()
        self.server.asked.append(target)
        host, _, port = target.rpartition(":")
        with socket.create_connection((self.server.to or host, int(port))) as upstream:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            other = {self.request: upstream, upstream: self.request}
            while True:
                for source in select.select(list(other), [], [])[0]:
                    chunk = source.recv(65536)
                    if not chunk:
                        return
                    other[source].sendall(chunk)


@contextmanager
def tunnel(to: str | None = None) -> Iterator[Tunnel]:
    """Run it; `to` is the host that every name leads to, where they do not lead anywhere."""
    with Tunnel(to) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
