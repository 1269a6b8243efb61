"""What traffic did, by version: in the last window of each linkerd, or between two readings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from canary.analysis import growth
from canary.analysis.strata import NONE, Counts, Latency, Reading, Version
from canary.counters import quantiles
from canary.counters.page import WINDOW_SECONDS
from canary.counters.reading import Seen


@dataclass(frozen=True)
class Measured:
    """One version's traffic through all linkerds."""

    rated: int
    """Requests that rate and share rest on."""
    per_second: float
    counts: Counts
    """Requests that the success rests on."""
    pending: int = 0
    refused: int = 0
    """Attempts that found no connection, in the time of `counts`."""
    median_ms: float | None = None
    high_ms: float | None = None
    high: float | None = None
    """Which quantile `high_ms` is: 0.99, or a lower one where there are too few requests."""


@dataclass(frozen=True)
class Traffic:
    """The traffic of a split."""

    by_name: Mapping[str, Measured]
    """By bound name; every name that was asked for."""
    seconds: float
    """The time that rate and share are of."""
    since_start: bool
    """Whether `counts` are of all time since linkerd began to count, not of those seconds."""
    left_out: tuple[str, ...] = ()
    """The linkerds that began anew, or came, in between."""

    @property
    def rated(self) -> int:
        """Requests that share and rate rest on."""
        return sum(each.rated for each in self.by_name.values())


def now(seen: Seen, names: Iterable[str]) -> Traffic:
    """By one look: rate and share of the last window, success since linkerd began to count."""
    found = {}
    for name in names:
        versions = _versions(seen.readings, name)
        rated = sum(each.count for each in _windows(versions))
        counts = sum((each.counts for each in versions), NONE)
        refused = sum(each.refused for each in versions)
        found[name] = _measured(rated, WINDOW_SECONDS, counts, refused, versions)
    return Traffic(found, WINDOW_SECONDS, since_start=True)


def between(first: Seen, last: Seen, names: Iterable[str]) -> Traffic:
    """Between two looks, over the linkerds that counted on from the first to the last."""
    before = {each.node: each for each in first.readings}
    pairs, left_out = [], []
    for reading in last.readings:
        former = before.get(reading.node)
        if former is not None and _counted_on(former, reading):
            pairs.append((former, reading))
        else:
            left_out.append(reading.node)
    seconds = last.at - first.at
    found = {}
    for name in names:
        counts = sum((growth.counts(*pair, name) for pair in pairs), NONE)
        refused = sum(growth.refused(*pair, name) for pair in pairs)
        versions = _versions(last.readings, name)
        found[name] = _measured(counts.requests, seconds, counts, refused, versions)
    return Traffic(found, seconds, since_start=False, left_out=tuple(sorted(left_out)))


def _versions(readings: Iterable[Reading], name: str) -> list[Version]:
    return [each.versions[name] for each in readings if name in each.versions]


def _windows(versions: Iterable[Version]) -> list[Latency]:
    return [window for version in versions for window in version.latencies.values()]


def _measured(
    rated: int, seconds: float, counts: Counts, refused: int, versions: list[Version]
) -> Measured:
    latencies = _windows(versions)
    high = quantiles.highest(sum(each.count for each in latencies))
    return Measured(
        rated=rated,
        per_second=rated / seconds if seconds > 0 else 0.0,
        counts=counts,
        pending=sum(each.pending for each in versions),
        refused=refused,
        median_ms=quantiles.at_most(latencies, 0.5),
        high_ms=quantiles.at_most(latencies, high) if high else None,
        high=high,
    )


def _counted_on(former: Reading, latter: Reading) -> bool:
    """Whether no counter began anew: linkerd neither restarted nor dropped a series."""
    return former.started == latter.started and not any(
        growth.fell(former, latter, name) for name in former.versions
    )
