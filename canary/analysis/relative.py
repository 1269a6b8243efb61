"""The evidence of a rollout that the canary is worse than the baseline, for one quantity."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from canary.analysis import odds
from canary.analysis.strata import Counts
from canary.analysis.windows import Sums, Windows, log_mean, log_sum

Pair = tuple[Counts, Counts]
"""What the baseline and the canary did on one linkerd in the same seconds."""


@dataclass(frozen=True)
class Finding:
    """How a test stands, and the counts since the step that tells most against the canary."""

    log_evidence: float
    baseline: Counts
    canary: Counts
    usual: float
    """The part, 0 to 1, of the canary's requests that would have failed at the baseline's rates.

    By stratum, so that it compares the same moments: over a rollout the canary's requests are more
    and more, and the baseline's fewer and fewer.
    """

    @property
    def points(self) -> float:
        """Percentage points by which the canary is worse."""
        return 100 * (self.canary.rate - self.usual)


@dataclass(frozen=True)
class Relative:
    """Its sums: of the log factors by odds.RATIOS, and of the counts."""

    factors: Windows = field(default_factory=lambda: Windows.of(len(odds.RATIOS)))
    counts: Windows = field(default_factory=lambda: Windows.of(5))

    def begin(self) -> "Relative":
        """The next step begins."""
        return Relative(self.factors.begin(), self.counts.begin())

    def add(self, pairs: Iterable[Pair], margin: float) -> "Relative":
        """With the strata of one look."""
        # Where one of them had no request nothing was compared: it would only thin out what was.
        pairs = tuple(pair for pair in pairs if pair[0].requests and pair[1].requests)
        if not pairs:
            return self
        # Most strata are without failures and add nothing to the evidence.
        telling = [pair for pair in pairs if pair[0].failures or pair[1].failures]
        factors = [odds.log_factors(*pair, margin) for pair in telling]
        return Relative(
            self.factors.add(_added(factors)) if telling else self.factors,
            self.counts.add(_added([_counted(*pair) for pair in pairs])),
        )

    def finding(self, planned: int) -> Finding:
        """How it stands, with so many steps planned. A step must have begun."""
        logs = [mixture(factors) for factors in self.factors.since()]
        worst = max(range(len(logs)), key=lambda step: (logs[step], -step))
        b_requests, b_failures, requests, failures, usual = self.counts.since()[worst]
        return Finding(
            log_mean(logs, planned),
            Counts(round(b_requests), round(b_failures)),
            Counts(round(requests), round(failures)),
            usual / requests if requests else 0.0,
        )


def mixture(factors: Sums) -> float:
    """log of the mean over the alternatives."""
    return log_sum(factors) - math.log(len(factors))


def _added(rows: Sequence[Sums]) -> Sums:
    return tuple(map(sum, zip(*rows, strict=True)))


def _counted(baseline: Counts, canary: Counts) -> Sums:
    usual = canary.requests * baseline.rate
    return (baseline.requests, baseline.failures, canary.requests, canary.failures, usual)
