"""What a judgement rests on: the readings of linkerd's counters, and the strata between them.

A reading is what one linkerd shows at one moment. A stratum is what that linkerd did with requests
between two readings, under one weight: the unit of which all evidence is a product.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """Attempts that were answered, and how many of them failed."""

    requests: int
    failures: int

    def __post_init__(self) -> None:
        if not 0 <= self.failures <= self.requests:
            raise ValueError(f"{self.failures} failures of {self.requests} requests")

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.requests + other.requests, self.failures + other.failures)

    @property
    def rate(self) -> float:
        """The share that failed, 0 to 1; 0 of no requests."""
        return self.failures / self.requests if self.requests else 0.0


NONE = Counts(0, 0)


@dataclass(frozen=True)
class Latency:
    """One latency window of one series, as linkerd shows it: the last that is complete.

    linkerd clears its histogram at the end of each window (10 s in this project's mesh) and shows
    the finished one until the next is finished, so the same window may be read several times.
    Times are whole milliseconds; a quantile is the order statistic of rank floor(p·count + ½).
    """

    count: int
    sum: float
    """Milliseconds, of all requests."""
    quantiles: Mapping[float, float]
    """Milliseconds by p, of 0 (the fastest), 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1 (the slowest).
    """


Key = tuple[str, str, str]
"""Which of a version's series: the router, what the client's label has before the version's bound
name, and the service: the name that callers used.
"""


@dataclass(frozen=True)
class Series:
    """What one linkerd has counted of one version under one name that callers have for it."""

    requests: int
    """`rt:client:service:requests` since the series began; counted when a request is answered."""
    failures: int
    """`rt:client:service:failures` since the series began; 0 where linkerd does not show it yet."""
    pending: int = 0
    """Requests that wait for their answer now."""
    latency: Latency | None = None
    """The last complete window; None before the first, or after one without requests."""


@dataclass(frozen=True)
class Version:
    """What one linkerd has counted of one version, by the version's client series.

    linkerd drops each of them for itself when it was idle, and quantiles of several do not add up:
    so they are kept apart.
    """

    series: Mapping[Key, Series]
    refused: int = 0
    """`rt:client:service_creation:failures`: attempts that found no connection. They are in
    neither requests nor failures, and a deadline may book them on the other version.
    """

    @property
    def counts(self) -> Counts:
        """Of all series since each began."""
        return sum((Counts(each.requests, each.failures) for each in self.series.values()), NONE)

    @property
    def pending(self) -> int:
        """Requests that wait for their answer now."""
        return sum(each.pending for each in self.series.values())

    @property
    def latencies(self) -> dict[Key, Latency]:
        """The last complete window of each series that had requests in it."""
        return {key: each.latency for key, each in self.series.items() if each.latency}


@dataclass(frozen=True)
class Reading:
    """What one linkerd showed at one moment."""

    node: str
    """Which linkerd: the node's name, or the pod's where linkerd is a sidecar."""
    at: float
    """Seconds of this process's monotonic clock, not of the pod's."""
    started: float
    """linkerd's `jvm:start_time`, which tells a restart."""
    versions: Mapping[str, Version]
    """By bound name. A version without series is missing: never used, idle for long, or reset."""
    scrape: float | None = None
    """When Prometheus read it, in seconds since 1970 by its clock; None where we asked linkerd."""


@dataclass(frozen=True)
class Slower:
    """How many requests of a window took longer than a limit: at least and at most so many."""

    requests: int
    least: int
    most: int

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most <= self.requests:
            raise ValueError(f"{self.least} to {self.most} slower of {self.requests} requests")

    def __add__(self, other: "Slower") -> "Slower":
        return Slower(
            self.requests + other.requests, self.least + other.least, self.most + other.most
        )

    @property
    def at_least(self) -> Counts:
        """As counts, at least so many failing the limit."""
        return Counts(self.requests, self.least)

    @property
    def at_most(self) -> Counts:
        """As counts, at most so many failing the limit."""
        return Counts(self.requests, self.most)


@dataclass(frozen=True)
class Compared:
    """The latency windows of both versions that ended in one stratum, against one limit."""

    baseline: Slower
    canary: Slower


@dataclass(frozen=True)
class Stratum:
    """What one linkerd did between two readings, all of it under one weight."""

    node: str
    baseline: Counts
    canary: Counts
    relative: Compared | None = None
    """Against the limit that the baseline's own latency gave before; None without windows."""
    absolute: Compared | None = None
    """Against the limit of the stack's config; None without windows."""
    baseline_waiting: int = 0
    """Requests to the baseline that had no answer at its end."""
    canary_waiting: int = 0
    """Requests to the canary that had no answer at its end."""
    refused: int = 0
    """Attempts that found no connection to the canary: shown, and not counted as failures."""
    baseline_waited: int = 0
    """Requests to the baseline that had no answer at its beginning."""
    canary_waited: int = 0
    """Requests to the canary that had no answer at its beginning."""
