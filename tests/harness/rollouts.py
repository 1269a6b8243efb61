"""The rollouts that the page is looked at with: one for each way that one can end."""

from canary.analysis.limits import Limits
from canary.rollout.events import Wish
from canary.rollout.journal import Journal
from canary.rollout.plan import Plan
from tests.harness import simulated
from tests.harness.simulated import Traffic

LIMITS = Limits()
PLAN = Plan("world", "world-v1", "world-v2", LIMITS, LIMITS.steps)


def promoted() -> Journal:
    """Without fault; paused at 10 % for somebody to have a look, and a linkerd restarts."""
    plan = Plan("world", "world-v1", "world-v2", LIMITS, LIMITS.steps, pauses=(10,))
    traffic = Traffic(per_second=lambda _, __: 200, restarts=[(330, 1)])
    return simulated.rollout(plan, traffic, [(290, Wish.PROMOTE)])


def rolled_back() -> Journal:
    """The canary fails one request in twelve as soon as it has 25 %."""
    traffic = Traffic(
        per_second=lambda _, __: 180, canary_fails=lambda _, weight: 0.08 if weight >= 25 else 0.002
    )
    return simulated.rollout(PLAN, traffic)


def too_slow() -> Journal:
    """The canary takes three times as long."""
    return simulated.rollout(PLAN, Traffic(per_second=lambda _, __: 200, canary_slower=3))


def aborted() -> Journal:
    """An operator ends it."""
    traffic = Traffic(per_second=lambda _, __: 180)
    return simulated.rollout(PLAN, traffic, [(150, Wish.ABORT)])


def held() -> Journal:
    """Callers go home while it is at 5 %."""
    traffic = Traffic(per_second=lambda seconds, _: 200 if seconds < 90 else 0.2)
    return simulated.rollout(PLAN, traffic)


def hour(nodes: int) -> Journal:
    """Steps of ten minutes, on many nodes."""
    limits = Limits(interval=600)
    plan = Plan("world", "world-v1", "world-v2", limits, limits.steps)
    traffic = Traffic(
        per_second=lambda _, __: 20.0 * nodes,
        nodes=nodes,
        silent=lambda seconds, node: node == 1 and seconds % 200 < 10,
    )
    return simulated.rollout(plan, traffic)


def sixty_steps() -> Journal:
    """As many steps as anybody plans."""
    steps = tuple(map(float, [*range(1, 60), 100]))
    plan = Plan("world", "world-v1", "world-v2", Limits(interval=10, min_requests=10), steps)
    return simulated.rollout(plan, Traffic(per_second=lambda _, __: 500))


ENDS = {
    "promoted": promoted,
    "rolled back": rolled_back,
    "too slow": too_slow,
    "aborted": aborted,
    "held": held,
}
