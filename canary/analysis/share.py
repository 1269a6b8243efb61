"""Does the weight mean traffic: is the canary's share of the attempts what the weight says?"""

import math
from dataclasses import dataclass

from canary.analysis.beta import log_beta

_CONCENTRATION = 20
"""How narrowly the mixture lies around the weight: as though so many attempts had been seen."""

_STRAGGLERS = 0.001
"""The share that may miss a weight of 0 or 100: attempts drawn before it are counted when answered.
"""

_TOLERANCE = 0.1
"""The part of the weight, or of the rest, by which a share must be off to be called wrong.

With millions of requests the test alone sees differences that are of no account, as those that the
slow requests of the weight before make.
"""


@dataclass(frozen=True)
class Share:
    """The canary's attempts among those of one linkerd, or of all."""

    attempts: int
    canary: int

    def __add__(self, other: "Share") -> "Share":
        return Share(self.attempts + other.attempts, self.canary + other.canary)

    @property
    def value(self) -> float:
        """0 to 1; 0 of no attempts."""
        return self.canary / self.attempts if self.attempts else 0.0

    def interval(self) -> tuple[float, float]:
        """Where the true share lies, with a confidence of 95 %."""
        return wilson(self.canary, self.attempts)

    def log_evidence(self, weight: float) -> float:
        """log of the evidence that the share is not `weight` (0 to 1).

        A mixture of Beta(c·w, c·(1−w)) against the weight, c being 20: two cells of the multinomial
        test of Lindon and Malek, arXiv 2011.03567.
        """
        drawn = min(1 - _STRAGGLERS, max(_STRAGGLERS, weight))
        a, b = _CONCENTRATION * drawn, _CONCENTRATION * (1 - drawn)
        others = self.attempts - self.canary
        return (
            log_beta(a + self.canary, b + others)
            - log_beta(a, b)
            - self.canary * math.log(drawn)
            - others * math.log1p(-drawn)
        )

    def is_wrong(self, weight: float, log_limit: float) -> bool:
        """Whether the share is far enough from the weight, with evidence enough."""
        allowed = max(_STRAGGLERS, _TOLERANCE * min(weight, 1 - weight))
        return abs(self.value - weight) > allowed and self.log_evidence(weight) >= log_limit


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson, JASA 22 (1927): right for few and for none."""
    if not whole:
        return 0.0, 1.0
    z = 1.959964
    share, spread = part / whole, z * z / whole
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / whole + spread / (4 * whole)) / (1 + spread)
    # Of none and of all an end is exact, and floats would miss it.
    low = max(0.0, centre - half) if part else 0.0
    return low, min(1.0, centre + half) if part < whole else 1.0
