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

from canary.analysis.latency import relative_limit, slower, smoothed
from canary.analysis.limits import Limits
from canary.analysis.strata import Compared, Counts, Latency, Reading, Slower, Stratum, Version


class Reason(StrEnum):
    """Why a linkerd's requests since the reading before are left out."""

    FIRST = "first reading"
    """Nothing to compare with: the step has begun, or the linkerd is new."""
    RESTARTED = "restarted"
    FELL = "counters fell"
    """A counter is lower, or gone: linkerd drops those of a client that was idle."""
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
    usual: float | None = None
    """The baseline's p95, smoothed, in milliseconds."""
    misses: int = 0
    """Looks in a row at which it could not be read."""
    scrape: float | None = None
    """Prometheus's last one of before the reading to come, which has to be of a later one."""


NEVER = Known()
NOTHING = Version(0, 0)

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
        if any(_fell(before, now, version) for version in (self.baseline, self.canary)):
            return Reason.FELL
        relative, absolute = self._latency(known, now)
        return Stratum(
            now.node,
            _growth(before, now, self.baseline),
            _growth(before, now, self.canary),
            relative,
            absolute,
            _of(now, self.baseline).pending,
            _of(now, self.canary).pending,
            max(0, _of(now, self.canary).refused - _of(before, self.canary).refused),
        )

    def _latency(self, known: Known, now: Reading) -> tuple[Compared | None, Compared | None]:
        """Against the baseline's limit and the config's, of the window that has ended.

        The first window to end began before the weight was in force.
        """
        if not known.windows or not self._window_ended(known, now):
            return None, None
        absolute = self._compared(now, self.limits.max_latency_ms)
        if known.usual is None:
            return None, absolute
        # The limit is of the windows before, so that this one cannot set its own.
        limit = relative_limit(
            known.usual, self.limits.latency_margin, self.limits.latency_margin_ms
        )
        return self._compared(now, limit), absolute

    def _compared(self, now: Reading, limit: float) -> Compared:
        return Compared(
            *(_slower(_of(now, version).latency, limit) for version in (self.baseline, self.canary))
        )

    def _window_ended(self, known: Known, now: Reading) -> bool:
        """Whether linkerd shows another window than before; all versions' end together."""
        before = known.reading
        return before is not None and any(
            _of(before, version).latency != _of(now, version).latency
            for version in (self.baseline, self.canary)
        )

    def _remembered(self, known: Known, now: Reading, found: Stratum | Reason) -> Known:
        if not isinstance(found, Stratum):
            # A new linkerd is slow at first: what was usual before is not for it.
            usual = None if found is Reason.RESTARTED else known.usual
            return Known(now, usual=self._usual(usual, now))
        if not self._window_ended(known, now):
            return Known(self._counted(known, now, found), known.windows, known.usual)
        usual = self._usual(known.usual, now)
        return Known(self._counted(known, now, found), known.windows + 1, usual)

    def _usual(self, usual: float | None, now: Reading) -> float | None:
        window = _of(now, self.baseline).latency
        return smoothed(usual, window) if window else usual

    def _counted(self, known: Known, now: Reading, found: Stratum) -> Reading:
        """The reading, with as many failures as are in strata: the rest is for the next one."""
        versions = dict(now.versions)
        for version, counts in ((self.baseline, found.baseline), (self.canary, found.canary)):
            if version in versions and known.reading:
                counted = _of(known.reading, version).failures + counts.failures
                versions[version] = replace(versions[version], failures=counted)
        return replace(now, versions=versions)


def _of(reading: Reading, version: str) -> Version:
    """A version's counters: linkerd shows none before its first request."""
    return reading.versions.get(version, NOTHING)


def _fell(before: Reading, now: Reading, version: str) -> bool:
    was, found = _of(before, version), _of(now, version)
    is_gone = version in before.versions and version not in now.versions
    return is_gone or found.requests < was.requests or found.failures < was.failures


def _growth(before: Reading, now: Reading, version: str) -> Counts:
    """A page is written while requests end, so a failure may be on it before its request."""
    was, found = _of(before, version), _of(now, version)
    requests = found.requests - was.requests
    return Counts(requests, min(requests, found.failures - was.failures))


def _slower(window: Latency | None, limit: float) -> Slower:
    """Of a window without requests linkerd shows nothing."""
    return slower(window, limit) if window else Slower(0, 0, 0)
