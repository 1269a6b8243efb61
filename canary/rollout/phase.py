"""Where a rollout stands, and what is to be done next."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """As the Lease, `status` and notifications name it."""

    PROGRESSING = "Progressing"
    HOLDING = "Holding"
    """It cannot be said that all is well: nothing is added."""
    PAUSED = "Paused"
    """It waits for `promote`."""
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    """By the analysis."""
    ABORTED = "Aborted"
    """By an operator."""
    STOPPED = "Stopped"
    """By somebody else's change, or another's lease."""
    INTERRUPTED = "Interrupted"
    """By a signal, or a crash."""

    @property
    def goes_back(self) -> bool:
        """Whether the weight is to be 0."""
        return self in (Phase.ROLLED_BACK, Phase.ABORTED)


@dataclass(frozen=True)
class SetWeight:
    """Check everything, write the weight, read it back."""

    weight: float
    delay: float = 0
    """Seconds to wait first, where it failed before."""


@dataclass(frozen=True)
class Look:
    """Look at the counters after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class End:
    """The rollout is over, for this process at least."""

    code: int


Action = SetWeight | Look | End


@dataclass(frozen=True)
class Line:
    """Something to say."""

    text: str
    warns: bool = False
