"""Sums since each step of a rollout began, so that a regression is seen that begins late.

Evidence gathered since the first step would have to make up for all that went well before the
regression. So it is gathered since each step, and the mean over all planned steps is held against
the limit, a step that has not begun counting 1: a mean of e-processes is one itself (Shin, Ramdas
and Rinaldo, arXiv 2203.03532).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import add, sub

Sums = tuple[float, ...]


@dataclass(frozen=True)
class Windows:
    """What has been added since the beginning of each step so far, oldest first."""

    total: Sums
    before: tuple[Sums, ...] = ()
    """The total when each step began."""

    @classmethod
    def of(cls, size: int) -> "Windows":
        """No steps yet, of so many numbers each."""
        return cls((0.0,) * size)

    def begin(self) -> "Windows":
        """The next step begins."""
        return Windows(self.total, (*self.before, self.total))

    def add(self, numbers: Sequence[float]) -> "Windows":
        """With these numbers added to each step's sums."""
        return Windows(tuple(map(add, self.total, numbers)), self.before)

    def since(self) -> list[Sums]:
        """The sums of each step that has begun, up to now."""
        return [tuple(map(sub, self.total, before)) for before in self.before]


def log_mean(logs: Sequence[float], planned: int) -> float:
    """log of the mean over the planned steps; those beyond `logs` have not begun and count 1."""
    return log_sum([*logs, *[0.0] * (planned - len(logs))]) - math.log(planned)


def log_sum(logs: Sequence[float]) -> float:
    """log Σ exp(log)."""
    most = max(logs)
    if math.isinf(most):
        return most
    return most + math.log(math.fsum(math.exp(each - most) for each in logs))
