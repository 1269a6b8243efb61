"""What a latency window says of the requests that took longer than a limit.

linkerd exports no histogram buckets (linkerd/linkerd#1643), only quantiles of the last window, and
quantiles of several nodes cannot be averaged. But each is the time of the request of a known rank,
so the number of requests slower than any limit lies between two numbers, and those can be added.
"""

import math

from canary.analysis.strata import Latency, Slower

FACTOR_OF_OLD = 0.7
"""How much of the smoothed quantile is kept when a window ends: it follows in some three windows.
"""

_TAIL = 10
"""The slower requests that a quantile must leave out to mean anything."""


def slower(window: Latency, limit: float) -> Slower:
    """How many requests of the window took longer than `limit` milliseconds."""
    least, most = 0, window.count
    for p, value in window.quantiles.items():
        rank = rank_of(p, window.count)
        if value > limit:
            least = max(least, window.count - rank + 1)
        else:
            most = min(most, window.count - rank)
    # Values are rounded by half a percent: two of them may contradict each other by a rank.
    return Slower(window.count, min(least, most), most)


def rank_of(p: float, count: int) -> int:
    """Which request, from the fastest, linkerd shows as a quantile of so many.

    Finagle's BucketedHistogram.percentile rounds by Math.round, that is half up, where Python's
    round goes to the even number. linkerd's p 0 and 1 are the fastest and the slowest.
    """
    return min(count, max(1, math.floor(p * count + 0.5)))


def relative_limit(quantile: float, factor: float, margin_ms: float) -> float:
    """Milliseconds from which a request is slow, by the baseline's own p95.

    linkerd's times are whole milliseconds, so a share of a few of them means nothing: `margin_ms`
    more are always allowed.
    """
    return max(factor * quantile, quantile + margin_ms)


def smoothed(before: float | None, window: Latency) -> float | None:
    """The baseline's p95 with one more window; as it was where the window does not have it."""
    found = window.quantiles.get(0.95)
    if found is None or before is None:
        return before if found is None else found
    return FACTOR_OF_OLD * before + (1 - FACTOR_OF_OLD) * found


def meaningful(window: Latency) -> float | None:
    """The highest p below 1 that so many requests can tell; None where they are too few for p50."""
    told = [p for p in window.quantiles if p < 1 and window.count * (1 - p) >= _TAIL - 1e-9]
    return max((p for p in told if p >= 0.5), default=None)
