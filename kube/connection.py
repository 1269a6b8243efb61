"""Requests to one server, an API server or another, each bounded in time and length.

A connection lives for one operation and sends requests; what they mean is the caller's business.
"""

import http.client
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from kube import credentials
from kube.errors import (
    CutShortError,
    InputError,
    TimedOutError,
    UnexpectedAnswerError,
    UnreachableError,
    UntrustedError,
)

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 10.0
"""How long one request may take, to the last byte of its answer."""

IN_KUBECONFIG = "the kubeconfig gives"
CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables that name a file of authorities, as requests takes them."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_CHUNK = 64 * 1024

_MALFORMED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.LocationParseError,
    UnicodeError,
)
"""What is raised before anything is sent."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer with its whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def content_type(self) -> str:
        """Lower case, without parameters; "" where there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class Connection:
    """Sends requests to one server; closed with the operation it serves."""

    def __init__(
        self, session: requests.Session, address: str, where: str, authority: str = IN_KUBECONFIG
    ) -> None:
        self._session = session
        self._authority = authority
        self.address = address
        """The URL before every path."""
        self.where = where
        """What a message calls the other side."""

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> Answer:
        """One request, never repeated, and its answer, whatever its status.

        `path` begins with `/` and follows the address.

        Raises UnreachableError, UntrustedError, TimedOutError, CutShortError, InputError, and
        UnexpectedAnswerError for a redirect.
        """
        deadline = time.monotonic() + seconds
        try:
            with self._session.request(
                method,
                f"{self.address}{path}",
                params=params,
                headers=headers,
                data=body.encode() if body is not None else None,
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = self._body(response, deadline, seconds)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise self._timed_out(seconds) from None
        except _MALFORMED:
            # Whose text quotes the whole of it, and with that a proxy's password or a token.
            raise InputError(
                f"{self.where} cannot be asked: its address, its proxy's or a token is malformed"
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._broken(error) from None
        if 300 <= response.status_code < 400:
            to = response.headers.get("Location", "nowhere")
            raise UnexpectedAnswerError(
                f"{self.where} answered with a redirect to {_bare(to)}, which it never "
                "does: give the address of the program itself"
            )
        return Answer(response.status_code, response.headers, content)

    def _body(self, response: requests.Response, deadline: float, seconds: float) -> bytes:
        """All of the body; not by `response.content`, whose time limit starts anew each read."""
        chunks = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            chunks += chunk
            if time.monotonic() > deadline:
                raise self._timed_out(seconds)
            if len(chunks) > MAX_ANSWER_BYTES:
                raise UnexpectedAnswerError(f"{self.where} sent more than {MAX_ANSWER_BYTES} bytes")
        return bytes(chunks)

    def _timed_out(self, seconds: float) -> TimedOutError:
        return TimedOutError(f"{self.where} gave no whole answer within {seconds:g} s")

    def _broken(self, error: Exception) -> Exception:
        cause = _root(error)
        if isinstance(cause, (urllib3.exceptions.IncompleteRead, http.client.IncompleteRead)):
            return CutShortError(f"{self.where} cut its answer short")
        if isinstance(error, requests.exceptions.SSLError):
            return UntrustedError(
                f"{self.where} cannot be trusted: {_said(cause)}; its certificate is not of the "
                f"authority, or for the name, that {self._authority}"
            )
        what = "its proxy fails: " if isinstance(error, requests.exceptions.ProxyError) else ""
        return UnreachableError(f"{self.where} cannot be reached: {what}{_said(cause)}")


def _root(error: BaseException) -> BaseException:
    """The exception at the bottom: requests and urllib3 wrap one another."""
    seen = {id(error)}
    while True:
        inner: Any = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((a for a in error.args if isinstance(a, BaseException)), None)
        inner = inner or error.__cause__  # its context may be an earlier attempt's
        if inner is None or id(inner) in seen:
            return error
        seen.add(id(inner))
        error = inner


def _said(cause: BaseException) -> str:
    return getattr(cause, "verify_message", None) or getattr(cause, "strerror", None) or str(cause)


def without_user(url: str) -> str:
    """Without a user name and password before the host."""
    return re.sub("//[^/]*@", "//", url, count=1)


def _bare(url: str) -> str:
    """Without what may be a secret: a user name and password, a query, a fragment."""
    return without_user(re.split("[?#]", url, maxsplit=1)[0])


@contextmanager
def to_url(url: str, where: str) -> Iterator[Connection]:
    """A connection to what is at a URL, which messages call `where`. Nothing is sent yet."""
    with _session() as session:
        session.proxies = environment_proxies(url)
        yield Connection(session, url, where)


@contextmanager
def to_website(url: str, where: str, token: str = "") -> Iterator[Connection]:
    """A connection to a server outside of clusters, whose certificate is of a public authority or
    of those that the environment names. Nothing is sent yet.
    """
    with _session() as session:
        session.proxies = environment_proxies(url)
        session.verify = next(filter(None, map(os.environ.get, CA_BUNDLES)), True)
        if token:
            session.headers["Authorization"] = f"Bearer {token}"
        yield Connection(session, url, where, f"is asked for: {CA_BUNDLES[0]} names authorities")


@contextmanager
def to_cluster(given: str | None, context: str | None = None) -> Iterator[Connection]:
    """A connection to the API server of a kubeconfig, as its user. Nothing is sent yet.

    The kubeconfig is its path, its content, or None for the ambient one; the context is one of its
    own, or None for the current one. Raises KubeconfigError.
    """
    cluster = credentials.load(given, context)
    with _session() as session:
        session.mount(f"{urlsplit(cluster.server).scheme}://", credentials.Adapter(cluster))
        session.headers.update(cluster.headers)
        proxy = {"http": cluster.proxy, "https": cluster.proxy} if cluster.proxy else None
        session.proxies = proxy or environment_proxies(cluster.server)
        yield Connection(session, cluster.server, f"the cluster at {without_user(cluster.server)}")


def _session() -> requests.Session:
    session = requests.Session()
    # The environment may name a CA bundle, which requests puts before the session's own, or a
    # .netrc, whose passwords are not for namerd.
    session.trust_env = False
    return session


def environment_proxies(url: str) -> dict[str, str]:
    """The environment's proxy for a URL, by its scheme, as Go's programs have it.

    None for loopback, and unlike requests none by ALL_PROXY. A proxy without a scheme is one of
    HTTP. Raises InputError for another kind. (https://pkg.go.dev/golang.org/x/net/http/httpproxy)
    """
    found = urlsplit(url)
    host = found.hostname or ""
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return {}
    variable, proxy = _variable(f"{found.scheme}_proxy")
    if not proxy or requests.utils.should_bypass_proxies(url, _variable("no_proxy")[1] or None):
        return {}
    kind, has_kind, _ = proxy.partition("://")
    if has_kind and kind.lower() not in ("http", "https"):
        raise InputError(
            f"{variable} names a proxy of the kind {kind[:20]!r}; only http and https proxies are "
            "supported: name one of these, or the host in NO_PROXY if it can be reached without"
        )
    return {found.scheme: proxy if has_kind else f"http://{proxy}"}


def _variable(name: str) -> tuple[str, str]:
    """An environment variable by its name in capitals, or else in small letters, and its value."""
    names = name.upper(), name
    return next(((each, value) for each in names if (value := os.environ.get(each))), (name, ""))
