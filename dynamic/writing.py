"""Bringing namerd's table to what is wanted, without losing what anybody else wrote.

Every write is conditional on what was read before it, whatever happens in between: an answer that
never comes, a read that lags behind a write, another writer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dynamic import grammar, guard, splits
from dynamic.client import Client, Deadline, Table
from dynamic.difference import clipped, difference, written_and_served
from dynamic.engine import Engine
from dynamic.errors import (
    AbandonedError,
    ConflictError,
    ExistsError,
    NotServedError,
    StaleError,
)
from dynamic.grammar import Dtab
from dynamic.journal import Journal
from dynamic.splits import Splits
from kube.errors import (
    CutShortError,
    OneLineError,
    TimedOutError,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
)

LAG_SECONDS = 8.0
"""How far namerd's reads may be behind its writes: with Kubernetes storage they come by a watch."""

WRITE_SECONDS = 30.0
"""How long a write is tried again whose answer never came."""

_UNANSWERED = (UnreachableError, TimedOutError, CutShortError, UnavailableError)
"""After these nobody knows whether the write was applied; reading tells."""

_UNKNOWN = "which table is in force is not known, run `pulumi up --refresh`"


@dataclass(frozen=True)
class Wanted:
    """A table to bring about."""

    namespace: str
    table: Dtab
    splits: Splits
    before: Splits
    """The weights until now: what rises from them must have endpoints."""
    recorded: str | None
    """The table that the state has, if it has one."""

    def is_met_by(self, live: Dtab) -> bool:
        """Whether a table reads back as the very same inputs."""
        return splits.recognise(live, self.splits) == splits.recognise(self.table, self.splits)

    @property
    def former_with_another_base(self) -> Dtab | None:
        """The table that the state has, if its base is another: it leads branches elsewhere."""
        if self.recorded is None:
            return None
        former = grammar.parse(self.recorded)
        base, _ = splits.recognise(self.table, self.splits)
        return None if splits.recognise(former, self.before)[0] == base else former


MayReplace = Callable[[Table], bool]
"""Whether a table that is there may be replaced: somebody has seen it and wants another."""

Refuse = Callable[[Table], OneLineError]
"""What to say where it may not."""


def write(
    client: Client, wanted: Wanted, journal: Journal, may_replace: MayReplace, refuse: Refuse
) -> Table:
    """Bring the table about, and return it as namerd serves it.

    A table that says the same is left as it is. One that may not be replaced is refused, after the
    time that reads may lag behind. An error after the write puts the former table back first.
    """
    return _Write(client, wanted, journal).run(may_replace, refuse)


