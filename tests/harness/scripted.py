"""An HTTP server whose every answer the test gives.

with scripted_server(lambda asked: Reply(200, "{}")) as (url, asked):
    requests.get(f"{url}/a")
    assert asked[0].path == "/a"
"""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    """The last of those that are repeated; `repeated` has all."""
    body: str
    repeated: tuple[tuple[str, str], ...] = ()
    server_name: str | None = None
    """What the client named by TLS."""
    certified: str | None = None
    """The common name of the client's certificate."""


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    status: int
    body: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def scripted_server(
    answer: Callable[[Asked], Reply], tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[Asked]]]:
    """Serve on a free port of 127.0.0.1; the URL, and what has been asked so far."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Asked(
                self.command,
                self.path,
                dict(self.headers.items()),
                self.rfile.read(length).decode(),
                tuple(self.headers.items()),
                getattr(self.connection, "named", None),
                _common_name(self.connection),
            )
            asked.append(request)
            reply = answer(request)
            body = reply.body.encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        scheme = "http"
        if tls is not None:
            tls.sni_callback = _note_name
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            scheme = "https"
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield f"{scheme}://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            serving.join()


def _note_name(socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
    socket.named = name  # type: ignore[attr-defined]


def _common_name(connection: object) -> str | None:
    certificate: Any = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    names = [pair for part in (certificate or {}).get("subject", ()) for pair in part]
    return next((value for name, value in names if name == "commonName"), None)
