"""What an analysis finds, with the numbers it rests on."""

import math
from dataclasses import dataclass
from enum import StrEnum

from canary.analysis.share import Share
from canary.analysis.strata import Counts


class Kind(StrEnum):
    """The verdicts. FAIL goes back, PASS goes on once the interval is over, all others hold."""

    FAIL = "fail"
    """The canary is worse than the baseline, or than its limits, beyond chance."""
    HANGING = "hanging"
    """The canary does not answer, which no counter of answers shows."""
    BOTH = "both bad"
    """Both versions break the limits: it is not the canary."""
    SHARE = "share wrong"
    """The canary does not get the share that the weight says."""
    UNREAD = "not read"
    """A linkerd's counters could not be read."""
    NO_DATA = "no data"
    """Too few of the canary's requests to say anything."""
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True)
class Shared:
    """That the canary breaks a limit, but as the baseline does, or did while it ran."""

    baseline: Counts
    """By which that is known: its requests, and those that failed, or were slow."""
    log_evidence: float
    """Natural logarithm, that the canary breaks the limit, whatever the baseline does."""


@dataclass(frozen=True)
class Check:
    """One of the four tests: success or latency, against the baseline or against a limit."""

    name: str
    """`success` or `latency`."""
    against: str
    """`baseline` or `limit`."""
    canary: Counts
    """The requests since the step that tells most, and those that failed, or were slow."""
    baseline: Counts | None
    """The same of the baseline; None for a limit, which needs none."""
    log_evidence: float
    """Natural logarithm, by which it fails; `evidence` is for people. Against a limit that the
    baseline is shown to break too, that the canary is worse still.
    """
    log_limit: float
    failed: bool
    shared: Shared | None = None
    """Set where the canary breaks the limit, but not beyond what the baseline does."""

    @property
    def evidence(self) -> float:
        """1 says nothing, less speaks for the canary; infinite where it is beyond a float.

        Where the limit is broken by both, that the canary breaks it.
        """
        log = self.shared.log_evidence if self.shared else self.log_evidence
        return math.exp(log) if log < 700 else math.inf


@dataclass(frozen=True)
class Verdict:
    """How a rollout stands after a look."""

    kind: Kind
    weight: float
    """Percent, of the step that is under way."""
    checks: tuple[Check, ...]
    baseline: Counts
    """Of this step."""
    canary: Counts
    """Of this step."""
    share: Share
    """Of this step, over all linkerds, with the attempts that wait for their answer."""
    wrong_shares: dict[str, Share]
    """Of this step, by the linkerds where it is not what the weight says."""
    waiting: int
    """The canary's requests that wait for their answer."""
    refused: int
    """Attempts of the last interval that found no connection to the canary: a hint, not counted."""
    unread: tuple[str, ...]
    """The linkerds whose counters could not be read at this look."""

    @property
    def failed(self) -> Check | None:
        """What failed; None where nothing did.

        Success comes first, since failures are fast and may hide what is slow, and the baseline
        before the limit, since it says more.
        """
        return next((check for check in self.checks if check.failed), None)

    @property
    def shared(self) -> Check | None:
        """The first check whose limit the canary breaks as the baseline does; None for none."""
        return next((check for check in self.checks if check.shared), None)
