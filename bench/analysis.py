"""The analysis of canaries: false alarms, how soon a bad one ends, and how long judging takes.

Beside it, on the same simulated rollouts, a z test at each look and the rules of Flagger and Argo.
"""

import math
import statistics
import time
from collections.abc import Callable

from bench.latencies import Slow, seconds_to_end
from bench.report import Bound
from bench.rollouts import STEPS, End, Ours, Rollout, Rule, Traffic, run
from bench.rules import Argo, Flagger, ZTest
from canary.analysis.analysis import Analysis
from canary.analysis.limits import Limits
from canary.analysis.strata import Counts, Stratum

HEALTHY, BAD, SLOW_ROLLOUTS = 2000, 300, 100
"""Simulated rollouts each."""

GO = "canary, a step a minute"

RULES: dict[str, Callable[[], Rule]] = {
    GO: lambda: Ours(Limits(on_no_data="go")),
    "canary, steps wait for data": lambda: Ours(Limits()),
    "z test at 5 %, each look": lambda: ZTest(1),
    "the same, from 5 failures on": lambda: ZTest(5),
    "Flagger, threshold 1": lambda: Flagger(1),
    "Flagger, threshold 5": lambda: Flagger(5),
    "Argo, failureLimit 0": lambda: Argo(0),
    "Argo, failureLimit 3": lambda: Argo(3),
}

TRAFFIC = {
    "both fail 0.2 %": (HEALTHY, Traffic(20, 0.002, 0.002)),
    "the same, and an outage of both": (HEALTHY, Traffic(20, 0.002, 0.002, outages=True)),
    "20 % against 0.1 %": (BAD, Traffic(20, 0.001, 0.2)),
    "5 % against 0.1 %": (BAD, Traffic(20, 0.001, 0.05)),
    "2 % against 0.1 %": (BAD, Traffic(20, 0.001, 0.02)),
}
"""20 requests/s to three linkerds."""


SLOW = {
    "as the baseline": Slow(),
    "1.5 times": Slow(1.5),
    "twice": Slow(2),
    "three times": Slow(3),
    "400 ms more in 20 %": Slow(part=0.2),
    "400 ms more in 5 %": Slow(part=0.05),
}
"""60 requests/s to three linkerds, a step a minute."""


def main() -> None:
    """Simulate, and print what each rule does; what is promised of the analysis has bounds."""
    found = {name: _row(*TRAFFIC[name]) for name in TRAFFIC}
    print(f"{'':<30} {'ended':>8} {'median s':>9} {'lost':>6}   (attempts that failed; median)")
    for name, ends in found.items():
        print(f"{name}, {TRAFFIC[name][0]:,} rollouts")
        for rule in RULES:
            print(f"  {rule:<28} {_figures(ends[rule])}")
    for name, slow in SLOW.items():
        print(f"latency, {name:<19} {_slow_figures(slow)}")
    healthy, outage, fifth, twentieth, _ = (ends[GO] for ends in found.values())
    print(Bound("healthy rollouts that are ended", _ended(healthy), 1, "%"))
    print(Bound("healthy rollouts with an outage that are ended", _ended(outage), 1, "%"))
    print(Bound("a canary that fails each fifth request, until its end", _seconds(fifth), 90))
    print(Bound("a canary that fails 5 %, until its end", _seconds(twentieth), 180))
    print(Bound("judging 100 linkerds at 360 looks", _judging(), 30))


def _row(number: int, traffic: Traffic) -> dict[str, list[End]]:
    rollouts = Rollout.some(number, traffic)
    ends = [{name: run(rollout, rule()) for name, rule in RULES.items()} for rollout in rollouts]
    return {name: [each[name] for each in ends] for name in RULES}


def _figures(ends: list[End]) -> str:
    seconds = _seconds(ends)
    told = f"{seconds:.0f}" if math.isfinite(seconds) else "–"
    return f"{_ended(ends):6.1f} % {told:>9} {statistics.median(end.lost for end in ends):6.0f}"


def _slow_figures(slow: Slow) -> str:
    seconds = [seconds_to_end(seed, slow) for seed in range(SLOW_ROLLOUTS)]
    ended = 100 * sum(each is not None for each in seconds) / SLOW_ROLLOUTS
    middle = statistics.median(math.inf if each is None else each for each in seconds)
    return f"{ended:6.1f} % {f'{middle:.0f}' if math.isfinite(middle) else '–':>9}"


def _ended(ends: list[End]) -> float:
    return 100 * sum(end.was_ended for end in ends) / len(ends)


def _seconds(ends: list[End]) -> float:
    """Until it was ended; infinite where less than half were."""
    return statistics.median(end.seconds if end.was_ended else math.inf for end in ends)


def _judging() -> float:
    analysis, began = Analysis(Limits(), STEPS), time.process_time()
    for number in range(360):
        strata = [
            Stratum(f"node-{n}", Counts(180, (n + number) % 3), Counts(20, n % 5 == 0))
            for n in range(100)
        ]
        analysis = analysis.begin(number // 60).look(strata)
        analysis.verdict()
    return time.process_time() - began
