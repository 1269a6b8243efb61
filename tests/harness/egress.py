"""The way out of the test's API server: every address it proxies to is a port on loopback.

The API server refuses loopback addresses as endpoints of a service, so a program on loopback can
only be a Service behind this: an HTTP CONNECT proxy, which Kubernetes knows as an egress selector
(https://kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity/).
"""

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class _Connect(socketserver.BaseRequestHandler):
    """One tunnel: `CONNECT address:port` leads to that port of 127.0.0.1."""

    request: socket.socket

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            received = self.request.recv(4096)
            if not received:
                return
            head += received
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
        port = int(target.rpartition(b":")[2])
        if method != b"CONNECT":
            self.request.sendall(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        try:
            upstream = socket.create_connection(("127.0.0.1", port), timeout=10)
        except OSError:
            self.request.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        with upstream:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            _join(self.request, upstream)


def _join(left: socket.socket, right: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    other = {left: right, right: left}
    while True:
        for source in select.select([left, right], [], [])[0]:
            try:
                chunk = source.recv(1 << 16)
                if not chunk:
                    return
                other[source].sendall(chunk)
            except OSError:
                return


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def egress_to_loopback(folder: Path) -> Iterator[Path]:
    """Serve the proxy on a socket in `folder`; yields the API server's egress configuration."""
    path = folder / "egress"
    configuration = folder / "egress.yaml"
    configuration.write_text(f"""\
apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport: {{uds: {{udsName: {path}}}}}
""")
    with _Server(str(path), _Connect) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield configuration
        finally:
            server.shutdown()
            thread.join()
