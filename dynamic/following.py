"""Whether traffic follows a table: what each linkerd routes by, against what the table says."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dynamic import guard
from dynamic.delegation import Delegation
from dynamic.grammar import Dtab
from dynamic.linkerds import Fleet, View
from dynamic.waiting import Deadline

FOLLOW_SECONDS = 30.0
"""How long linkerds may take to follow a table that was written."""

_TOLERANCE = 2e-5
"""A fifth of the finest step of a weight, 0.01 %."""

Delegate = Callable[[str, str], Delegation]
Shares = Mapping[str, float]


@dataclass(frozen=True)
class Lag:
    """A linkerd that does not follow, or cannot be asked."""

    view: View
    name: str = ""
    expected: str = ""

    def __str__(self) -> str:
        where = f"linkerd {self.view.pod} on node {self.view.node}"
        if self.view.problem:
            return f"{where} cannot be asked what it follows ({self.view.problem})"
        return (
            f"{where} sends {self.name} to {_said(self.view.names[self.name])}, "
            f"not to {self.expected}"
        )


def lags(
    fleet: Fleet, delegate: Delegate, former: Dtab | None, table: Dtab, seconds: float
) -> list[Lag]:
    """The linkerds that do not follow the table within so many seconds; none where all do.

    Names that lead through the same entries of both tables are not looked at; with no former one
    all are. Raises OneLineError where namerd cannot be asked where a name leads.
    """
    deadline = Deadline(seconds)
    found: list[Lag] = []
    for _ in deadline.attempts(first=0.05, longest=1.0):
        found = list(_lags(fleet.views(), delegate, former, table))
        if not found:
            break
    return found


def _lags(views: list[View], delegate: Delegate, former: Dtab | None, table: Dtab) -> Iterator[Lag]:
    # Names of one way share an answer: at the edge callers choose the names, and as many as they
    # like. A name that no entry rewrites stands for itself.
    by_way: dict[tuple[Dtab, tuple[str, ...]], Shares] = {}
    ways = {name: guard.way(table, name) for view in views for name in view.names}
    if former is not None:
        ways = {name: way for name, way in ways.items() if guard.reached(former, name) != way[0]}
    for view in views:
        if view.problem:
            yield Lag(view)
        for name, shares in view.names.items():
            if name not in ways:
                continue
            entries, paths = ways[name]
            way = (entries, paths or (name,))
            if way not in by_way:
                by_way[way] = delegate(name, guard.for_url(table, name)).shares
            if not _agree(shares, by_way[way]):
                yield Lag(view, name, _said(by_way[way]))


def _agree(one: Shares, other: Shares) -> bool:
    return all(
        abs(one.get(name, 0.0) - other.get(name, 0.0)) <= _TOLERANCE for name in {*one, *other}
    )


def _said(shares: Shares) -> str:
    """`90 % world-v1, 10 % world-v2`; of a bound name, the service is its last label."""
    if not shares:
        return "nothing"
    return ", ".join(
        f"{round(share * 100, 2):g} % {name.rpartition('/')[2]}"
        for name, share in sorted(shares.items())
    )
