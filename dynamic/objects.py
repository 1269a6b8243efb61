"""Tables as the objects in which namerd keeps them: `dtabs.l5d.io` of its Kubernetes namespace.

A write is the API server's: it takes the rights on `dtabs.l5d.io`, holds only while the object is
the one that was read, and needs no namerd.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dynamic import delegation, errors, grammar, marks
from dynamic.delegation import Delegation
from dynamic.grammar import Dtab
from dynamic.marks import Mark
from dynamic.tables import Table, entry_of
from dynamic.waiting import UP_SECONDS, Deadline, until_up
from kube.api import Api, status_message, status_of
from kube.connection import Answer
from kube.errors import OneLineError, UnavailableError, UnexpectedAnswerError

_VERSION = "l5d.io/v1alpha1"
_ADMIN = "admin"
"""The name of namerd's admin port in its service."""


class Objects:
    """The tables of a namerd that runs in a cluster. See `tables.Store`."""

    has_marks = True
    lag_seconds = 0.0  # the API server answers with what is in force

    def __init__(self, api: Api, service: str, up_seconds: float = UP_SECONDS) -> None:
        """`service` is namerd's, "namespace/name"; the tables are in the same namespace."""
        self.api = api
        self._namespace, _, self._service = service.partition("/")
        self._up_seconds = up_seconds
        self.where = f"the namespace {self._namespace} of {api.where}"
        self._namerd = f"namerd (service {service} of {api.where})"

    def cluster_uid(self) -> str:
        """The UID of the cluster."""
        return until_up(self.api.cluster_uid, Deadline(self._up_seconds))

    def read(self, namespace: str) -> Table | None:
        """The table as it is in force, be it one that namerd cannot read."""
        answer = until_up(
            lambda: self.api.get(self._path(namespace), right=self._right("get")),
            Deadline(self._up_seconds),
        )
        if answer.status == 404:  # no such object, no such namespace, or none of the kind
            return None
        if answer.status != 200:
            raise self._unexpected(answer, f"asked for the table {namespace!r}")
        return _table(self.api.parsed(answer))

    def confirm_missing(self) -> None:
        """Nothing to do: `cluster_uid` has asked the API server itself."""

    def create(self, namespace: str, entries: Dtab, mark: Mark) -> Table:
        """Write a table where none is. Raises ExistsError, RefusedError."""
        metadata = {"name": namespace, "namespace": self._namespace}
        answer = self.api.post(
            self._path(),
            _object({"metadata": metadata}, entries, mark),
            {"fieldManager": marks.FIELD_MANAGER},
            right=self._right("create"),
        )
        if answer.status == 409:
            raise errors.ExistsError(f"{self.where} has a table {namespace!r} already")
        if answer.status == 404:
            raise errors.ServiceMissingError(
                f"{self.where} takes no dtabs.l5d.io ({status_message(answer)}): check the "
                "namespace, and that namerd's CustomResourceDefinition is there"
            )
        self._must_be_done(answer, 201, f"create the table {namespace!r}")
        return _table(self.api.parsed(answer))

    def replace(self, namespace: str, former: Table, entries: Dtab, mark: Mark) -> Table:
        """Write over the very object that was read. Raises StaleError, RefusedError."""
        answer = self.api.put(
            self._path(namespace),
            _object(former.source, entries, mark),
            {"fieldManager": marks.FIELD_MANAGER},
            right=self._right("update"),
        )
        if answer.status in (404, 409):
            raise errors.StaleError(f"{self.where} has another table {namespace!r} by now")
        self._must_be_done(answer, 200, f"change the table {namespace!r}")
        return _table(self.api.parsed(answer))

    def delete(self, namespace: str, table: Table) -> None:
        """Delete the very object that was read. Raises StaleError."""
        metadata = table.source["metadata"]
        held = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        answer = self.api.delete(
            self._path(namespace),
            {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": held},
            right=self._right("delete"),
        )
        if answer.status == 409:
            raise errors.StaleError(f"{self.where} has another table {namespace!r} by now")
        if answer.status != 404:
            self._must_be_done(answer, 200, f"delete the table {namespace!r}")

    def delegate(self, path: str, table: str, up_seconds: float | None = None) -> Delegation:
        """Asked of namerd's admin port, which writes nothing and looks at no table of its own."""
        deadline = Deadline(self._up_seconds if up_seconds is None else up_seconds)
        answer = until_up(lambda: self._delegated(path, table), deadline)
        try:
            return delegation.parse(json.loads(answer.text))
        except (ValueError, RecursionError, delegation.MalformedError):
            raise self._unexpected(answer, "asked to delegate a path", self._namerd) from None

    def _delegated(self, path: str, table: str) -> Answer:
        try:
            answer = self.api.get_proxied(
                "services",
                self._namespace,
                self._service,
                _ADMIN,
                "/dtab/delegator.json",
                {"namespace": "default", "path": path, "dtab": table},
                right=f"get on services/proxy named {self._service}:{_ADMIN} in {self._namespace}",
            )
        except UnavailableError as error:
            raise UnavailableError(
                f"{self._namerd} is not up: {error}; look at its pods and their log"
            ) from None
        if answer.status == 404 and status_of(answer):
            raise UnavailableError(f"{self._namerd} is not there: {status_message(answer)}")
        if answer.status in (502, 503, 504):
            raise UnavailableError(f"{self._namerd} is not up: {answer.status}")
        if answer.status != 200:
            raise self._unexpected(answer, "asked to delegate a path", self._namerd)
        return answer

    def _path(self, namespace: str | None = None) -> str:
        kind = f"/apis/{_VERSION}/namespaces/{self._namespace}/dtabs"
        return kind if namespace is None else f"{kind}/{namespace}"

    def _right(self, verb: str) -> str:
        return f"{verb} on dtabs.l5d.io in {self._namespace}"

    def _must_be_done(self, answer: Answer, status: int, doing: str) -> None:
        if answer.status in (400, 422):
            raise errors.RefusedError(f"{self.where} refuses to {doing}: {status_message(answer)}")
        if answer.status not in (status, 200, 202):
            raise self._unexpected(answer, f"asked to {doing}")

    def _unexpected(self, answer: Answer, doing: str, where: str | None = None) -> OneLineError:
        return UnexpectedAnswerError(
            f"{where or self.where}, {doing}, answered {answer.status} ({status_message(answer)})"
        )


def _table(found: Mapping[str, Any]) -> Table:
    metadata = found.get("metadata") or {}
    return Table(
        entries=_entries(found.get("dentries") or []),
        version=str(metadata.get("resourceVersion", "")),
        mark=Mark.of(metadata.get("annotations") or {}),
        changed_by=marks.last_change(metadata),
        changed_at=marks.last_changed_at(metadata),
        source=found,
    )


def _entries(kept: Iterable[Any]) -> Dtab:
    """Each by itself, as namerd reads them: in one text, one could swallow those after it."""
    return tuple(
        entry_of(str(each.get("prefix", "")), str(each.get("dst", "")))
        for each in kept
        if isinstance(each, Mapping)
    )


def _object(former: Mapping[str, Any], entries: Dtab, mark: Mark) -> dict[str, Any]:
    """The object to write; what others have put on the former one stays."""
    metadata = dict(former["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **mark.annotations()}
    listed = [{"prefix": each.prefix, "dst": grammar.show_tree(each.dst)} for each in entries]
    return {
        **former,
        "apiVersion": _VERSION,
        "kind": "DTab",
        "metadata": metadata,
        "dentries": listed,
    }
