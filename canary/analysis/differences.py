"""From readings of counters to strata: what each linkerd did since the reading before.

Counters are not what they seem: they begin anew with each linkerd, they vanish with a client that
was idle, and latency windows are shown again until the next is complete. Where a difference could
mislead there is none, and a reason instead.

Prometheus shows a scrape until the next, and scrapes each linkerd at another moment. So a look at
it counts once all linkerds have been scraped anew since the last that did. The first look under a
weight only tells which scrapes may be of before it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from canary.analysis import growth
from canary.analysis.growth import of
from canary.analysis.latency import relative_limit, slower, smoothed
from canary.analysis.limits import Limits
from canary.analysis.strata import Compared, Key, Reading, Slower, Stratum


class Reason(StrEnum):
    """Why a linkerd's requests since the reading before are left out."""

    FIRST = "first reading"
    """Nothing to compare with: the step has begun, or the linkerd is new."""
    RESTARTED = "restarted"
    FELL = "counters fell"
    """A counter is lower, or gone: linkerd drops those of a client or service that was idle."""
    UNREAD = "not read"
    """It may answer the next time: nothing passes until then."""
    LOST = "not read for long"
    """It did not answer for `scrapeErrors` looks: the others go on without it."""
    GONE = "gone"


@dataclass(frozen=True)
class Look:
    """What came of one look at all linkerds."""

    strata: tuple[Stratum, ...]
    left_out: Mapping[str, Reason]
    """By linkerd."""

    @property
    def unread(self) -> tuple[str, ...]:
        """The linkerds without which nothing passes."""
        return tuple(node for node, why in self.left_out.items() if why is Reason.UNREAD)


@dataclass(frozen=True)
class Known:
    """What is remembered of one linkerd."""

    reading: Reading | None = None
    """The last under the step's weight, its failures being those that were counted."""
    windows: int = 0
    """Latency windows that ended since the first of those readings."""
    usual: Mapping[Key, float] = field(default_factory=dict)
    """The baseline's p95, smoothed, in milliseconds, by series."""
    misses: int = 0
    """Looks in a row at which it could not be read."""
    scrape: float | None = None
    """Prometheus's last one of before the reading to come, which has to be of a later one."""


NEVER = Known()

ANY = "every linkerd"
"""Whom a look leaves out that has found none, and knew none."""


