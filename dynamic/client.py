"""namerd's HTTP API: tables read and written with their versions, names delegated and bound."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from dynamic import delegation, errors, grammar
from dynamic.delegation import Delegation
from kube import errors as kube_errors
from kube.connection import Answer, Connection

T = TypeVar("T")

UP_SECONDS = 30.0
"""How long namerd may take to come up before a request that is safe to repeat gives up."""

_DTAB = "application/dtab"
_UNUSED = "linkerd-canary-asks"
"""A dtab namespace that nobody has: asked there, the table given along is the only one."""


def patience() -> float:
    """What every wait is multiplied by: `LINKERD_CANARY_PATIENCE`, 1 where it is not set."""
    try:
        factor = float(os.environ.get("LINKERD_CANARY_PATIENCE") or 1)
    except ValueError:
        factor = 1.0
    return factor if 0 < factor < 1000 else 1.0


class Deadline:
    """The end of a wait of so many seconds, times `patience()`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds * patience()
        self.restart()

    def restart(self) -> None:
        """Begin the wait anew."""
        self._end = time.monotonic() + self.seconds

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._end

    def attempts(self, first: float = 0.03, longest: float = 0.5) -> Iterator[None]:
        """Once at once, then after longer and longer pauses until the deadline is over."""
        pause = first
        yield
        while not self.over:
            time.sleep(min(pause, max(self._end - time.monotonic(), 0)))
            pause = min(pause * 1.5, longest)
            yield


@dataclass(frozen=True)
class Table:
    """A table as namerd serves it."""

    entries: grammar.Dtab
    version: str
    """The Etag. Equal ones do not prove equal content: in memory it is a counter that restarts."""

    @property
    def text(self) -> str:
        """Canonical."""
        return grammar.show(self.entries)


