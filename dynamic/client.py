"""namerd's HTTP API, for a namerd given by its URL: tables, and names delegated and bound."""

import json
from collections.abc import Mapping
from typing import Any

from dynamic import delegation, errors, grammar
from dynamic.delegation import Delegation
from dynamic.grammar import Dtab
from dynamic.marks import Mark
from dynamic.tables import Table
from dynamic.waiting import UP_SECONDS, Deadline, until_up
from kube import errors as kube_errors
from kube.api import status_message
from kube.connection import Answer, Connection

_BASE = "/api/1"
_DTAB = "application/dtab"
_UNUSED = "linkerd-canary-asks"
"""A dtab namespace that nobody has: asked there, the table given along is the only one."""


class Client:
    """One namerd. Reads are repeated while namerd is not up, writes are sent once.

    Every method raises UnreachableError, TimedOutError, UnavailableError, DeniedError,
    ServiceMissingError, UnexpectedAnswerError.
    """

    has_marks = False
    lag_seconds = 8.0  # with Kubernetes storage its reads come by a watch

    def __init__(self, connection: Connection, up_seconds: float = UP_SECONDS) -> None:
        self._connection = connection
        self._up_seconds = up_seconds
        self.where = connection.where

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

    def confirm_missing(self) -> None:
        """Make sure that a missing table is one that namerd misses.

        A proxy before it may answer 404 as it does. Raises UnexpectedAnswerError and the like.
        """
        doing = "asked for the names of its tables"
        answer = self._repeated("GET", "dtabs", headers={"Accept": "application/json"})
        if not isinstance(self._json(answer, doing), list):
            raise self._unexpected(answer, doing)

    def create(self, namespace: str, entries: Dtab, mark: Mark) -> None:  # noqa: ARG002
        """Write a table where none is. Raises ExistsError where one is, RefusedError."""
        answer = self._written("POST", namespace, grammar.show(entries))
        if answer.status == 409:
            raise errors.ExistsError(f"{self.where} has a dtab namespace {namespace!r} already")
        self._must_be_written(answer, f"create the table {namespace!r}")

    def replace(
        self,
        namespace: str,
        former: Table,
        entries: Dtab,
        mark: Mark,  # noqa: ARG002
    ) -> None:
        """Write a table in place of the version read. Raises StaleError where that is over."""
        answer = self._written(
            "PUT", namespace, grammar.show(entries), {"If-Match": former.version}
        )
        if answer.status == 412:
            raise errors.StaleError(f"{self.where} has another version of {namespace!r} by now")
        if answer.status == 404:
            self._must_be_namerds(answer)
            raise errors.StaleError(f"{self.where} has no table {namespace!r} any more")
        if answer.status == 500:
            self._refuse_stale(namespace, entries, former.version)
        self._must_be_written(answer, f"change the table {namespace!r}")

    def _refuse_stale(self, namespace: str, entries: Dtab, version: str) -> None:
        """Raise StaleError where a 500 means that the table no longer has that version.

        With Kubernetes storage namerd answers 500 where the table is gone, and where the API server
        cannot parse the version because another namerd gave it. After any other 500 the version is
        the same, or the table is the one that was written and the answer to it was lost.
        """
        live = self.read(namespace)
        if live is None:
            raise errors.StaleError(f"{self.where} has no table {namespace!r} any more")
        if live.version != version and not grammar.same(live.entries, entries):
            raise errors.StaleError(f"{self.where} has another version of {namespace!r} by now")

    def delete(self, namespace: str, table: Table) -> None:  # noqa: ARG002
        """Delete a table. namerd takes no condition: a change since it was read is lost."""
        answer = self._connection.send("DELETE", f"{_BASE}/{_dtabs(namespace)}")
        if answer.status == 404:
            self._must_be_namerds(answer)
            return
        self._must_be_written(answer, f"delete the table {namespace!r}")

    def delegate(self, path: str, table: str, up_seconds: float | None = None) -> Delegation:  # noqa: ARG002  # who answers reads answers this
        """Where a path would end by a table that is nowhere saved."""
        params = {"path": path, "dtab": table}
        return self._tree(f"delegate/{_UNUSED}", params, "asked to delegate a path")

    def bind(self, namespace: str, path: str) -> Delegation:
        """What a path is bound to by a saved table; what does not resolve is left out."""
        return self._tree(f"bind/{namespace}", {"path": path}, "asked to bind a path")

    def _written(
        self, method: str, namespace: str, table: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = {"Content-Type": _DTAB, **(headers or {})}
        return self._connection.send(
            method, f"{_BASE}/{_dtabs(namespace)}", headers=sent, body=table
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
            answer = self._connection.send(method, f"{_BASE}/{path}", **what)
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
            raise kube_errors.UnauthorizedError(
                f"{self.where} answers 401, not authorised: the credential is wrong or has "
                "expired; renew it, then run `pulumi up`"
            )
        if answer.status == 403:
            raise kube_errors.DeniedError(
                f"{self.where} answers 403, forbidden: {status_message(answer)}"
            )
        if answer.status != status:
            raise self._unexpected(answer, doing)

    def _must_be_namerds(self, answer: Answer) -> None:
        """A 404 of namerd's own has no body; any other is of something before it."""
        if answer.body:
            raise errors.ServiceMissingError(
                f"{self.where} is not there: 404, {status_message(answer)}; "
                "check the address, the service's name and its namespace"
            )

    def _unavailable(self, answer: Answer) -> kube_errors.UnavailableError:
        return kube_errors.UnavailableError(
            f"{self.where} is not up: {answer.status}, {status_message(answer)}; "
            "look at its pods and their log"
        )

    def _unexpected(self, answer: Answer, doing: str) -> kube_errors.UnexpectedAnswerError:
        kind = answer.content_type or "no content type"
        return kube_errors.UnexpectedAnswerError(
            f"{self.where}, {doing}, answered {answer.status} with {kind} "
            f"({status_message(answer)}), which is not a namerd response"
        )


def _dtabs(namespace: str) -> str:
    return f"dtabs/{namespace}"


def _short(text: str) -> str:
    return " ".join(text.split())[:300]
