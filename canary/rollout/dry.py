"""What a rollout would do, and what each of its steps could miss at today's rate of requests."""

from canary import figures, findings
from canary.analysis.missed import Sizes, smallest_seen
from canary.analysis.strata import Counts
from canary.counters import measured
from canary.overview import ClusterView
from canary.rollout import wording
from canary.rollout.plan import Plan


def lines(plan: Plan, weight: float, cluster: ClusterView, load: float) -> list[str]:
    """The plan, a line a step; `load` are the requests a second of its own."""
    traffic = measured.now(cluster.seen, cluster.names)
    rate = traffic.rated / traffic.seconds + load
    total = plan.limits.interval * len(plan.steps)
    head = (
        f"{plan.canary}: from {figures.percent(weight)} to {figures.percent(plan.steps[-1])} in "
        f"{len(plan.steps)} steps and at least {wording.duration(total)}, at {rate:.1f} requests/s."
    )
    steps = (_step(plan, index, rate) for index in range(len(plan.steps)))
    warning = findings.too_seldom(cluster, plan.limits.interval)
    return [head, *steps, *([warning] if warning else [])]


def _step(plan: Plan, index: int, rate: float) -> str:
    step, every = plan.steps[index], rate * plan.limits.interval
    canary = round(every * step / 100)
    says = f"{figures.percent(step):>6}  {wording.duration(plan.limits.interval)}"
    misses = _misses(plan, index, canary, every)
    says = f"{says}, about {canary:,} requests to {plan.canary}: {misses}"
    return f"{says}; then it waits for promote" if step in plan.pauses else says


def _misses(plan: Plan, index: int, canary: int, every: float) -> str:
    if canary < plan.limits.min_requests:
        how = {"hold": "it holds", "go": "it goes on", "abort": "it goes back"}
        return f"no data, {plan.limits.min_requests} are needed: {how[plan.limits.on_no_data]}"
    sizes = Sizes(
        Counts(round(every) - canary, 0),
        Counts(canary, 0),
        (plan.limits.max_failure_rate,) * (index + 1),
        planned=len(plan.steps),
    )
    seen = smallest_seen(sizes, plan.limits)
    if seen is None:
        return "so few show no failure rate"
    return f"a version failing {100 * seen:.2g} % or more shows"
