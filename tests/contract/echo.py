"""A pod that tells what it was asked, for tests of what linkerd passes on."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.contract.network import Network


class _Echo(BaseHTTPRequestHandler):
    """Answers with the request as JSON, as a list of its headers; /status/N with that status."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each body waits 40 ms for the headers' ACK

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self._chunks() if self.headers.get("Transfer-Encoding") else self.rfile.read(length)
        told = json.dumps(
            {
                "method": self.command,
                "path": self.path,
                "headers": [[name.lower(), value] for name, value in self.headers.items()],
                "body": body.decode(),
            }
        ).encode()
        _, _, status = self.path.partition("/status/")
        self.send_response(int(status or 200))
        self.send_header("Content-Length", str(len(told)))
        self.send_header("Keep-Alive", "timeout=5")
        self.send_header("Connection", "X-Hop")
        self.send_header("X-Hop", "for this hop alone")
        self.send_header("X-App", "kept")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def echo(network: Network, address: str, port: int) -> Iterator[None]:
    """Serve at an address inside."""
    server = network.run(lambda: ThreadingHTTPServer((address, port), _Echo))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
