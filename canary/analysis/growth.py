"""How a version's counters grew from one reading of a linkerd to the next, series by series.

A version has a series for each name that callers have for its service, and linkerd drops one that
was idle while the others go on. The fall of one is easily hidden in a sum by the growth of another.
"""

from canary.analysis.strata import NONE, Counts, Key, Reading, Series, Version

NOTHING = Version({})
_NEW = Series(0, 0)


def of(reading: Reading, version: str) -> Version:
    """A version's counters: linkerd shows none before its first request."""
    return reading.versions.get(version, NOTHING)


def fell(before: Reading, now: Reading, version: str) -> bool:
    """Whether a counter of any series is lower, or gone."""
    found = of(now, version).series
    is_gone = version in before.versions and version not in now.versions
    return is_gone or any(
        key not in found or found[key].requests < was.requests or found[key].failures < was.failures
        for key, was in of(before, version).series.items()
    )


def by_series(before: Reading, now: Reading, version: str) -> dict[Key, Counts]:
    """What each series counted in between; none may have fallen."""
    was = of(before, version).series
    found = of(now, version).series
    return {key: _growth(was.get(key, _NEW), series) for key, series in found.items()}


def counts(before: Reading, now: Reading, version: str) -> Counts:
    """What all series counted in between; none may have fallen."""
    return sum(by_series(before, now, version).values(), NONE)


def refused(before: Reading, now: Reading, version: str) -> int:
    """The attempts in between that found no connection; none where the counter has fallen."""
    return max(0, of(now, version).refused - of(before, version).refused)


def _growth(was: Series, found: Series) -> Counts:
    """A page is written while requests end, so a failure may be on it before its request."""
    requests = found.requests - was.requests
    return Counts(requests, min(requests, found.failures - was.failures))
