"""What a linkerd has counted of a version, as a test wants it."""

from dataclasses import dataclass

from canary.analysis.strata import Key, Latency, Series, Version


def version(
    requests: int,
    failures: int,
    *,
    pending: int = 0,
    refused: int = 0,
    latency: Latency | None = None,
    service: str = "svc/world",
) -> Version:
    """One with a series, by the one name that all callers have for the service."""
    return Version({key(service): Series(requests, failures, pending, latency)}, refused)


def together(*some: Version) -> Version:
    """One with all their series."""
    series = {key: each for one in some for key, each in one.series.items()}
    return Version(series, sum(one.refused for one in some))


def key(service: str = "svc/world") -> Key:
    """The series of a name."""
    return "outgoing", "", service


@dataclass(frozen=True)
class Totals:
    """A version's counters without its series."""

    requests: int
    failures: int
    pending: int = 0
    refused: int = 0

    @classmethod
    def of(cls, found: Version) -> "Totals":
        """Added up."""
        counts = found.counts
        return cls(counts.requests, counts.failures, found.pending, found.refused)
