"""The beta function and its incomplete part, in logarithms and without a library.

scipy has all of it, and is a hundred megabytes in a tool that an operator installs; the tests hold
this against it.
"""

import math

_TINY = 1e-300
"""In the place of a 0, which would be divided by."""

_EXACT = 1e-15
_MOST_TERMS = 100_000


def log_beta(a: float, b: float) -> float:
    """log B(a, b)."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def log_above(a: float, b: float, x: float) -> float:
    """log P(X > x) for X of Beta(a, b) and 0 < x < 1, also far out in a tail."""
    if x < (a + 1) / (a + b + 2):
        return math.log1p(-math.exp(_log_tail(a, b, x)))
    return _log_tail(b, a, 1 - x)


def _log_tail(a: float, b: float, x: float) -> float:
    """log I_x(a, b) by its continued fraction, which converges fast where x is below the mean."""
    factor = a * math.log(x) + b * math.log1p(-x) - log_beta(a, b) - math.log(a)
    return factor + math.log(_fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    """Lentz's evaluation; Press et al., Numerical Recipes, 6.4."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or _TINY)
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for numerator in (even, odd):
            d = 1 / (1 + numerator * d or _TINY)
            c = 1 + numerator / c or _TINY
            value *= c * d
        if abs(c * d - 1) < _EXACT:
            break
    return value
