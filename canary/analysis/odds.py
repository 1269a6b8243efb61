"""The relative test: does the canary fail more than the baseline did at the same moment?

linkerd draws the version of each attempt at random. So given how many attempts of a stratum failed,
the canary's part of them is noncentral hypergeometric (Fisher's), with the odds ratio of the two
failure rates as its only parameter: what made the attempts fail drops out, be it the canary or a
database that both versions share.
"""

import math
from functools import lru_cache

from canary.analysis.strata import Counts

RATIOS = (1.5, 2.0, 4.0, 10.0, 30.0, 100.0)
"""How many times the margin the odds may be: the alternatives that the evidence is a mixture of."""

_NEGLIGIBLE = 1e-18
"""A term's share of the largest one from which on a sum in double precision does not move."""


@lru_cache(maxsize=65536)
def log_factors(baseline: Counts, canary: Counts, margin: float) -> tuple[float, ...]:
    """What one stratum adds to the logarithm of the evidence, by each of RATIOS.

    log f(x; margin·r) / f(x; margin), f being the probability that x of the failures are the
    canary's. Each has a mean of at most 1, before the logarithm, wherever the true odds ratio is at
    most `margin`: f has a monotone likelihood ratio. 0 where a stratum says nothing.
    """
    failures = baseline.failures + canary.failures
    attempts = baseline.requests + canary.requests
    if not failures or failures == attempts or not baseline.requests or not canary.requests:
        return (0.0,) * len(RATIOS)
    given = (canary.requests, baseline.requests, failures)
    null = _log_norm(*given, margin)
    return tuple(
        canary.failures * math.log(ratio) - _log_norm(*given, margin * ratio) + null
        for ratio in RATIOS
    )


def _log_norm(drawn: int, rest: int, failures: int, odds: float) -> float:
    """log Σ_k C(drawn,k)·C(rest,failures−k)·odds^k, from the largest term outwards."""
    low, high = max(0, failures - rest), min(drawn, failures)
    mode = min(high, max(low, _mode(drawn, rest, failures, odds)))
    total = term = 1.0
    for k in range(mode, high):
        term *= odds * (drawn - k) * (failures - k) / ((k + 1) * (rest - failures + k + 1))
        total += term
        if term < _NEGLIGIBLE * total:
            break
    term = 1.0
    for k in range(mode, low, -1):
        term *= k * (rest - failures + k) / (odds * (drawn - k + 1) * (failures - k + 1))
        total += term
        if term < _NEGLIGIBLE * total:
            break
    largest = _log_choose(drawn, mode) + _log_choose(rest, failures - mode)
    return largest + mode * math.log(odds) + math.log(total)


def _mode(drawn: int, rest: int, failures: int, odds: float) -> int:
    """The likeliest k, by Liao and Rosen, The American Statistician 55 (2001)."""
    a = odds - 1
    b = failures - rest - (failures + drawn + 2) * odds
    c = (drawn + 1) * (failures + 1) * odds
    return int(-2 * c / (b - math.sqrt(b * b - 4 * a * c)))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
