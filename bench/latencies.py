"""Simulated rollouts of a service's latency: what linkerds would show of it, look by look."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.rollouts import INTERVAL, LOOK, STEPS
from canary.analysis.analysis import Analysis
from canary.analysis.differences import Differences
from canary.analysis.limits import Limits
from canary.analysis.strata import Latency, Reading, Version
from canary.analysis.verdict import Kind

QUANTILES = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)


@dataclass(frozen=True)
class Slow:
    """How the canary differs from a baseline with a median of 20 ms and a p99 of some 100."""

    factor: float = 1
    part: float = 0
    """0 to 1, of its requests, which take `extra_ms` longer."""
    extra_ms: float = 400


def seconds_to_end(seed: int, slow: Slow, per_second: float = 60, nodes: int = 3) -> int | None:
    """Until the canary fails; None if it comes to its end. Each step takes a minute."""
    chance = np.random.default_rng((seed, 7))
    differences = Differences(Limits(), "v1", "v2")
    analysis = Analysis(Limits(), STEPS)
    counted = {f"node-{n}": {"v1": 0, "v2": 0} for n in range(nodes)}
    for step, weight in enumerate(STEPS):
        differences, analysis = differences.begin(), analysis.begin(step)
        for look in range(INTERVAL // LOOK + 1):
            attempts = per_second * LOOK / nodes
            readings = list(_readings(chance, counted, attempts, weight, slow))
            differences, found = differences.look(readings, counted)
            analysis = analysis.look(found.strata, found.unread)
            if analysis.verdict().kind is Kind.FAIL:
                return step * INTERVAL + look * LOOK
    return None


def _readings(
    chance: np.random.Generator,
    counted: Mapping[str, dict[str, int]],
    attempts: float,
    weight: float,
    slow: Slow,
) -> Iterator[Reading]:
    """Each at the end of a window."""
    for node, before in counted.items():
        drawn = int(chance.poisson(attempts))
        canary = int(chance.binomial(drawn, weight / 100))
        versions = {}
        for name, number in (("v1", drawn - canary), ("v2", canary)):
            times = chance.lognormal(np.log(20), 0.7, number)
            if name == "v2":
                late = chance.random(number) < slow.part
                times = times * slow.factor + late * slow.extra_ms
            before[name] += number
            versions[name] = Version(before[name], 0, latency=_window(times))
        yield Reading(node, 0, 1, versions)


def _window(times: NDArray[np.float64]) -> Latency | None:
    if not len(times):
        return None
    ordered, count = np.sort(np.round(times)), len(times)
    ranks = {p: min(count, max(1, round(p * count))) for p in QUANTILES}
    return Latency(
        count, float(ordered.sum()), {p: float(ordered[rank - 1]) for p, rank in ranks.items()}
    )
