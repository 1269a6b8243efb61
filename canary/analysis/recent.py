"""The looks of the last interval: what happens now, for the verdicts that only hold a rollout."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from canary.analysis.absolute import log_evidence
from canary.analysis.limits import SLOW_RATE, Limits
from canary.analysis.relative import Pair
from canary.analysis.strata import NONE, Stratum

HANGING_AFTER = 30
"""Seconds without answers that are no slow request any more: three of a mesh's default timeouts."""

FEWEST_WAITING = 3
"""Fewer may be one slow request a node."""


@dataclass(frozen=True)
class Look:
    """All linkerds between two readings, added up."""

    success: Pair
    slow: Pair
    """Against the limit of the config, at least so many."""
    waiting: tuple[int, int]
    """The baseline's and the canary's at its end."""
    refused: int

    @classmethod
    def of(cls, strata: Sequence[Stratum]) -> "Look":
        """The sums of one look's strata."""
        slow = [stratum.absolute for stratum in strata if stratum.absolute]
        return cls(
            (sum((s.baseline for s in strata), NONE), sum((s.canary for s in strata), NONE)),
            (
                sum((each.baseline.at_least for each in slow), NONE),
                sum((each.canary.at_least for each in slow), NONE),
            ),
            (sum(s.baseline_waiting for s in strata), sum(s.canary_waiting for s in strata)),
            sum(s.refused for s in strata),
        )


@dataclass(frozen=True)
class Recent:
    """The last looks, oldest first: as many as fit into an interval."""

    looks: tuple[Look, ...] = ()

    def add(self, look: Look, limits: Limits) -> "Recent":
        """With one more, without those that are too old."""
        most = max(limits.interval_looks, _hanging_looks(limits))
        return Recent((*self.looks, look)[-most:])

    def both_bad(self, limits: Limits) -> bool:
        """Whether both versions break a limit now, so that it is not the canary."""
        looks = self.looks[-limits.interval_looks :]
        success = ([look.success for look in looks], limits.max_failure_rate)
        slow = ([look.slow for look in looks], SLOW_RATE)
        return any(
            _both_break(pairs, rate, limits.log_evidence_limit) for pairs, rate in (success, slow)
        )

    def hangs(self, limits: Limits) -> bool:
        """Whether the canary leaves more requests waiting than it answers, and only the canary.

        As many waiting as were answered in half a minute take half a minute each (Little's law).
        """
        looks = self.looks[-_hanging_looks(limits) :]
        if len(looks) < _hanging_looks(limits):
            return False
        baseline, canary = (self._waits(looks, version) for version in (0, 1))
        return canary and not baseline

    @staticmethod
    def _waits(looks: Sequence[Look], version: int) -> bool:
        waiting = [look.waiting[version] for look in looks]
        answered = sum(look.success[version].requests for look in looks)
        return min(waiting) >= FEWEST_WAITING and waiting[-1] > answered

    def waiting(self) -> int:
        """The canary's requests that wait now."""
        return self.looks[-1].waiting[1] if self.looks else 0

    def refused(self, limits: Limits) -> int:
        """Attempts of the last interval that found no connection to the canary."""
        return sum(look.refused for look in self.looks[-limits.interval_looks :])


def _hanging_looks(limits: Limits) -> int:
    return math.ceil(HANGING_AFTER / limits.scrape)


def _both_break(pairs: Sequence[Pair], limit: float, log_limit: float) -> bool:
    baseline = sum((baseline for baseline, _ in pairs), NONE)
    canary = sum((canary for _, canary in pairs), NONE)
    if min(baseline.rate, canary.rate) <= limit:
        return False
    both = baseline + canary
    return log_evidence(both.requests, both.failures, limit) >= log_limit
