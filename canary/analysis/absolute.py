"""The absolute test: does a version fail more than a limit allows, whatever the other one does?

Where the baseline breaks the limit too, it is not the canary that is to blame, unless it is worse
still.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from canary.analysis.beta import log_above, log_beta
from canary.analysis.limits import Limits
from canary.analysis.relative import Pair
from canary.analysis.share import wilson
from canary.analysis.strata import NONE, Counts
from canary.analysis.windows import Windows, log_mean

_MOST = 0.999
"""The highest failure rate that a canary may be allowed: beyond 1 there is nothing."""


@dataclass(frozen=True)
class Finding:
    """How the test stands."""

    log_evidence: float
    """log of the evidence that the canary breaks the limit."""
    log_beyond: float
    """The same, that it is beyond what the baseline does as well: as much, or less where the
    baseline breaks the limit itself.
    """
    canary: Counts
    """Since the step that tells most."""


@dataclass(frozen=True)
class Absolute:
    """The canary's requests and failures at the moments when the baseline kept the limit itself.

    In an outage that both share the canary's failures say nothing of the canary. Which strata count
    depends on the baseline alone, so the evidence is as valid as if all did.

    A baseline that always fails a little more than the limit keeps it now and then by chance, and
    at 100 % there is none. So all that it did is counted too.
    """

    counts: Windows = field(default_factory=lambda: Windows.of(4))
    """The canary's requests and failures at those moments, and all of the baseline's."""
    recent: tuple[Counts, ...] = ()
    """The baseline's of the last looks at which it had requests: as many as an interval has."""

    def begin(self) -> "Absolute":
        """The next step begins."""
        return Absolute(self.counts.begin(), self.recent)

    def add(self, pairs: Iterable[Pair], limit: float, limits: Limits) -> "Absolute":
        """With the strata of one look, `limit` being the part that may fail, 0 to 1."""
        pairs = tuple(pairs)
        baseline = sum((baseline for baseline, _ in pairs), NONE)
        kept = sum((canary for other, canary in pairs if other.rate <= limit), NONE)
        if baseline.rate > limit:
            kept = NONE
        recent = (*self.recent, baseline) if baseline.requests else self.recent
        numbers = (kept.requests, kept.failures, baseline.requests, baseline.failures)
        return Absolute(self.counts.add(numbers), recent[-limits.interval_looks :])

    def finding(self, planned: int, limit: float, limits: Limits) -> Finding:
        """How it stands, with so many steps planned. A step must have begun."""
        since = [(requests, failures) for requests, failures, *_ in self.counts.since()]
        logs = [log_evidence(*each, limit) for each in since]
        # The less of two, so that whatever the baseline does can only weaken the evidence.
        beyond = [
            min(log, log_evidence(*each, rate))
            for log, each, rate in zip(logs, since, self._allowed(limit, limits), strict=True)
        ]
        worst = max(range(len(beyond)), key=lambda step: (beyond[step], -step))
        requests, failures = since[worst]
        canary = Counts(round(requests), round(failures))
        return Finding(log_mean(logs, planned), log_mean(beyond, planned), canary)

    def _allowed(self, limit: float, limits: Limits) -> list[float]:
        """What the canary may fail, by the step since which its evidence is gathered.

        By the baseline's rate since the same step; where it had too few requests since then, as at
        100 %, since the last step before that it had enough in. But not by an outage that is over:
        the rate may be no higher than that of the last interval possibly is.
        """
        last = sum(self.recent, NONE)
        highest = wilson(last.failures, last.requests)[1]
        found, rate = [], 0.0
        for step, (_, _, requests, failures) in enumerate(self.counts.since()):
            if requests and (requests >= limits.min_requests or step == 0):
                rate = failures / requests
            found.append(allowed(limit, min(rate, highest), limits.odds_margin))
        return found


def allowed(limit: float, baseline: float, margin: float) -> float:
    """The part of the canary's requests, 0 to 1, that may fail beside a baseline that fails so.

    The limit; or beside a baseline that breaks it, what is still no difference: `margin` times its
    odds.
    """
    if baseline <= limit:
        return limit
    return min(_MOST, margin * baseline / (1 - baseline + margin * baseline))


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
