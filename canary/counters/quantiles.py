"""Quantiles over several windows: of linkerds, each of which shows only its own, and of series.

Quantiles do not average. But each bounds how many requests took longer than a limit, and those
bounds add up: a pooled quantile is at most the lowest limit that few enough requests are beyond.
"""

from collections.abc import Iterable

from canary.analysis.latency import rank_of
from canary.analysis.strata import Latency

MOST_TELLING = (0.99, 0.95, 0.9)
"""The high quantiles that may be told, the highest first."""

BEYOND = 10
"""Requests that must be beyond a quantile: the p99 of 40 requests is only the slowest."""


def at_most(latencies: Iterable[Latency], p: float) -> float | None:
    """The p-quantile of all requests together, in ms, or the least that it is known not to exceed.

    Of one window it is exact. None where there are no requests.
    """
    windows = [each for each in latencies if each.count]
    count = sum(each.count for each in windows)
    allowed = count - rank_of(p, count)
    limits = sorted({value for each in windows for value in each.quantiles.values()})
    return next(
        (limit for limit in limits if sum(_most_beyond(w, limit) for w in windows) <= allowed),
        limits[-1] if limits else None,
    )


def highest(count: int) -> float | None:
    """The highest quantile that so many requests tell, None where they tell none."""
    return next((p for p in MOST_TELLING if round(count * (1 - p), 6) >= BEYOND), None)


def _most_beyond(window: Latency, limit: float) -> int:
    """How many requests may have taken longer than a limit."""
    within = (p for p, value in window.quantiles.items() if value <= limit)
    ranks = [rank_of(p, window.count) for p in within]
    return window.count - max(ranks, default=0)
