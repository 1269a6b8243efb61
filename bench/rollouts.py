"""Simulated rollouts: what three linkerds would count, and who ends which of them when.

The random numbers of a look depend on the rollout and the time alone, so that every rule sees the
same rollouts, whatever weight it has brought them to by then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from canary.analysis.analysis import Analysis
from canary.analysis.limits import Limits
from canary.analysis.strata import Counts, Stratum
from canary.analysis.verdict import Kind

LOOK = 10
"""Seconds."""

INTERVAL = 60
"""Seconds."""

STEPS = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0)

MOST_SECONDS = 3600


@dataclass(frozen=True)
class Outage:
    """Both versions fail alike for a while."""

    begins: float
    ends: float
    rate: float


@dataclass(frozen=True)
class Traffic:
    """What all rollouts of a simulation have in common."""

    per_second: float
    baseline: float
    """The part of attempts that fails, 0 to 1."""
    canary: float
    nodes: int = 3
    outages: bool = False
    bad_from: float = 0
    """The weight in percent from which on the canary fails so; until then it is as the baseline.
    """


@dataclass(frozen=True)
class Rollout:
    """One of them."""

    traffic: Traffic
    seed: int
    outage: Outage | None

    @classmethod
    def some(cls, number: int, traffic: Traffic) -> list["Rollout"]:
        """So many, always the same."""
        return [
            cls(traffic, seed, _outage(seed) if traffic.outages else None) for seed in range(number)
        ]

    def look(self, time: int, weight: float) -> tuple[Stratum, ...]:
        """What each linkerd counts in the look that begins at a time, in seconds."""
        return _strata(self, time, weight)

    def rate(self, usual: float, time: int) -> float:
        """What fails in the look that begins at a time, of what usually fails: 0 to 1."""
        outage = self.outage
        if outage is None:
            return usual
        part = max(0.0, min(time + LOOK, outage.ends) - max(time, outage.begins)) / LOOK
        return usual + (1 - usual) * outage.rate * part


@lru_cache(maxsize=4096)
def _strata(rollout: Rollout, time: int, weight: float) -> tuple[Stratum, ...]:
    """Kept for the next rule, which asks for most of them too."""
    chance, traffic = np.random.default_rng((rollout.seed, time)), rollout.traffic
    attempts = chance.poisson(traffic.per_second * LOOK / traffic.nodes, traffic.nodes)
    drawn = chance.binomial(attempts, weight / 100)
    bad = traffic.canary if weight >= traffic.bad_from else traffic.baseline
    canary = chance.binomial(drawn, rollout.rate(bad, time))
    baseline = chance.binomial(attempts - drawn, rollout.rate(traffic.baseline, time))
    return tuple(
        Stratum(f"node-{node}", Counts(int(n - a), int(y)), Counts(int(a), int(x)))
        for node, (n, a, y, x) in enumerate(zip(attempts, drawn, baseline, canary, strict=True))
    )


def _outage(seed: int) -> Outage:
    """Of 20 to 60 s, within the first five minutes, failing 5 to 50 % of all."""
    chance = np.random.default_rng((seed, MOST_SECONDS))
    begins, length = chance.uniform(0, 240), chance.uniform(20, 60)
    return Outage(begins, begins + length, chance.uniform(0.05, 0.5))


@dataclass(frozen=True)
class End:
    """How a rollout went."""

    was_ended: bool
    """Sent back because of what was seen; else it came to its end, or a hold ran out."""
    seconds: int
    lost: int
    """The canary's attempts that failed."""
    reached: float
    """The weight at the end, in percent."""


class Rule(Protocol):
    """A way to judge."""

    def begin(self, step: int) -> None:
        """A step begins."""

    def look(self, strata: Sequence[Stratum]) -> str:
        """`end`, `hold`, or `go` on once the interval is over."""


def run(rollout: Rollout, rule: Rule, steps: tuple[float, ...] = STEPS) -> End:
    """Bring one rollout to its end by a rule."""
    time = lost = 0
    for step, weight in enumerate(steps):
        rule.begin(step)
        began, said = time, "hold"
        while said != "go" or time - began < INTERVAL:
            strata = rollout.look(time, weight)
            lost += sum(stratum.canary.failures for stratum in strata)
            time += LOOK
            said = rule.look(strata)
            if said == "end":
                return End(True, time, lost, weight)
            if time - began > INTERVAL + Limits().max_hold:
                return End(False, time, lost, weight)
    return End(False, time, lost, steps[-1])


class Ours:
    """The analysis of this project."""

    def __init__(self, limits: Limits, steps: tuple[float, ...] = STEPS) -> None:
        self._analysis = Analysis(limits, steps)
        self._on_no_data = limits.on_no_data

    def begin(self, step: int) -> None:
        """A step begins."""
        self._analysis = self._analysis.begin(step)

    def look(self, strata: Sequence[Stratum]) -> str:
        """By its verdict."""
        self._analysis = self._analysis.look(strata)
        kind = self._analysis.verdict().kind
        if kind is Kind.NO_DATA:
            return self._on_no_data
        return {Kind.FAIL: "end", Kind.PASS: "go"}.get(kind, "hold")
