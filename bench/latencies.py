"""Simulated rollouts of a service's latency: what linkerds would show of it, look by look."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.rollouts import INTERVAL, LOOK, STEPS
from canary.analysis.analysis import Analysis
from canary.analysis.differences import Differences
from canary.analysis.limits import Limits
from canary.analysis.strata import Key, Latency, Reading, Series, Version
from canary.analysis.verdict import Kind

Names = Sequence[tuple[float, float]]
"""What callers call the service: the part of the requests, 0 to 1, and the median in ms, of each.
"""

ONE_NAME: Names = ((1.0, 20.0),)

QUANTILES = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)


@dataclass(frozen=True)
class Slow:
    """How the canary differs from a baseline whose p99 is some five times its median."""

    factor: float = 1
    part: float = 0
    """0 to 1, of its requests, which take `extra_ms` longer."""
    extra_ms: float = 400


def seconds_to_end(
    seed: int, slow: Slow, per_second: float = 60, nodes: int = 3, names: Names = ONE_NAME
) -> int | None:
    """Until the canary fails; None if it comes to its end. Each step takes a minute."""
    chance = np.random.default_rng((seed, 7))
    differences = Differences(Limits(), "v1", "v2")
    analysis = Analysis(Limits(), STEPS)
    counted: Counted = {f"node-{n}": defaultdict(int) for n in range(nodes)}
    for step, weight in enumerate(STEPS):
        differences, analysis = differences.begin(), analysis.begin(step)
        for look in range(INTERVAL // LOOK + 1):
            attempts = per_second * LOOK / nodes
            readings = list(_readings(chance, counted, attempts, weight, slow, names))
            differences, found = differences.look(readings, counted)
            analysis = analysis.look(found.strata, found.unread)
            if analysis.verdict().kind is Kind.FAIL:
                return step * INTERVAL + look * LOOK
    return None


Counted = Mapping[str, dict[tuple[str, int], int]]
"""Requests so far by linkerd, version and name."""


def _readings(
    chance: np.random.Generator,
    counted: Counted,
    attempts: float,
    weight: float,
    slow: Slow,
    names: Names,
) -> Iterator[Reading]:
    """Each at the end of a window."""
    for node, before in counted.items():
        series: dict[str, dict[Key, Series]] = {"v1": {}, "v2": {}}
        for index, (part, median) in enumerate(names):
            drawn = int(chance.poisson(attempts * part))
            canary = int(chance.binomial(drawn, weight / 100))
            for version, number in (("v1", drawn - canary), ("v2", canary)):
                times = chance.lognormal(np.log(median), 0.7, number)
                if version == "v2":
                    late = chance.random(number) < slow.part
                    times = times * slow.factor + late * slow.extra_ms
                before[version, index] += number
                found = Series(before[version, index], 0, latency=_window(times))
                series[version]["outgoing", "", f"svc/world-{index}"] = found
        yield Reading(node, 0, 1, {name: Version(each) for name, each in series.items()})


def _window(times: NDArray[np.float64]) -> Latency | None:
    if not len(times):
        return None
    ordered, count = np.sort(np.round(times)), len(times)
    ranks = {p: min(count, max(1, math.floor(p * count + 0.5))) for p in QUANTILES}
    return Latency(
        count, float(ordered.sum()), {p: float(ordered[rank - 1]) for p, rank in ranks.items()}
    )
