"""What a step that passed could have missed: a pass is no proof of health."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from canary.analysis import odds
from canary.analysis.absolute import log_beyond
from canary.analysis.beta import log_above
from canary.analysis.limits import Limits
from canary.analysis.relative import mixture
from canary.analysis.strata import Counts
from canary.analysis.windows import log_mean

CHANCE = 0.9
"""How likely a regression of the size that is told would have failed the canary."""

_HALVINGS = 40


@dataclass(frozen=True)
class Sizes:
    """The counts of one step, the last that has begun of those planned."""

    baseline: Counts
    canary: Counts
    allowed: tuple[float, ...]
    """What the canary may fail, 0 to 1, since each step that has begun: `Absolute.allowances`."""
    planned: int


def smallest_seen(sizes: Sizes, limits: Limits) -> float | None:
    """The smallest failure rate, 0 to 1, that would have shown with the chance CHANCE.

    By the step's own counts, so a lower one may have shown over several steps. None where no rate
    would have, for want of requests.
    """
    requests = sizes.canary.requests
    needed = _fewest(requests, lambda failures: _shows(failures, sizes, limits))
    return None if needed is None else _rate(needed, requests)


def _shows(failures: int, sizes: Sizes, limits: Limits) -> bool:
    canary = Counts(sizes.canary.requests, failures)
    if 100 * (canary.rate - sizes.baseline.rate) < limits.min_effect_points:
        return False
    # Each step so far saw at least this one.
    relative = mixture(odds.log_factors(sizes.baseline, canary, limits.odds_margin))
    limit = limits.max_failure_rate
    tests = (
        [relative] * len(sizes.allowed),
        [log_beyond(canary.requests, failures, limit, rate) for rate in sizes.allowed],
    )
    found = max(log_mean(logs, sizes.planned) for logs in tests)
    return found >= limits.log_evidence_limit


def _fewest(requests: int, shows: Callable[[int], bool]) -> int | None:
    """The fewest failures that show: more of them always show too."""
    low, high = 0, requests
    if not requests or not shows(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle + 1, high)
    return low


def _rate(failures: int, requests: int) -> float | None:
    """The rate at which so many or more fail with the chance CHANCE.

    P(Binomial(n, p) ≥ x) is P(Beta(x, n−x+1) ≤ p), that is P(Beta(n−x+1, x) > 1−p).
    """
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        log_chance = log_above(requests - failures + 1, failures, 1 - rate)
        low, high = (low, rate) if log_chance >= math.log(CHANCE) else (rate, high)
    return high
