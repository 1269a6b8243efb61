"""What happens to a rollout: all that it decides by, in the order in which it happened.

Times are seconds since 1970, taken once from the clock of the operator's machine and then counted
by its monotonic clock. The journal is these events as JSON, so that they can be gone through again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from canary.analysis.strata import Compared, Counts, Slower, Stratum


class Wish(StrEnum):
    """What an operator wants of a rollout from another terminal."""

    PROMOTE = "promote"
    """Go on to the next step now."""
    FULL = "promote-full"
    """Go on to the last step now."""
    ABORT = "abort"
    """Back to 0 now."""


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    at: float


@dataclass(frozen=True)
class Begun(Event):
    """The rollout begins at the weight that is in force."""

    weight: float
    loads: bool = False
    """Whether it sends requests of its own."""


@dataclass(frozen=True)
class Resumed(Event):
    """Another process goes on with it, at the weight that is in force."""

    weight: float
    by: str
    loads: bool = False


@dataclass(frozen=True)
class InForce(Event):
    """A weight was written and is what the tables say."""

    weight: float
    update: int = 0
    """Its number in the stack's history."""


@dataclass(frozen=True)
class NotDone(Event):
    """An update failed."""

    why: str
    in_force: float | None = None
    """The weight that was wanted, where that is in force all the same; None for the one before."""


@dataclass(frozen=True)
class Shown:
    """Latency of one version at a look, for people: in milliseconds, over all linkerds."""

    median: float
    high: float | None = None
    quantile: float | None = None
    """Which one `high` is, 0 to 1."""


@dataclass(frozen=True)
class Looked(Event):
    """The linkerds' counters were read."""

    strata: tuple[Stratum, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """The reason by linkerd: a text of `differences.Reason`."""
    unread: tuple[str, ...] = ()
    """The linkerds without which nothing passes."""
    baseline: Shown | None = None
    canary: Shown | None = None


@dataclass(frozen=True)
class Unseen(Event):
    """The cluster could not be asked."""

    why: str


@dataclass(frozen=True)
class Wished(Event):
    """An operator wants something."""

    wish: Wish
    by: str
    weight: float | None = None
    """In force when it was wished, as far as that is known."""


@dataclass(frozen=True)
class Changed(Event):
    """Somebody else's change, or another's lease: this rollout writes nothing any more."""

    why: str


@dataclass(frozen=True)
class Interrupted(Event):
    """A signal ended the process."""

    signal: int


_KINDS: dict[str, type[Event]] = {
    kind.__name__.lower(): kind
    for kind in (Begun, Resumed, InForce, NotDone, Looked, Unseen, Wished, Changed, Interrupted)
}


def encode(event: Event) -> dict[str, Any]:
    """The event as JSON has it."""
    found = asdict(event)
    if isinstance(event, Looked):
        found["strata"] = [_stratum(each) for each in event.strata]
    return {"event": type(event).__name__.lower(), **found}


def decode(given: Mapping[str, Any]) -> Event:
    """The event of such an object. Raises ValueError, KeyError or TypeError for another."""
    fields = {key: value for key, value in given.items() if key != "event"}
    kind = _KINDS[given["event"]]
    if kind is Looked:
        fields["strata"] = tuple(_read_stratum(each) for each in fields["strata"])
        fields["unread"] = tuple(fields["unread"])
        for version in ("baseline", "canary"):
            fields[version] = Shown(**fields[version]) if fields[version] else None
    if kind is Wished:
        fields["wish"] = Wish(fields["wish"])
    return kind(**fields)


def _stratum(given: Stratum) -> dict[str, Any]:
    """Without what is empty: most strata have no windows and nothing that waits."""
    found: dict[str, Any] = {
        "node": given.node,
        "baseline": _counts(given.baseline),
        "canary": _counts(given.canary),
        "waiting": [given.baseline_waiting, given.canary_waiting],
        "waited": [given.baseline_waited, given.canary_waited],
        "refused": given.refused,
        "relative": _compared(given.relative),
        "absolute": _compared(given.absolute),
    }
    kept = {key: value for key, value in found.items() if value not in (0, None, [0, 0])}
    # Also where it is 0: a journal without it is older than it.
    return {**kept, "waited": found["waited"]} if "waiting" in kept else kept


def _read_stratum(given: Mapping[str, Any]) -> Stratum:
    waiting = _pair(given.get("waiting", (0, 0)))
    return Stratum(
        given["node"],
        Counts(*given["baseline"]) if "baseline" in given else Counts(0, 0),
        Counts(*given["canary"]) if "canary" in given else Counts(0, 0),
        _read_compared(given.get("relative")),
        _read_compared(given.get("absolute")),
        *waiting,
        given.get("refused", 0),
        # Journals of before have none: as if the same requests had waited before.
        *_pair(given.get("waited", waiting)),
    )


def _pair(given: Sequence[int]) -> tuple[int, int]:
    return given[0], given[1]


def _counts(given: Counts) -> list[int]:
    return [given.requests, given.failures]


def _compared(given: Compared | None) -> list[list[int]] | None:
    if given is None:
        return None
    return [[each.requests, each.least, each.most] for each in (given.baseline, given.canary)]


def _read_compared(given: list[list[int]] | None) -> Compared | None:
    return None if given is None else Compared(Slower(*given[0]), Slower(*given[1]))