@dataclass(frozen=True)
class Differences:
    """The readings of a rollout; `begin` and `look` give a new one each."""

    limits: Limits
    baseline: str
    """The version's bound name, as linkerd labels its client series."""
    canary: str
    known: Mapping[str, Known] = field(default_factory=dict)

    def begin(self) -> "Differences":
        """Another weight is in force: no stratum reaches across it, nor a latency window."""
        known = {
            node: replace(each, reading=None, windows=0, scrape=None)
            for node, each in self.known.items()
        }
        return replace(self, known=known)

    def look(
        self, readings: Iterable[Reading], nodes: Collection[str]
    ) -> tuple["Differences", Look]:
        """With the readings of a look, of the linkerds that there are.

        Those of `nodes` without a reading could not be read. A look that not all linkerds were
        scraped for gives no strata.
        """
        read = {reading.node: reading for reading in readings}
        is_new = all(self._is_new(reading) for reading in read.values())
        known: dict[str, Known] = {}
        strata: list[Stratum] = []
        left_out = {node: Reason.GONE for node in self.known if node not in {*nodes, *read}}
        for node in sorted({*nodes, *read}):
            before = self.known.get(node, NEVER)
            if node not in read:
                known[node] = replace(before, misses=before.misses + 1)
                left_out[node] = self._missed(known[node])
                continue
            if not is_new:
                known[node] = replace(before, misses=0, scrape=before.scrape or read[node].scrape)
                continue
            found = self._difference(before, read[node])
            remembered = self._remembered(before, read[node], found)
            known[node] = replace(remembered, scrape=read[node].scrape)
            if isinstance(found, Stratum):
                strata.append(found)
            else:
                left_out[node] = found
        if not read:
            # Of no linkerd at all, nothing may pass: those that have gone may only be unready.
            left_out = dict.fromkeys({*self.known, *nodes} or {ANY}, Reason.UNREAD)
        return replace(self, known=known), Look(tuple(strata), left_out)

    def _is_new(self, now: Reading) -> bool:
        """Whether a reading is not of a scrape that was seen before, or may have been."""
        if now.scrape is None:
            return True
        before = self.known.get(now.node, NEVER).scrape
        return before is not None and now.scrape > before

    def _missed(self, known: Known) -> Reason:
        return Reason.LOST if known.misses >= self.limits.scrape_errors else Reason.UNREAD

    def _difference(self, known: Known, now: Reading) -> Stratum | Reason:
        before = known.reading
        if before is None:
            return Reason.FIRST
        if before.started != now.started:
            return Reason.RESTARTED
        if any(growth.fell(before, now, version) for version in (self.baseline, self.canary)):
            return Reason.FELL
        relative, absolute = self._latency(known, now)
        return Stratum(
            now.node,
            growth.counts(before, now, self.baseline),
            growth.counts(before, now, self.canary),
            relative,
            absolute,
            of(now, self.baseline).pending,
            of(now, self.canary).pending,
            growth.refused(before, now, self.canary),
            of(before, self.baseline).pending,
            of(before, self.canary).pending,
        )

    def _latency(self, known: Known, now: Reading) -> tuple[Compared | None, Compared | None]:
        """Against the baseline's limits and the config's, of the window that has ended.

        The first window to end began before the weight was in force.
        """
        if not known.windows or not self._window_ended(known, now):
            return None, None
        versions = [of(now, version) for version in (self.baseline, self.canary)]
        every = {key for version in versions for key in version.latencies}
        absolute = self._compared(now, dict.fromkeys(every, float(self.limits.max_latency_ms)))
        if not known.usual:
            return None, absolute
        # The limits are of the windows before, so that this one cannot set its own.
        margins = (self.limits.latency_margin, self.limits.latency_margin_ms)
        usual = {key: relative_limit(p95, *margins) for key, p95 in known.usual.items()}
        return self._compared(now, usual), absolute

    def _compared(self, now: Reading, limits: Mapping[Key, float]) -> Compared:
        """The series that have a limit, each against its own.

        Callers with another name may ask for other things, which take another time. But the version
        of each request is drawn at random whatever the name, so numbers may be added up.
        """
        return Compared(
            *(_slower(now, version, limits) for version in (self.baseline, self.canary))
        )

    def _window_ended(self, known: Known, now: Reading) -> bool:
        """Whether linkerd shows another window than before; those of all series end together."""
        before = known.reading
        return before is not None and any(
            of(before, version).latencies != of(now, version).latencies
            for version in (self.baseline, self.canary)
        )

    def _remembered(self, known: Known, now: Reading, found: Stratum | Reason) -> Known:
        if not isinstance(found, Stratum):
            # A new linkerd is slow at first: what was usual before is not for it.
            usual = {} if found is Reason.RESTARTED else known.usual
            return Known(now, usual=self._usual(usual, now))
        if not self._window_ended(known, now):
            return Known(self._counted(known, now), known.windows, known.usual)
        usual = self._usual(known.usual, now)
        return Known(self._counted(known, now), known.windows + 1, usual)

    def _usual(self, usual: Mapping[Key, float], now: Reading) -> Mapping[Key, float]:
        windows = of(now, self.baseline).latencies
        found = {key: smoothed(usual.get(key), window) for key, window in windows.items()}
        return {**usual, **{key: p95 for key, p95 in found.items() if p95 is not None}}

    def _counted(self, known: Known, now: Reading) -> Reading:
        """The reading, with as many failures as are in strata: the rest is for the next one."""
        before, versions = known.reading, dict(now.versions)
        for name in (self.baseline, self.canary):
            if before is None or name not in versions:
                continue
            was, series = of(before, name).series, dict(versions[name].series)
            for key, counts in growth.by_series(before, now, name).items():
                failures = counts.failures + (was[key].failures if key in was else 0)
                series[key] = replace(series[key], failures=failures)
            versions[name] = replace(versions[name], series=series)
        return replace(now, versions=versions)


def _slower(now: Reading, version: str, limits: Mapping[Key, float]) -> Slower:
    """Of a window without requests linkerd shows nothing."""
    windows = of(now, version).latencies
    some = (slower(windows[key], limits[key]) for key in windows if key in limits)
    return sum(some, Slower(0, 0, 0))
