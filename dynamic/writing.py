"""Bringing a table to what is wanted, without losing what anybody else wrote.

Every write is conditional on what was read before it, whatever happens in between: an answer that
never comes, a read that lags behind a write, another writer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dynamic import grammar, guard, splits
from dynamic.difference import difference, written_and_served
from dynamic.engine import Engine
from dynamic.errors import (
    AbandonedError,
    ConflictError,
    ExistsError,
    NotServedError,
    StaleError,
)
from dynamic.grammar import Dtab
from dynamic.guard import BoundNames
from dynamic.marks import Mark
from dynamic.splits import Splits
from dynamic.tables import Store, Table, entries_of
from dynamic.waiting import UNANSWERED, Deadline
from kube.errors import OneLineError, UnexpectedAnswerError

WRITE_SECONDS = 30.0
"""How long a write is tried again whose answer never came."""

_TOUCH = grammar.parse_dentry("/linkerd-canary/adopts => !")
"""Leads nowhere, and from a prefix that nobody asks for."""

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
    mark: Mark
    """What is put on it."""
    baselines: Mapping[str, str] = field(default_factory=dict)
    """The branch of a split that traffic may return to at any time, by its prefix."""

    def is_met_by(self, live: Dtab) -> bool:
        """Whether a table reads back as the very same inputs."""
        return splits.recognise(live, self.splits) == splits.recognise(self.table, self.splits)

    @property
    def rising(self) -> list[tuple[str, str]]:
        """Prefix and branch of the weights that rise."""
        return splits.rising(self.before, self.splits)

    @property
    def is_way_back(self) -> bool:
        """Whether nothing rises but baselines, from weights that were not theirs."""
        rising = self.rising
        return bool(self.before and rising) and all(
            branch == self.baselines.get(prefix) for prefix, branch in rising
        )

    @property
    def former_with_another_base(self) -> Dtab | None:
        """The table that the state has, if its base is another: it leads branches elsewhere."""
        if self.recorded is None:
            return None
        former = entries_of(self.recorded)
        base, _ = splits.recognise(self.table, self.splits)
        return None if splits.recognise(former, self.before)[0] == base else former


class Rules(Protocol):
    """What may be done to a table that is there."""

    def is_own(self, live: Table) -> bool:
        """Whether it is the resource's as it is: where it says the same, nothing is written."""

    def wrote(self, live: Table) -> bool:
        """Whether the resource wrote it as it is, in this operation or another."""

    def may_replace(self, live: Table) -> bool:
        """Whether it may be written over."""

    def refuse(self, live: Table) -> OneLineError:
        """What to say where it may not."""


Prove = Callable[[Table | None, BoundNames], None]
"""Makes sure that the table is in force, given the one before it and what was asked for endpoints.

Raises OneLineError."""


def write(store: Store, wanted: Wanted, rules: Rules, prove: Prove) -> tuple[Table, bool]:
    """Bring the table about: the table as it is kept, and whether it was written.

    An own one that says the same is left as it is. One that may not be replaced is refused, after
    the time that reads may lag behind, and so is one that another update of the same resource
    writes in the meantime. A table that was written stays written when the proof fails.
    """
    return _Write(store, wanted).run(rules, prove)


