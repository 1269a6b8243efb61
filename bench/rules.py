"""Rules of others to judge a canary by, as they are documented, on simulated rollouts."""

import math
from collections.abc import Sequence

from bench.rollouts import INTERVAL, LOOK
from canary.analysis.strata import NONE, Counts, Stratum


class ZTest:
    """A one-sided test of two proportions at 5 %, on the step's counts at each look."""

    Z = 1.645

    def __init__(self, fewest: int) -> None:
        """`fewest` failures must be there: with less the normal approximation is a bad one."""
        self._fewest = fewest
        self._baseline, self._canary = NONE, NONE

    def begin(self, _step: int) -> None:
        """A step begins."""
        self._baseline, self._canary = NONE, NONE

    def look(self, strata: Sequence[Stratum]) -> str:
        """By the counts since the step began."""
        self._baseline += sum((stratum.baseline for stratum in strata), NONE)
        self._canary += sum((stratum.canary for stratum in strata), NONE)
        return "end" if self._z() > self.Z else "go"

    def _z(self) -> float:
        baseline, canary = self._baseline, self._canary
        both = baseline + canary
        if both.failures < self._fewest or not baseline.requests or not canary.requests:
            return 0.0
        spread = both.rate * (1 - both.rate) * (1 / baseline.requests + 1 / canary.requests)
        return (canary.rate - baseline.rate) / math.sqrt(spread) if spread else 0.0


class _EachMinute:
    """What the canary did in the last minute, measured once a minute."""

    def __init__(self) -> None:
        self._looks: list[Counts] = []
        self._said = "hold"

    def begin(self, _step: int) -> None:
        """A step begins: whatever the weight, the next measurement is due as before."""

    def look(self, strata: Sequence[Stratum]) -> str:
        """By the last measurement."""
        self._looks.append(sum((stratum.canary for stratum in strata), NONE))
        if len(self._looks) * LOOK == INTERVAL:
            self._said = self._judge(sum(self._looks, NONE))
            self._looks = []
        return self._said

    def _judge(self, minute: Counts) -> str:
        raise NotImplementedError


class Flagger(_EachMinute):
    """`request-success-rate` of at least 99 %; so many failed checks in all end it, each halts it.

    No requests are a failed check (scheduler_metrics.go). The threshold is 1 by default
    (canary.go, GetAnalysisThreshold), 5 in its tutorial for linkerd.
    """

    def __init__(self, threshold: int) -> None:
        super().__init__()
        self._threshold, self._failed = threshold, 0

    def _judge(self, minute: Counts) -> str:
        if minute.requests and minute.rate <= 0.01:
            return "go"
        self._failed += 1
        return "end" if self._failed >= self._threshold else "hold"


class Argo(_EachMinute):
    """A success rate of at least 95 % in the background; more failed measurements end it.

    No requests are an error and no failure. The condition and failureLimit 3 are those of its
    documentation (analysis.md), which measures each five minutes; failureLimit 0 is the default.
    """

    def __init__(self, failure_limit: int) -> None:
        super().__init__()
        self._limit, self._failed = failure_limit, 0

    def _judge(self, minute: Counts) -> str:
        self._failed += minute.rate > 0.05
        return "end" if self._failed > self._limit else "go"
