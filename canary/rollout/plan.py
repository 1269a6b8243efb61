"""What a rollout is to do, as decided before its first step."""

from dataclasses import dataclass
from itertools import pairwise

from canary import figures
from canary.analysis.limits import Limits
from canary.errors import CanaryError
from canary.stack.configured import RAISE_MOST, Values


@dataclass(frozen=True)
class Plan:
    """The steps of one split, and how each is judged."""

    service: str
    baseline: str
    canary: str
    limits: Limits
    steps: tuple[float, ...]
    """Rising percents; a rollout that starts at one of them starts there."""
    pauses: tuple[float, ...] = ()
    """The steps after which it waits for `promote`."""
    observes: bool = False
    """Judge the weight in force, its only step, and change nothing."""

    def first(self, weight: float) -> int:
        """The step that a rollout begins with, the weight in force being so many percent."""
        return next(i for i, step in enumerate(self.steps) if step >= weight)


def steps_from(planned: tuple[float, ...], weight: float, to: float) -> tuple[float, ...]:
    """The steps from the weight in force up to a last one. Raises CanaryError.

    A weight in force that is not planned is a step too: it is judged before anything is added.
    """
    if to <= weight:
        raise CanaryError(
            f"{figures.percent(weight)} is in force: --to {to:g} is not more; "
            f"python -m canary set {to:g} goes back to it"
            if to < weight
            else f"{figures.percent(weight)} is in force already: there is nothing to roll out"
        )
    between = [step for step in planned if weight < step < to]
    return (*([weight] if weight else []), *between, to)


def check_pauses(pauses: tuple[float, ...], steps: tuple[float, ...]) -> None:
    """Raise CanaryError for a pause that no step leads to."""
    for pause in pauses:
        if pause not in steps[:-1]:
            listed = ", ".join(f"{step:g}" for step in steps[:-1])
            raise CanaryError(
                f"--pause-at {pause:g}: there is no such step before the last; the steps are "
                f"{listed or 'none'}"
            )


def check_jumps(steps: tuple[float, ...], weight: float, values: Values) -> None:
    """Raise CanaryError for a step that is larger than the stack's maxWeightStep."""
    for before, step in pairwise([weight, *steps]):
        too_much = values.too_much(before, step)
        if too_much:
            raise CanaryError(f"the step {too_much}: give smaller --steps, or {RAISE_MOST}")
