"""The absolute test: does a version fail more than a limit allows, whatever the other one does?"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from canary.analysis.beta import log_above, log_beta
from canary.analysis.relative import Pair
from canary.analysis.strata import NONE, Counts
from canary.analysis.windows import Windows, log_mean


@dataclass(frozen=True)
class Absolute:
    """The canary's requests and failures at the moments when the baseline kept the limit itself.

    In an outage that both share the canary's failures say nothing of the canary. Which strata count
    depends on the baseline alone, so the evidence is as valid as if all did.
    """

    counts: Windows = field(default_factory=lambda: Windows.of(2))

    def begin(self) -> "Absolute":
        """The next step begins."""
        return Absolute(self.counts.begin())

    def add(self, pairs: Iterable[Pair], limit: float) -> "Absolute":
        """With the strata of one look."""
        pairs = tuple(pairs)
        if sum((baseline for baseline, _ in pairs), NONE).rate > limit:
            return self
        kept = sum((canary for baseline, canary in pairs if baseline.rate <= limit), NONE)
        return Absolute(self.counts.add((kept.requests, kept.failures)))

    def finding(self, planned: int, limit: float) -> tuple[float, Counts]:
        """The log of the evidence, and the counts since the step that tells most."""
        since = self.counts.since()
        logs = [log_evidence(requests, failures, limit) for requests, failures in since]
        worst = max(range(len(logs)), key=lambda step: (logs[step], -step))
        requests, failures = since[worst]
        return log_mean(logs, planned), Counts(round(requests), round(failures))


def log_evidence(requests: float, failures: float, limit: float) -> float:
    """log of the evidence that more than `limit` (0 to 1) of the requests fail.

    The likelihood of a failure rate above the limit, mixed over Jeffreys' Beta(½, ½) cut off below
    the limit, against that of the limit itself: its mean is at most 1 for every rate up to it.
    """
    if not requests:
        return 0.0
    passed = requests - failures
    return (
        _log_mass(failures + 0.5, passed + 0.5, limit)
        - _log_prior(limit)
        - failures * math.log(limit)
        - passed * math.log1p(-limit)
    )


@lru_cache
def _log_prior(limit: float) -> float:
    return _log_mass(0.5, 0.5, limit)


def _log_mass(a: float, b: float, limit: float) -> float:
    return log_beta(a, b) + log_above(a, b, limit)
