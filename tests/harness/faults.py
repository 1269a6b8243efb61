"""An HTTP proxy before one server that delays, cuts, loses, repeats and forges answers.

    with fault_proxy(namerd.url) as proxy:
        proxy.on("PUT", "/api/1/dtabs/", lost_answer)      # once
        proxy.on("GET", "/api/1/", forged(503), times=3)

A fault is a function of the `Exchange`, one request and what can be done with it. Without a rule
that fits, a request goes through. Every request is kept in `proxy.requests`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date"}


@dataclass(frozen=True)
class Reply:
    """An answer: of the server, or made up."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Seen:
    """A request that came by."""

    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    body: bytes

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")


class Exchange:
    """One request, and what a fault may do with it."""

    def __init__(self, handler: BaseHTTPRequestHandler, upstream: str, seen: Seen) -> None:
        self.request = seen
        self._handler = handler
        self._upstream = upstream

    def forward(self) -> Reply:
        """Send the request on; the server's answer, which nobody has seen yet."""
        headers = {k: v for k, v in self.request.headers.items() if k.lower() != "host"}
        answer = requests.request(
            self.request.method,
            self._upstream + self.request.path,
            headers=headers,
            data=self.request.body,
            allow_redirects=False,
            timeout=120,
        )
        return Reply(answer.status_code, answer.headers, answer.content)

    def reply(self, reply: Reply, promised: int | None = None, pause: float = 0) -> None:
        """Answer; `promised` bytes where that is not the body's length, a byte each `pause` s."""
        self._handler.send_response(reply.status)
        for name, value in reply.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self._handler.send_header(name, value)
        if reply.status not in (204, 304):
            length = len(reply.body) if promised is None else promised
            self._handler.send_header("Content-Length", str(length))
        self._handler.end_headers()
        pieces = [reply.body[i : i + 1] for i in range(len(reply.body))] if pause else [reply.body]
        for piece in pieces:
            self._handler.wfile.write(piece)
            self._handler.wfile.flush()
            time.sleep(pause)
        if promised is not None and promised > len(reply.body):
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection."""
        self._handler.close_connection = True


Fault = Callable[[Exchange], None]


def passed_on(exchange: Exchange) -> None:
    """No fault at all."""
    exchange.reply(exchange.forward())


def lost_request(exchange: Exchange) -> None:
    """The connection ends before the server sees the request."""
    exchange.hang_up()


def lost_answer(exchange: Exchange) -> None:
    """The server does what is asked, and the connection ends before it says so."""
    exchange.forward()
    exchange.hang_up()


def repeated(exchange: Exchange) -> None:
    """Something on the way sends the request twice; the second answer comes back."""
    exchange.forward()
    passed_on(exchange)


def cut(exchange: Exchange) -> None:
    """Half of the body comes, and then the connection ends."""
    reply = exchange.forward()
    half = Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])
    exchange.reply(half, promised=len(reply.body))


def forged(status: int, body: str = "", content_type: str | None = None, **headers: str) -> Fault:
    """An answer that is not the server's, which never sees the request."""
    given = {**({"Content-Type": content_type} if content_type else {}), **headers}

    def fault(exchange: Exchange) -> None:
        exchange.reply(Reply(status, given, body.encode()))

    return fault


def altered(change: Callable[[Reply], Reply]) -> Fault:
    """The server's answer, changed."""

    def fault(exchange: Exchange) -> None:
        exchange.reply(change(exchange.forward()))

    return fault


def delayed(seconds: float) -> Fault:
    """The answer comes late."""

    def fault(exchange: Exchange) -> None:
        reply = exchange.forward()
        time.sleep(seconds)
        exchange.reply(reply)

    return fault


def trickled(pause: float) -> Fault:
    """The body comes byte by byte."""

    def fault(exchange: Exchange) -> None:
        exchange.reply(exchange.forward(), pause=pause)

    return fault


def meanwhile(act: Callable[[], object], then: Fault = passed_on) -> Fault:
    """Something else happens before the request is passed on."""

    def fault(exchange: Exchange) -> None:
        act()
        then(exchange)

    return fault


def afterwards(act: Callable[[], object]) -> Fault:
    """Something else happens once the server has answered, before the caller hears of it."""

    def fault(exchange: Exchange) -> None:
        reply = exchange.forward()
        act()
        exchange.reply(reply)

    return fault


@dataclass
class _Rule:
    method: str
    path: str
    fault: Fault
    left: int


@dataclass
class FaultProxy:
    """The running proxy. `lag` is how many reads of a path are answered as before a write."""

    upstream: str
    url: str = ""
    requests: list[Seen] = field(default_factory=list)
    lag: int = 0
    _rules: list[_Rule] = field(default_factory=list)
    _before_write: dict[str, tuple[int, Reply]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, method: str, path: str, fault: Fault, times: int = 1) -> None:
        """Let a fault befall the next requests of a method whose path begins with `path`.

        "*" is any method. Rules are used up in their order.
        """
        self._rules.append(_Rule(method, path, fault, times))

    def clear(self) -> None:
        """No more faults."""
        self._rules.clear()

    @property
    def writes(self) -> list[Seen]:
        """The requests so far that ask for a change."""
        return [seen for seen in self.requests if seen.writes]

    def handle(self, exchange: Exchange) -> None:
        with self._lock:
            self.requests.append(exchange.request)
            fault = self._next_fault(exchange.request)
        if self.lag and fault is passed_on:
            fault = self._lagging
        fault(exchange)

    def _next_fault(self, seen: Seen) -> Fault:
        for rule in self._rules:
            if rule.left and rule.method in ("*", seen.method) and seen.path.startswith(rule.path):
                rule.left -= 1
                return rule.fault
        return passed_on

    def _lagging(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if exchange.request.writes:
            headers = {"Accept": "application/dtab"}
            now = Exchange(exchange._handler, self.upstream, Seen("GET", path, headers, b""))
            self._before_write.setdefault(path, (self.lag, now.forward()))
            exchange.reply(exchange.forward())
            return
        left, former = self._before_write.pop(path, (0, None))
        if former is None:
            exchange.reply(exchange.forward())
            return
        if left > 1:
            self._before_write[path] = (left - 1, former)
        exchange.reply(former)


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Run a proxy on a free port of loopback before the server at this URL."""
    proxy = FaultProxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each body waits 40 ms for the headers' ACK

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            seen = Seen(self.command, self.path, dict(self.headers), body)
            try:
                proxy.handle(Exchange(self, upstream, seen))
            except (ConnectionError, requests.RequestException):
                self.close_connection = True  # the caller, or the server, is gone

        do_GET = do_PUT = do_POST = do_DELETE = _any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
