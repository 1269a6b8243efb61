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
from canary.analysis.verdict import Shared
from canary.analysis.windows import Windows, log_mean

_MOST = 0.999
"""The highest failure rate that a canary may be allowed: beyond 1 there is nothing."""

_SURE = math.log(0.975)
"""How sure it must be that the baseline breaks the limit before that excuses the canary."""


@dataclass(frozen=True)
class Finding:
    """How the test stands."""

    log_evidence: float
    """log of the evidence that the canary breaks the limit, and is beyond what the baseline does as
    well where the baseline is shown to break it.
    """
    canary: Counts
    """Since the step that tells most."""
    shared: Shared | None
    """Set where the limit is broken, but not beyond what the baseline does."""


@dataclass(frozen=True)
class Allowance:
    """What the canary may fail, since one step."""

    rate: float
    """0 to 1."""
    baseline: Counts
    """The counts by which that is more than the limit; none where it is the limit."""


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
        since = self._canary()
        allowances = self.allowances(limit, limits)
        logs = [log_evidence(*each, limit) for each in since]
        beyond = [
            log_beyond(*each, limit, allowance.rate)
            for each, allowance in zip(since, allowances, strict=True)
        ]
        found, broken = log_mean(beyond, planned), log_mean(logs, planned)
        is_shared = broken >= limits.log_evidence_limit > found
        # Of the step that tells most; where it is shared, most of that.
        tells = [log - less for log, less in zip(logs, beyond, strict=True)]
        telling = tells if is_shared else beyond
        most = telling.index(max(telling))
        requests, failures = since[most]
        shared = Shared(allowances[most].baseline, broken) if is_shared else None
        return Finding(found, Counts(round(requests), round(failures)), shared)

    def _canary(self) -> list[tuple[float, float]]:
        return [(requests, failures) for requests, failures, *_ in self.counts.since()]

    def allowances(self, limit: float, limits: Limits) -> list[Allowance]:
        """What the canary may fail, by the step since which its evidence is gathered.

        More than the limit only where the baseline is shown to break it, since the same step or one
        before, of which there is more to show it by. It is by the rate since the same step; where
        the baseline had too few requests since then, as at 100 %, since the last step before that
        it had enough in. But not by an outage that is over: the rate may be no higher than that of
        the last interval possibly is.
        """
        last = sum(self.recent, NONE)
        highest = wilson(last.failures, last.requests)[1]
        found, baseline, breaks = [], NONE, False
        for step, (_, _, requests, failures) in enumerate(self.counts.since()):
            if requests >= limits.min_requests or step == 0:
                counts = Counts(round(requests), round(failures))
                breaks = breaks or _breaks(counts, limit)
                baseline = counts if breaks else NONE
            rate = allowed(limit, min(baseline.rate, highest), limits.odds_margin)
            by = baseline if baseline.rate <= highest else last
            found.append(Allowance(rate, by if rate > limit else NONE))
        return found


def _breaks(counts: Counts, limit: float) -> bool:
    """Whether it is shown that more than the limit fails, and not only so by chance.

    By Clopper and Pearson's bound, Biometrika 26 (1934), which is right for few requests too.
    """
    passed = counts.requests - counts.failures
    return counts.failures > 0 and log_above(counts.failures, passed + 1, limit) >= _SURE


def allowed(limit: float, baseline: float, margin: float) -> float:
    """The part of the canary's requests, 0 to 1, that may fail beside a baseline that fails so.

    The limit; or beside a baseline that breaks it, what is still no difference: `margin` times its
    odds.
    """
    if baseline <= limit:
        return limit
    return min(_MOST, margin * baseline / (1 - baseline + margin * baseline))


def log_beyond(requests: float, failures: float, limit: float, rate: float) -> float:
    """log of the evidence that more than both `limit` and `rate` (0 to 1) of the requests fail.

    The less of two, so that whatever the baseline does can only weaken the evidence.
    """
    return min(log_evidence(requests, failures, each) for each in (limit, rate))


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
