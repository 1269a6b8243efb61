"""A rollout's analysis: looks go in, a verdict comes out.

It is a fold over the journal of a rollout. `begin` and `look` give a new Analysis each, so that the
same journal gives the same evidence, in one go or over any number of interruptions.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from canary.analysis.absolute import Absolute
from canary.analysis.limits import SLOW_RATE, Limits
from canary.analysis.missed import Sizes, smallest_seen
from canary.analysis.recent import Look, Recent
from canary.analysis.relative import Relative
from canary.analysis.share import Share
from canary.analysis.strata import NONE, Counts, Stratum
from canary.analysis.verdict import Check, Kind, Verdict

NO_ATTEMPTS = Share(0, 0)


@dataclass(frozen=True)
class Analysis:
    """What has been seen of one rollout."""

    limits: Limits
    steps: tuple[float, ...]
    """The planned weights in percent; how many there are is part of the false alarm rate."""
    step: int = -1
    """The step that is under way; -1 before the first."""
    success: Relative = field(default_factory=Relative)
    success_limit: Absolute = field(default_factory=Absolute)
    latency: Relative = field(default_factory=Relative)
    latency_limit: Absolute = field(default_factory=Absolute)
    recent: Recent = field(default_factory=Recent)
    counts: tuple[Counts, Counts] = (NONE, NONE)
    """The baseline's and the canary's of this step."""
    answered: Mapping[str, Share] = field(default_factory=dict)
    """The attempts of this step that were answered, by linkerd."""
    waiting: Mapping[str, Share] = field(default_factory=dict)
    """By how many more attempts wait than when the step began, by linkerd; fewer are negative."""
    unread: tuple[str, ...] = ()

    def begin(self, step: int) -> "Analysis":
        """A step begins, 0 the first; steps in between are skipped. The one under way goes on.

        Raises ValueError for a step that is over, or not planned.
        """
        if not self.step <= step < len(self.steps):
            raise ValueError(f"step {step} after step {self.step} of {len(self.steps)}")
        if step == self.step:
            return self
        found = replace(self, step=step, counts=(NONE, NONE), answered={}, waiting={})
        for _ in range(self.step, step):
            found = replace(
                found,
                success=found.success.begin(),
                success_limit=found.success_limit.begin(),
                latency=found.latency.begin(),
                latency_limit=found.latency_limit.begin(),
            )
        return found

    def look(self, strata: Sequence[Stratum], unread: Collection[str] = ()) -> "Analysis":
        """With what all linkerds did since the look before, all under the step's weight.

        One stratum a linkerd at most.
        `unread` are the linkerds that could not be read, without which nothing passes. A look at
        which nothing was seen, as between two scrapes, is no time without requests either.
        """
        if not strata and not unread:
            return replace(self, unread=())
        limits, look = self.limits, Look.of(strata)
        relative = [each.relative for each in strata if each.relative]
        absolute = [each.absolute for each in strata if each.absolute]
        success = [(stratum.baseline, stratum.canary) for stratum in strata]
        # The fewest of the canary against the most of the baseline can only weaken the evidence.
        slower = [(each.baseline.at_most, each.canary.at_least) for each in relative]
        slow = [(each.baseline.at_least, each.canary.at_least) for each in absolute]
        return replace(
            self,
            success=self.success.add(success, limits.odds_margin),
            success_limit=self.success_limit.add(success, limits.max_failure_rate, limits),
            latency=self.latency.add(slower, limits.odds_margin),
            latency_limit=self.latency_limit.add(slow, SLOW_RATE, limits),
            recent=self.recent.add(look, limits),
            counts=(self.counts[0] + look.success[0], self.counts[1] + look.success[1]),
            answered=_sums(self.answered, _answered(strata)),
            waiting=_sums(self.waiting, _waiting(strata)),
            unread=tuple(sorted(unread)),
        )

    def verdict(self) -> Verdict:
        """How it stands: PASS holds once the interval is over.

        Raises ValueError before the first step.
        """
        if self.step < 0:
            raise ValueError("no step has begun")
        checks = tuple(self._checks())
        shares = self._drawn()
        wrong = self._wrong_shares(shares)
        share = sum(shares.values(), NO_ATTEMPTS)
        return Verdict(
            self._kind(checks, bool(wrong) or self._is_wrong(share, 1)),
            self.steps[self.step],
            checks,
            *self.counts,
            share,
            wrong,
            self.recent.waiting(),
            self.recent.refused(self.limits),
            self.unread,
        )

    def _kind(self, checks: Sequence[Check], share_is_wrong: bool) -> Kind:
        """The first that holds: FAIL is safe at any time, and a PASS needs all others not to be."""
        found = {
            Kind.FAIL: any(check.failed for check in checks),
            Kind.HANGING: self.recent.hangs(self.limits),
            Kind.BOTH: self.recent.both_bad(self.limits) or any(each.shared for each in checks),
            Kind.SHARE: share_is_wrong,
            Kind.UNREAD: bool(self.unread),
            Kind.NO_DATA: self.counts[1].requests < self.limits.min_requests,
        }
        return next((kind for kind, holds in found.items() if holds), Kind.PASS)

    def _checks(self) -> Iterator[Check]:
        yield self._against_baseline("success", self.success)
        yield self._against_limit("success", self.success_limit, self.limits.max_failure_rate)
        yield self._against_baseline("latency", self.latency)
        yield self._against_limit("latency", self.latency_limit, SLOW_RATE)

    def _against_baseline(self, name: str, test: Relative) -> Check:
        found, log_limit = test.finding(len(self.steps)), self.limits.log_evidence_limit
        is_much = found.points >= self.limits.min_effect_points
        failed = found.log_evidence >= log_limit and is_much
        return Check(
            name, "baseline", found.canary, found.baseline, found.log_evidence, log_limit, failed
        )

    def _against_limit(self, name: str, test: Absolute, limit: float) -> Check:
        log_limit = self.limits.log_evidence_limit
        found = test.finding(len(self.steps), limit, self.limits)
        failed = found.log_evidence >= log_limit
        return Check(
            name, "limit", found.canary, None, found.log_evidence, log_limit, failed, found.shared
        )

    def _drawn(self) -> dict[str, Share]:
        """The attempts that were drawn in this step, by linkerd.

        Those that wait for an answer now were drawn too, and those that waited when the step began
        were drawn by the weight of before, whether they have been answered since or not.
        """
        every = _sums(self.answered, self.waiting).items()
        # A page is written while requests end: they may be neither waiting on it nor answered.
        drawn = {node: (max(0, s.attempts - s.canary), max(0, s.canary)) for node, s in every}
        return {node: Share(sum(both), both[1]) for node, both in drawn.items()}

    def _wrong_shares(self, shares: Mapping[str, Share]) -> dict[str, Share]:
        nodes = len(shares)
        return {node: share for node, share in shares.items() if self._is_wrong(share, nodes)}

    def _is_wrong(self, share: Share, tests: int) -> bool:
        """Whether a share is not the weight, when so many are tested at each of the steps."""
        log_limit = self.limits.log_evidence_limit + math.log(tests * len(self.steps))
        return share.is_wrong(self.steps[self.step] / 100, log_limit)

    def smallest_seen(self) -> float | None:
        """The failure rate, 0 to 1, from which on this step would have shown it; None for none."""
        allowances = self.success_limit.allowances(self.limits.max_failure_rate, self.limits)
        allowed = tuple(each.rate for each in allowances)
        sizes = Sizes(*self.counts, allowed, planned=len(self.steps))
        return smallest_seen(sizes, self.limits)


def _answered(strata: Sequence[Stratum]) -> dict[str, Share]:
    return {
        each.node: Share(each.baseline.requests + each.canary.requests, each.canary.requests)
        for each in strata
    }


def _waiting(strata: Sequence[Stratum]) -> dict[str, Share]:
    """By how many more attempts wait at the end of each stratum than at its beginning."""
    found = {}
    for each in strata:
        canary = each.canary_waiting - each.canary_waited
        baseline = each.baseline_waiting - each.baseline_waited
        found[each.node] = Share(baseline + canary, canary)
    return found


def _sums(some: Mapping[str, Share], more: Mapping[str, Share]) -> dict[str, Share]:
    return {
        node: some.get(node, NO_ATTEMPTS) + more.get(node, NO_ATTEMPTS) for node in {**some, **more}
    }