class Client:
    """One namerd. Reads are repeated while namerd is not up, writes are sent once.

    Every method raises UnreachableError, TimedOutError, UnavailableError, DeniedError,
    ServiceMissingError, UnexpectedAnswerError.
    """

    def __init__(
        self,
        connection: Connection,
        base: str,
        where: str,
        up_seconds: float = UP_SECONDS,
        kubernetes_namespace: str | None = None,
    ) -> None:
        self._connection = connection
        self._base = base
        self._up_seconds = up_seconds
        self._kubernetes_namespace = kubernetes_namespace
        self.where = where
        """What messages call this namerd."""

    @property
    def address(self) -> str:
        """The URL before namerd's own paths; equal ones lead to the same namerd."""
        return f"{self._connection.address}{self._base}"

    @property
    def server(self) -> str | None:
        """The URL of the API server, if namerd is reached through a cluster."""
        return self._connection.address if self._kubernetes_namespace else None

    def read(self, namespace: str) -> Table | None:
        """A table, or None where there is no such dtab namespace."""
        answer = self._repeated("GET", _dtabs(namespace), headers={"Accept": _DTAB})
        if answer.status == 404:
            self._must_be_namerds(answer)
            return None
        self._must_be(answer, 200, "asked for a table")
        if answer.content_type not in (_DTAB, "text/plain"):
            raise self._unexpected(answer, "asked for a table")
        version = answer.headers.get("Etag")
        if not version:
            raise kube_errors.UnexpectedAnswerError(
                f"{self.where} gave a table without an Etag: is it a namerd?"
            )
        try:
            return Table(grammar.parse(answer.text), version)
        except grammar.GrammarError as error:
            raise kube_errors.UnexpectedAnswerError(
                f"{self.where} gave what is no dtab: {error}"
            ) from None

    def must_be_namerd(self) -> None:
        """Make sure that a missing table is one that namerd misses.

        A proxy before it may answer 404 as it does. Raises UnexpectedAnswerError and the like.
        """
        doing = "asked for the names of its tables"
        answer = self._repeated("GET", "dtabs", headers={"Accept": "application/json"})
        if not isinstance(self._json(answer, doing), list):
            raise self._unexpected(answer, doing)

    def create(self, namespace: str, table: str) -> None:
        """Write a table where none is. Raises ExistsError where one is, RefusedError."""
        answer = self._written("POST", namespace, table)
        if answer.status == 409:
            raise errors.ExistsError(f"{self.where} has a dtab namespace {namespace!r} already")
        self._must_be_written(answer, f"create the table {namespace!r}")

    def replace(self, namespace: str, table: str, version: str) -> None:
        """Write a table in place of the version read. Raises StaleError where that is over."""
        answer = self._written("PUT", namespace, table, {"If-Match": version})
        if answer.status == 412:
            raise errors.StaleError(f"{self.where} has another version of {namespace!r} by now")
        if answer.status == 404:
            self._must_be_namerds(answer)
            raise errors.StaleError(f"{self.where} has no table {namespace!r} any more")
        if answer.status == 500:
            self._refuse_stale(namespace, table, version)
        self._must_be_written(answer, f"change the table {namespace!r}")

    def _refuse_stale(self, namespace: str, table: str, version: str) -> None:
        """Raise StaleError where a 500 means that the table no longer has that version.

        With Kubernetes storage namerd answers 500 where the table is gone, and where the API server
        cannot parse the version because another namerd gave it. After any other 500 the version is
        the same, or the table is the one that was written and the answer to it was lost.
        """
        live = self.read(namespace)
        if live is None:
            raise errors.StaleError(f"{self.where} has no table {namespace!r} any more")
        if live.version != version and not grammar.same(live.entries, grammar.parse(table)):
            raise errors.StaleError(f"{self.where} has another version of {namespace!r} by now")

    def delete(self, namespace: str) -> bool:
        """Delete a table, whatever is in it; False where there was none."""
        answer = self._connection.send("DELETE", f"{self._base}/{_dtabs(namespace)}")
        if answer.status == 404:
            self._must_be_namerds(answer)
            return False
        self._must_be_written(answer, f"delete the table {namespace!r}")
        return True

    def delegate(self, path: str, table: str) -> Delegation:
        """Where a path would end by a table that is nowhere saved."""
        params = {"path": path, "dtab": table}
        return self._tree(f"delegate/{_UNUSED}", params, "asked to delegate a path")

    def bind(self, namespace: str, path: str) -> Delegation:
        """What a path is bound to by a saved table; what does not resolve is left out."""
        return self._tree(f"bind/{namespace}", {"path": path}, "asked to bind a path")

    def object_is_gone(self, namespace: str) -> bool:
        """Whether a table cannot exist any more, seen from the cluster when namerd is not there.

        namerd keeps its tables as `dtabs.l5d.io` in its own Kubernetes namespace.
        """
        service = self._kubernetes_namespace
        if service is None:
            return False
        holder = self._connection.send("GET", f"/api/v1/namespaces/{service}")
        if holder.status == 404:
            return True
        kept = f"/apis/l5d.io/v1alpha1/namespaces/{service}/dtabs/{namespace}"
        return self._connection.send("GET", kept).status == 404

    def _written(
        self, method: str, namespace: str, table: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = {"Content-Type": _DTAB, **(headers or {})}
        return self._connection.send(
            method, f"{self._base}/{_dtabs(namespace)}", headers=sent, body=table
        )

    def _tree(self, path: str, params: Mapping[str, str], doing: str) -> Delegation:
        answer = self._repeated("GET", path, params=params)
        tree = self._json(answer, doing)
        try:
            return delegation.parse(tree)
        except (RecursionError, delegation.MalformedError):
            raise self._unexpected(answer, doing) from None

    def _json(self, answer: Answer, doing: str) -> Any:
        """What was asked for, by content alone: namerd says no content type of a bound tree."""
        self._must_be(answer, 200, doing)
        try:
            return json.loads(answer.text)
        except (ValueError, RecursionError):
            raise self._unexpected(answer, doing) from None

    def _repeated(self, method: str, path: str, **what: Any) -> Answer:
        """A request that changes nothing, repeated while namerd is not up, within a bound."""

        def ask() -> Answer:
            answer = self._connection.send(method, f"{self._base}/{path}", **what)
            if answer.status in (502, 503, 504):
                raise self._unavailable(answer)
            return answer

        return until_up(ask, Deadline(self._up_seconds))

    def _must_be_written(self, answer: Answer, doing: str) -> None:
        if answer.status == 400:
            said = answer.text.strip() or "it does not say why"
            raise errors.RefusedError(f"{self.where} refuses to {doing}: {_short(said)}")
        if answer.status in (502, 503, 504):
            raise self._unavailable(answer)
        if answer.status == 500 and not answer.body:
            raise kube_errors.UnexpectedAnswerError(
                f"{self.where} could not {doing}: 500 with an empty body, as where the API server "
                "refuses it; look at its log, and grant its service account get, list, watch, "
                "create, update and delete on dtabs.l5d.io"
            )
        self._must_be(answer, 204, f"asked to {doing}")

    def _must_be(self, answer: Answer, status: int, doing: str) -> None:
        if answer.status == 404:
            self._must_be_namerds(answer)
        if answer.status == 401:
            raise kube_errors.DeniedError(
                f"{self.where} answers 401, not authorised: the credential is wrong or has "
                "expired; renew it, then run `pulumi up`"
            )
        if answer.status == 403:
            raise kube_errors.DeniedError(
                f"{self.where} answers 403, forbidden: {_status_message(answer)}; it takes get, "
                "create, update and delete on services/proxy"
            )
        if answer.status != status:
            raise self._unexpected(answer, doing)

    def _must_be_namerds(self, answer: Answer) -> None:
        """A 404 of namerd's own has no body; any other is of something before it."""
        if answer.body:
            raise errors.ServiceMissingError(
                f"{self.where} is not there: 404, {_status_message(answer)}; "
                "check the address, the service's name and its namespace"
            )

    def _unavailable(self, answer: Answer) -> kube_errors.UnavailableError:
        return kube_errors.UnavailableError(
            f"{self.where} is not up: {answer.status}, {_status_message(answer)}; "
            "look at its pods and their log"
        )

    def _unexpected(self, answer: Answer, doing: str) -> kube_errors.UnexpectedAnswerError:
        kind = answer.content_type or "no content type"
        return kube_errors.UnexpectedAnswerError(
            f"{self.where}, {doing}, answered {answer.status} with {kind} "
            f"({_status_message(answer)}), which is no answer of namerd's"
        )


def until_up(ask: Callable[[], T], deadline: Deadline) -> T:
    """What `ask` returns, tried again while nobody answers or namerd is not up.

    For what is safe to repeat. Raises the last error, naming the time.
    """
    last: kube_errors.OneLineError | None = None
    for _ in deadline.attempts():
        try:
            return ask()
        except (
            kube_errors.UnreachableError,
            kube_errors.TimedOutError,
            kube_errors.UnavailableError,
            kube_errors.CutShortError,
        ) as error:
            last = error
    assert last is not None  # noqa: S101  # there is at least one attempt
    raise type(last)(f"{last}; gave up after {deadline.seconds:g} s")


def _dtabs(namespace: str) -> str:
    return f"dtabs/{namespace}"


def _status_message(answer: Answer) -> str:
    """What a Kubernetes Status says, or the beginning of a text."""
    if answer.content_type == "application/json":
        try:
            said = json.loads(answer.text)
        except ValueError:
            said = None
        if isinstance(said, dict) and isinstance(said.get("message"), str):
            return _short(said["message"])
    if answer.content_type == "text/html":
        return "an HTML page"
    return _short(answer.text) if answer.text.strip() else "an empty body"


def _short(text: str) -> str:
    return " ".join(text.split())[:300]
