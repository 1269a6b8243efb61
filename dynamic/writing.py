"""Bringing namerd's table to what is wanted, without losing what anybody else wrote.

Every write is conditional on what was read before it, whatever happens in between: an answer that
never comes, a read that lags behind a write, another writer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dynamic import grammar, guard, splits
from dynamic.client import Client, Deadline, Table
from dynamic.errors import (
    ConflictError,
    CutShortError,
    DtabError,
    ExistsError,
    NotServedError,
    StaleError,
    TimedOutError,
    UnavailableError,
    UnreachableError,
)
from dynamic.grammar import Dtab
from dynamic.splits import Splits

LAG_SECONDS = 10.0
"""How far namerd's reads may be behind its writes; with Kubernetes storage they come by a watch."""

WRITE_SECONDS = 30.0
"""How long a write is tried again whose answer never came."""

_UNANSWERED = (UnreachableError, TimedOutError, CutShortError, UnavailableError)
"""After these nobody knows whether the write was applied; reading tells."""


@dataclass(frozen=True)
class Wanted:
    """A table to bring about."""

    namespace: str
    table: Dtab
    splits: Splits
    before: Splits
    """The weights until now: what rises from them must have endpoints."""
    restoring: bool = False
    """A way back to what was served before, which no missing endpoint may block."""

    def is_met_by(self, live: Dtab) -> bool:
        """Whether a table reads back as the very same inputs."""
        return splits.recognise(live, self.splits) == splits.recognise(self.table, self.splits)


MayReplace = Callable[[Table], bool]
"""Whether a table that is there may be replaced: somebody has seen it and wants another."""

Refuse = Callable[[Table], DtabError]
"""What to say where it may not."""


def write(client: Client, wanted: Wanted, may_replace: MayReplace, refuse: Refuse) -> Table:
    """Bring the table about, and return it as namerd serves it.

    A table that says the same is left as it is. One that may not be replaced is refused, after the
    time that reads may lag behind. An error after the write puts the former table back first.
    """
    written = _Write(client, wanted)
    return written.run(may_replace, refuse)


class _Write:
    def __init__(self, client: Client, wanted: Wanted) -> None:
        self._client = client
        self._wanted = wanted
        self._text = grammar.show(wanted.table)
        self._bound_names: dict[str, set[str]] | None = None
        self._former: Table | None = None
        self._sent = False

    def run(self, may_replace: MayReplace, refuse: Refuse) -> Table:
        try:
            return self._converge(may_replace, refuse)
        except DtabError as error:
            if not self._sent:
                raise
            raise type(error)(f"{error}; {self._put_back()}") from None

    def _converge(self, may_replace: MayReplace, refuse: Refuse) -> Table:
        lag = Deadline(LAG_SECONDS)
        unanswered: DtabError | None = None
        for _ in Deadline(WRITE_SECONDS).attempts():
            live = self._client.read(self._wanted.namespace)
            if live is not None and self._is_served(live):
                return self._settled(live) if self._sent else live
            if live is not None and not may_replace(live):
                if lag.over:
                    raise refuse(live)
                continue
            self._guard()
            try:
                self._send(live)
            except (StaleError, ExistsError):
                continue  # somebody else was first, or the read lags: look again
            except _UNANSWERED as error:
                unanswered = error
                continue
            return self._settled(self._served())
        raise unanswered or NotServedError(
            f"{self._client.where} keeps refusing the table {self._wanted.namespace!r} as out of "
            f"date, tried for {Deadline(WRITE_SECONDS).seconds:g} s"
        )

    def _is_served(self, live: Table) -> bool:
        if self._sent:
            return grammar.same(live.entries, self._wanted.table)
        return self._wanted.is_met_by(live.entries)

    def _guard(self) -> None:
        """Ask for the endpoints of what rises; once, however often the write is tried."""
        if self._bound_names is not None:
            return
        rising = splits.rising(self._wanted.before, self._wanted.splits)
        if self._wanted.restoring:
            rising = []
        self._bound_names = guard.endpoints(self._client, rising, self._text)

    def _send(self, live: Table | None) -> None:
        self._former = live
        self._sent = True
        try:
            if live is None:
                self._client.create(self._wanted.namespace, self._text)
            else:
                self._client.replace(self._wanted.namespace, self._text, live.version)
        except _UNANSWERED:
            raise
        except DtabError:
            self._sent = False  # a definite no
            raise

    def _served(self) -> Table:
        """The table once namerd serves it."""
        deadline = Deadline(LAG_SECONDS)
        live: Table | None = None
        for _ in deadline.attempts():
            live = self._client.read(self._wanted.namespace)
            if live is not None and self._is_served(live):
                return live
        raise NotServedError(
            f"{self._client.where} took the table {self._wanted.namespace!r} but does not serve "
            f"it after {deadline.seconds:g} s: written {self._text!r}, "
            f"served {live.text if live else None!r}"
        )

    def _settled(self, live: Table) -> Table:
        guard.bound(self._client, self._wanted.namespace, self._bound_names or {})
        return live

    def _put_back(self) -> str:
        """Put the former table back, if what is there is still ours; how that went."""
        unknown = "it is not known which table is in force: run `pulumi up --refresh`"
        try:
            live = self._client.read(self._wanted.namespace)
            if live is None or not grammar.same(live.entries, self._wanted.table):
                return unknown
            if self._former is None:
                self._client.delete(self._wanted.namespace)
                return "the new table was deleted again"
            self._client.replace(self._wanted.namespace, self._former.text, live.version)
        except DtabError as error:
            return f"putting the former table back failed too ({error}), {unknown}"
        return "the former table was put back"


def delete(client: Client, namespace: str, seen: Dtab | None) -> None:
    """Delete the table, if its content is what was last seen; one that is gone already is fine.

    Raises ConflictError for other content.
    """
    lag = Deadline(LAG_SECONDS)
    unanswered: DtabError | None = None
    for _ in Deadline(WRITE_SECONDS).attempts():
        live = client.read(namespace)
        if live is None:
            return
        if seen is not None and not grammar.same(live.entries, seen):
            if lag.over:
                raise ConflictError(
                    f"the table {namespace!r} was changed by somebody else, and is not deleted: "
                    f"{difference(live.entries, seen)}; run `pulumi refresh` to take note of it"
                )
            continue
        try:
            client.delete(namespace)
        except _UNANSWERED as error:
            unanswered = error
            continue
        return
    if unanswered is not None:
        raise unanswered


def difference(theirs: Dtab, ours: Dtab) -> str:
    """Their lines and the ones they replaced, in one line."""
    mine = list(map(grammar.show_dentry, ours))
    other = list(map(grammar.show_dentry, theirs))
    added = [line for line in other if line not in mine]
    gone = [line for line in mine if line not in other]
    parts = [
        f"theirs {'; '.join(added)}" if added else "",
        f"gone {'; '.join(gone)}" if gone else "",
    ]
    return ", ".join(filter(None, parts)) or "the same lines in another order"
