"""A small HTTP client that can speak from inside a network namespace, and read streams."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

Connect = Callable[[tuple[str, int], float], socket.socket]

TIMEOUT = 60.0
"""Seconds that an answer may take on a loaded machine."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Talker:
    """Requests to one address; each on a connection of its own unless `keep` is used."""

    def __init__(self, url: str, connect: Connect = socket.create_connection) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url!r} is no http:// URL")
        self.url = url.rstrip("/")
        self.address = (parts.hostname, parts.port or 80)
        self.prefix = parts.path.rstrip("/")
        self._connect = connect

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        /,
        **query: str,
    ) -> Answer:
        with self.keep() as conversation:
            return conversation.ask(method, path, headers, body, **query)

    def get(self, path: str, headers: Mapping[str, str] | None = None, /, **query: str) -> Answer:
        return self.ask("GET", path, headers, None, **query)

    @contextmanager
    def keep(self, timeout: float = TIMEOUT) -> "Iterator[Conversation]":
        """One connection for several requests."""
        conversation = Conversation(self, timeout)
        try:
            yield conversation
        finally:
            conversation.close()

    @contextmanager
    def watch(self, path: str, /, **query: str) -> "Iterator[Stream]":
        """A stream of lines."""
        with self.keep() as conversation:
            yield Stream(conversation.send("GET", path, {}, None, watch="true", **query))

    def connection(self, timeout: float) -> HTTPConnection:
        host, port = self.address
        connection = HTTPConnection(host, port, timeout)
        connection.sock = self._connect(self.address, timeout)
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


class Conversation:
    """Requests on one connection, opened again when the server has closed it."""

    def __init__(self, talker: Talker, timeout: float) -> None:
        self._talker = talker
        self._timeout = timeout
        self._connection: HTTPConnection | None = None

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        /,
        **query: str,
    ) -> Answer:
        response = self.send(method, path, headers or {}, body, **query)
        content = response.read()
        if response.will_close:
            self.close()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, content)

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: str | bytes | None,
        /,
        **query: str,
    ) -> HTTPResponse:
        if self._connection is None:
            self._connection = self._talker.connection(self._timeout)
        target = self._talker.prefix + quote(path, safe="/%$:") + _query(query)
        connection = self._connection
        connection.putrequest(
            method, target, skip_host="Host" in headers, skip_accept_encoding=True
        )
        content = body.encode() if isinstance(body, str) else body
        for name, value in headers.items():
            connection.putheader(name, value)
        if content is not None:
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)
        return connection.getresponse()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Stream:
    """The lines of a chunked answer as they come."""

    def __init__(self, response: HTTPResponse) -> None:
        self.response = response

    def line(self) -> str:
        """The next line; TimeoutError where none comes."""
        line = self.response.readline()
        if not line:
            raise EOFError("the stream has ended")
        return line.decode()

    def json(self) -> Any:
        return json.loads(self.line())


def _query(parameters: Mapping[str, str]) -> str:
    return "?" + urlencode(parameters) if parameters else ""
