"""Requests to an API server with JSON bodies, and what its statuses mean.

What a status means for the object asked for (404, 409, 422) is the caller's business; what it means
for the caller's identity or for the server itself is told here, once, as an exception.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from kube.connection import Answer, Connection
from kube.errors import (
    DeniedError,
    OneLineError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
)

READY_SECONDS = 10.0
"""How long a server that refuses may take to be ready; its roles are loaded by then."""

THROTTLED_SECONDS = 30.0
"""How long requests are put off that the server is too busy for (429)."""

_CLUSTER = "/api/v1/namespaces/kube-system"
_PROXIED = re.compile(r"/api/v1/namespaces/[^/]+/(pods|services)/[^/]+/proxy(/|$)")


class Api:
    """One API server as one user; several threads may use it at a time.

    Every method raises what `Connection.send` raises, and

    - UnauthorizedError: the server does not know who asks;
    - DeniedError: it does not let them, and is ready;
    - UnavailableError: it fails, or is too busy. A write may be in force all the same.
    """

    def __init__(
        self, connection: Connection, connect_anew: Callable[[], Connection] | None = None
    ) -> None:
        """`connect_anew` reads the credentials again, for who asks for longer than they last."""
        self._connection = connection
        self._connect_anew = connect_anew
        self._connecting = threading.Lock()
        self._readiness = threading.Lock()
        self._was_ready = False

    @property
    def address(self) -> str:
        """The server's URL."""
        return self._connection.address

    @property
    def where(self) -> str:
        """What a message calls the server."""
        return self._connection.where

    def get(self, path: str, params: Mapping[str, str] | None = None, *, right: str = "") -> Answer:
        """Read. `right` is what a refused user needs, such as "get on dtabs.l5d.io"."""
        return self._asked("GET", path, params, right=right)

    def post(
        self, path: str, body: Any, params: Mapping[str, str] | None = None, *, right: str = ""
    ) -> Answer:
        """Create the object of a JSON body."""
        return self._asked("POST", path, params, body, right)

    def put(
        self, path: str, body: Any, params: Mapping[str, str] | None = None, *, right: str = ""
    ) -> Answer:
        """Replace an object by that of a JSON body."""
        return self._asked("PUT", path, params, body, right)

    def delete(
        self,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        *,
        right: str = "",
    ) -> Answer:
        """Delete; the body may hold DeleteOptions, with preconditions."""
        return self._asked("DELETE", path, params, body, right)

    def get_proxied(
        self,
        kind: str,
        namespace: str,
        name: str,
        port: str | int,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        right: str = "",
    ) -> Answer:
        """Read from a program behind the server's proxy; `kind` is "pods" or "services".

        The program's own answer is returned whatever its status. The server's in its place is told
        by `status_of`: 404 where there is no such pod or service; others are raised as ever.
        """
        target = f"/api/v1/namespaces/{quote(namespace)}/{kind}/{quote(name)}:{port}/proxy{path}"
        return self._asked("GET", target, params, right=right or f"get on {kind}/proxy")

    def cluster_uid(self) -> str:
        """The UID of the namespace kube-system: the cluster's for its whole life."""
        answer = self.get(_CLUSTER, right="get on the namespace kube-system")
        uid = self.parsed(answer).get("metadata", {}).get("uid") if answer.status == 200 else None
        if not isinstance(uid, str) or not uid:
            raise UnexpectedAnswerError(
                f"{self.where} does not tell its namespace kube-system ({answer.status}, "
                f"{status_message(answer)}): is it the API server of a cluster?"
            )
        return uid

    def parsed(self, answer: Answer) -> dict[str, Any]:
        """The object of an answer. Raises UnexpectedAnswerError where there is none."""
        found = _json_object(answer)
        if found is None:
            raise UnexpectedAnswerError(
                f"{self.where} answered {answer.status} with no JSON object "
                f"({status_message(answer)}): is it an API server?"
            )
        return found

    def _asked(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Any = None,
        right: str = "",
    ) -> Answer:
        used = self._connection
        answer = self._sent(method, path, params, body)
        if answer.status == 401 and _is_the_servers(answer, path) and self._connect_anew:
            self._renew(used, self._connect_anew)
            answer = self._sent(method, path, params, body)
        if answer.status == 403 and _is_the_servers(answer, path):
            # One that has only just started refuses everybody: it has not loaded its roles.
            self._wait_until_ready()
            answer = self._sent(method, path, params, body)
        if _is_the_servers(answer, path):
            self._raise_failure(answer, right)
        return answer

    def _sent(self, method: str, path: str, params: Mapping[str, str] | None, body: Any) -> Answer:
        """One request, repeated only while the server is too busy to look at it."""
        headers = {} if _PROXIED.match(path) else {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        end = time.monotonic() + THROTTLED_SECONDS
        while True:
            answer = self._connection.send(
                method,
                path,
                params=params,
                headers=headers,
                body=json.dumps(body) if body is not None else None,
            )
            throttled = answer.status == 429 and _is_the_servers(answer, path)
            if not throttled or time.monotonic() >= end:
                return answer
            time.sleep(_retry_after(answer))

    def _renew(self, used: Connection, connect_anew: Callable[[], Connection]) -> None:
        with self._connecting:
            if self._connection is used:
                self._connection = connect_anew()

    def _wait_until_ready(self) -> None:
        """Return once the server is ready, or has not been for READY_SECONDS. Waits once only."""
        with self._readiness:
            if self._was_ready:
                return
            end = time.monotonic() + READY_SECONDS
            while not self._is_ready() and time.monotonic() < end:
                time.sleep(0.2)
            self._was_ready = True

    def _is_ready(self) -> bool:
        try:
            return self._connection.send("GET", "/readyz").status == 200
        except OneLineError:
            return False

    def _raise_failure(self, answer: Answer, right: str) -> None:
        said = status_message(answer)
        if answer.status == 401:
            raise UnauthorizedError(
                f"{self.where} answers 401, not authorised: the credential is wrong or has "
                "expired; renew it, then run the command again"
            )
        if answer.status == 403:
            grant = f"; grant {right}" if right else ""
            raise DeniedError(f"{self.where} answers 403, forbidden: {said}{grant}")
        if answer.status == 429 or answer.status >= 500:
            raise UnavailableError(f"{self.where} cannot do it now: {answer.status}, {said}")


def status_of(answer: Answer) -> dict[str, Any] | None:
    """The Status object of an answer, by which an API server tells a failure; None for others."""
    found = _json_object(answer)
    return found if found and found.get("kind") == "Status" else None


def status_message(answer: Answer) -> str:
    """What a Status says, or the beginning of another text, in one line."""
    status = status_of(answer)
    if status and isinstance(status.get("message"), str):
        return _short(status["message"])
    if answer.content_type == "text/html":
        return "an HTML page"
    return _short(answer.text) or "an empty body"


def _is_the_servers(answer: Answer, path: str) -> bool:
    """Whether the API server answers, rather than a program behind its proxy."""
    return not _PROXIED.match(path) or status_of(answer) is not None


def _json_object(answer: Answer) -> dict[str, Any] | None:
    if answer.content_type != "application/json":
        return None
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _retry_after(answer: Answer) -> float:
    """Seconds until the server wants to be asked again: 0.1 to 5, 1 where it does not say."""
    try:
        return min(max(float(answer.headers.get("Retry-After", 1)), 0.1), 5.0)
    except ValueError:
        return 1.0


def _short(text: str) -> str:
    return " ".join(text.split())[:300]
