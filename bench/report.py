"""How a measurement is told: a figure, what it is held against, and the most it may be."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """One figure against a floor or a peer that was measured in the same run."""

    name: str
    figure: float
    against: float
    limit: float | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """How many times the peer's figure it is; infinite where that is no figure to hold it
        against, as a difference of two times is on a machine that was busy during the first."""
        return self.figure / self.against if self.against > 0 else float("inf")

    def __str__(self) -> str:
        text = (
            f"{self.name:<58} {self.figure:9.3f} {self.unit:<4} / {self.against:9.3f} "
            f"= {self.ratio:7.2f} ×"
        )
        if self.limit is None:
            return text
        return f"{text}  (at most {self.limit:g} ×: {'ok' if self.ratio <= self.limit else 'OVER'})"


@dataclass(frozen=True)
class Bound:
    """One figure with a bound of its own, where there is no peer to hold it against."""

    name: str
    figure: float
    limit: float
    unit: str = "s"

    def __str__(self) -> str:
        verdict = "ok" if self.figure <= self.limit else "OVER"
        return (
            f"{self.name:<58} {self.figure:9.3f} {self.unit:<4}"
            f"  (at most {self.limit:g} {self.unit}: {verdict})"
        )


def median(figures: Sequence[float]) -> float:
    """The middle one, which one slow run on a busy machine does not move."""
    return statistics.median(figures)