class _Write:
    def __init__(self, client: Client, wanted: Wanted, journal: Journal) -> None:
        self._client = client
        self._wanted = wanted
        self._journal = journal
        self._engine = Engine()
        self._text = grammar.show(wanted.table)
        self._bound_names: dict[str, set[str]] | None = None
        self._sent = False
        self._former: str | None = None
        self._unanswered: OneLineError | None = None

    def run(self, may_replace: MayReplace, refuse: Refuse) -> Table:
        try:
            live = self._converge(may_replace, refuse)
        except ConflictError as error:
            if not self._sent:
                self._journal.withdraw()
            done = "a write before that got no answer" if self._sent else "nothing was written"
            advice = "run `pulumi up --refresh` to see the change and decide"
            raise ConflictError(f"{error}; {done}, {advice}") from None
        except OneLineError as error:
            if self._sent:
                raise type(error)(f"{error}; {_UNKNOWN}") from None
            self._journal.withdraw()
            raise
        return self._settled(live)

    def _converge(self, may_replace: MayReplace, refuse: Refuse) -> Table | None:
        """Read and write until the table is there, which is returned, or was just written."""
        lag, tries = Deadline(LAG_SECONDS), Deadline(WRITE_SECONDS)
        for _ in tries.attempts():
            live = self._client.read(self._wanted.namespace)
            if live is not None and self._wanted.is_met_by(live.entries):
                return live
            own = live is not None and self._journal.is_left_behind(live.text)
            if live is not None and not own and not may_replace(live):
                if lag.over:
                    raise refuse(live)
                continue
            if self._bound_names is None:
                self._bound_names = self._guarded()
                lag.restart()
                tries.restart()
            if self._written_over(live):
                return None
        if self._unanswered:
            said = f"{self._unanswered}; the write was tried for {tries.seconds:g} s"
            raise type(self._unanswered)(said)
        raise NotServedError(
            f"{self._client.where} keeps refusing the table {self._wanted.namespace!r} as out of "
            f"date, tried for {tries.seconds:g} s"
        )

    def _guarded(self) -> dict[str, set[str]]:
        """The bound names of what rises, which takes endpoints, and of what a new base moves."""
        wanted = self._wanted
        rising = splits.rising(wanted.before, wanted.splits)
        names = guard.endpoints(self._client, rising, wanted.table)
        if former := wanted.former_with_another_base:
            staying = splits.staying(wanted.before, wanted.splits)
            kept = guard.kept(self._client, staying, former, wanted.table)
            for prefix, more in kept.items():
                names[prefix] = names.get(prefix, set()) | more
        return names

    def _written_over(self, live: Table | None) -> bool:
        """Write once; False where that has to be looked at again."""
        if self._engine.is_gone:
            raise AbandonedError("the pulumi that asked for this has ended")
        if not self._sent:
            self._former = live.text if live else None
            if live and self._journal.is_left_behind(live.text):
                self._former = self._wanted.recorded
            self._journal.begin(self._text)
        try:
            if live is None:
                self._client.create(self._wanted.namespace, self._text)
            else:
                self._client.replace(self._wanted.namespace, self._text, live.version)
        except (StaleError, ExistsError):
            return False  # somebody else was first, or the read lags, or this is the second time
        except _UNANSWERED as error:
            self._sent, self._unanswered = True, error
            return False
        except UnexpectedAnswerError:
            if not self._was_applied():
                raise
        self._sent = True
        return True

    def _was_applied(self) -> bool:
        live = self._client.read(self._wanted.namespace)
        return live is not None and self._wanted.is_met_by(live.entries)

    def _settled(self, live: Table | None) -> Table:
        """The table once namerd serves it with all its branches."""
        if live is not None and not self._sent:
            self._journal.finish(live.text)
            return live
        try:
            live = live or self._served()
            guard.bound(self._client, self._wanted.namespace, self._bound_names or {})
            if self._engine.is_gone:
                raise AbandonedError("the pulumi that asked for this has ended")
        except OneLineError as error:
            raise type(error)(f"{error}; {self._put_back()}") from None
        self._journal.finish(self._text)
        return live

    def _served(self) -> Table:
        deadline = Deadline(LAG_SECONDS)
        live: Table | None = None
        for _ in deadline.attempts():
            live = self._client.read(self._wanted.namespace)
            if live is not None and self._wanted.is_met_by(live.entries):
                return live
        raise NotServedError(
            f"{self._client.where} took the table {self._wanted.namespace!r} but does not serve it "
            f"after {deadline.seconds:g} s: "
            f"{written_and_served(self._wanted.table, live.entries if live else None)}"
        )

    def _put_back(self) -> str:
        """Put the former table back, if what is there is still ours; how that went."""
        try:
            live = self._client.read(self._wanted.namespace)
            if live is None or not grammar.same(live.entries, self._wanted.table):
                return _UNKNOWN
            if self._former is None:
                self._client.delete(self._wanted.namespace)
            else:
                self._client.replace(self._wanted.namespace, self._former, live.version)
        except OneLineError as error:
            return f"putting the former table back failed too ({error}), {_UNKNOWN}"
        self._journal.forget()
        return (
            "the table was deleted again"
            if self._former is None
            else "the former table was put back"
        )


def delete(client: Client, namespace: str, seen: str, journal: Journal) -> None:
    """Delete the table, if its content is what was last seen; one that is gone already is fine.

    Raises ConflictError for other content.
    """
    entries = grammar.parse(seen)
    lag, tries = Deadline(LAG_SECONDS), Deadline(WRITE_SECONDS)
    unanswered: OneLineError | None = None
    for _ in tries.attempts():
        live = client.read(namespace)
        if live is None:
            client.must_be_namerd()
            break
        if not (grammar.same(live.entries, entries) or journal.is_left_behind(live.text)):
            if lag.over:
                raise ConflictError(
                    f"the table {namespace!r} was changed by somebody else, and is not deleted: "
                    f"{difference(live.entries, entries)}; run `pulumi refresh` to take note of it"
                )
            continue
        journal.begin(None)
        try:
            client.delete(namespace)
        except _UNANSWERED as error:
            unanswered = error
            continue
        except UnexpectedAnswerError:
            if client.read(namespace) is not None:
                raise
        _wait_until_gone(client, namespace, live)
        break
    else:
        assert unanswered is not None  # noqa: S101  # somebody else's table ends the wait earlier
        said = f"{unanswered}; the deletion was tried for {tries.seconds:g} s"
        raise type(unanswered)(said)
    journal.finish(None)


def _wait_until_gone(client: Client, namespace: str, deleted: Table) -> None:
    """Or whoever makes the table next would take a read that lags for the table itself."""
    deadline = Deadline(LAG_SECONDS)
    for _ in deadline.attempts():
        live = client.read(namespace)
        if live != deleted:
            return
    raise NotServedError(
        f"{client.where} took the deletion of {namespace!r} but serves it after "
        f"{deadline.seconds:g} s: '{clipped(deleted.text)}'"
    )