class _Write:
    def __init__(self, store: Store, wanted: Wanted) -> None:
        self._store = store
        self._wanted = wanted
        self._engine = Engine()
        self._names: BoundNames | None = None
        self._sent = False
        self._written = False
        self._first: Table | None = None
        self._former: Table | None = None
        self._told: Table | None = None
        self._unanswered: OneLineError | None = None

    def run(self, rules: Rules, prove: Prove) -> tuple[Table, bool]:
        try:
            live = self._converge(rules)
        except ConflictError as error:
            done = "a write before that got no answer" if self._sent else "nothing was written"
            advice = "run `pulumi up --refresh` to see the change and decide"
            raise ConflictError(f"{error}; {done}, {advice}") from None
        except OneLineError as error:
            if self._written:
                raise self._after_the_write(error) from None
            raise type(error)(f"{error}; {_UNKNOWN}") if self._sent else error from None
        if not self._sent:
            return live, False
        try:
            prove(self._former, self._names or {})
            if not self._store.has_marks:
                self._must_be_noted()
        except OneLineError as error:
            raise self._after_the_write(error) from None
        return live, True

    def _converge(self, rules: Rules) -> Table:
        """Read and write until the table is there."""
        lag, tries = Deadline(self._store.lag_seconds), Deadline(WRITE_SECONDS)
        for _ in tries.attempts():
            live = self._store.read(self._wanted.namespace)
            if live is not None and self._is_there(live, rules):
                return live
            if self._written:
                if lag.over:
                    raise self._not_served(live, lag)
                continue
            touched = live is not None and self._sent and self._is_touched(live)
            if live is not None and self._is_overtaken(live, rules):
                raise self._overtaken(live)
            if live is not None and not touched and not rules.may_replace(live):
                if lag.over:
                    raise rules.refuse(live)
                continue
            if self._names is None:
                self._first = live
                self._names = self._guarded()
                lag.restart()
                tries.restart()
            self._written = self._written_over(live)
            if self._told is not None:
                return self._told
            lag.restart()
        if self._unanswered:
            said = f"{self._unanswered}; the write was tried for {tries.seconds:g} s"
            raise type(self._unanswered)(said)
        raise NotServedError(
            f"{self._store.where} keeps refusing the table {self._wanted.namespace!r} as out of "
            f"date, tried for {tries.seconds:g} s"
        )

    def _is_there(self, live: Table, rules: Rules) -> bool:
        if not self._wanted.is_met_by(live.entries):
            return False
        if rules.is_own(live):
            return True
        # Without marks it is the one that was sent, unless the read lags behind an adopted one.
        return self._sent and not self._store.has_marks and live != self._former

    def _is_overtaken(self, live: Table, rules: Rules) -> bool:
        """Whether another update of the same resource has written since this one began.

        What such an update left behind before that is the resource's own, to be written over. But
        one that runs beside this one, after a `pulumi cancel`, may be a way back.
        """
        if self._names is None or live.mark == self._wanted.mark or not rules.wrote(live):
            return False
        return self._first is None or live.entries != self._first.entries

    def _overtaken(self, live: Table) -> ConflictError:
        first = self._first.entries if self._first else ()
        when = f" at {live.changed_at}" if live.changed_at else ""
        return ConflictError(
            f"the table {self._wanted.namespace!r} was changed by another `pulumi up` of this "
            f"stack{when}: {difference(live.entries, first)}"
        )

    def _guarded(self) -> BoundNames:
        """The bound names of what rises, which takes endpoints, and of what a new base moves."""
        wanted = self._wanted
        if wanted.is_way_back and wanted.former_with_another_base is None:
            guard.way_back(self._store, wanted.rising, wanted.table)
            return {}
        names = guard.endpoints(self._store, wanted.rising, wanted.table)
        if former := wanted.former_with_another_base:
            staying = splits.staying(wanted.before, wanted.splits)
            kept = guard.kept(self._store, staying, former, wanted.table)
            for prefix, more in kept.items():
                names[prefix] = names.get(prefix, set()) | more
        return names

    def _written_over(self, live: Table | None) -> bool:
        """Write once; False where that has to be looked at again."""
        self._must_be_noted()
        if not self._sent:
            self._former = live
        namespace, table, mark = self._wanted.namespace, self._wanted.table, self._wanted.mark
        if live is not None and not self._store.has_marks and grammar.same(live.entries, table):
            self._touch(live)
            return False
        try:
            if live is None:
                self._told = self._store.create(namespace, table, mark)
            else:
                self._told = self._store.replace(namespace, live, table, mark)
        except (StaleError, ExistsError):
            return False  # somebody else was first, or the read lags, or this is the second time
        except UNANSWERED as error:
            self._sent, self._unanswered = True, error
            return False
        except UnexpectedAnswerError:
            if not self._shows(self._is_written):
                raise
        self._sent = True
        return True

    def _touch(self, live: Table) -> None:
        """Give a table that says the same already another version, by an entry that comes and goes.

        Or its former owner would take it for its own still, and delete it. With Kubernetes storage
        a PUT of the very same table leaves its version as it was.
        """
        entries = (*live.entries, _TOUCH)
        try:
            self._store.replace(self._wanted.namespace, live, entries, self._wanted.mark)
        except StaleError:
            return
        except UNANSWERED as error:
            self._unanswered = error
        except UnexpectedAnswerError:
            if not self._shows(self._is_touched):
                raise
        self._sent = True

    def _is_touched(self, live: Table) -> bool:
        return live.entries[-1:] == (_TOUCH,) and grammar.same(
            live.entries[:-1], self._wanted.table
        )

    def _is_written(self, live: Table) -> bool:
        return self._wanted.is_met_by(live.entries) and live != self._former

    def _shows(self, what: Callable[[Table], bool]) -> bool:
        """Whether reads show it all the same, after an answer that says otherwise."""
        for _ in Deadline(self._store.lag_seconds).attempts():
            live = self._store.read(self._wanted.namespace)
            if live is not None and what(live):
                return True
        return False

    def _not_served(self, live: Table | None, lag: Deadline) -> NotServedError:
        shown = written_and_served(self._wanted.table, live.entries if live else None)
        return NotServedError(
            f"{self._store.where} took the table {self._wanted.namespace!r} but does not serve it "
            f"after {lag.seconds:g} s: {shown}"
        )

    def _must_be_noted(self) -> None:
        """Write nothing that no state would know of, and leave nothing like it."""
        if self._engine.is_gone:
            raise AbandonedError("the pulumi that asked for this has ended")

    def _after_the_write(self, error: OneLineError) -> OneLineError:
        """What became of the table, and what to do about it.

        With its mark the next `pulumi up` knows it again, so it stays (decision 12). Without one it
        would look like somebody else's, and the former table is put back, but for a way back: that
        is never undone.
        """
        if self._store.has_marks:
            done = (
                "the new table is written and stays: once that is fixed run `pulumi up` again, or "
                "set the weights back and run it"
            )
        elif not self._wanted.is_way_back:
            done = self._put_back()
        else:
            done = "the new table is written and stays: run `pulumi up --refresh` to go on from it"
        return type(error)(f"{error}; {done}")

    def _put_back(self) -> str:
        """Put the former table back, if what is there is still ours; how that went."""
        namespace, wanted = self._wanted.namespace, self._wanted
        try:
            live = self._store.read(namespace)
            if live is None or not grammar.same(live.entries, wanted.table):
                return _UNKNOWN
            if self._former is None:
                self._store.delete(namespace, live)
                return "the table was deleted again"
            self._store.replace(namespace, live, self._former.entries, wanted.mark)
        except OneLineError as error:
            return f"putting the former table back failed too ({error}), {_UNKNOWN}"
        return "the former table was put back"
