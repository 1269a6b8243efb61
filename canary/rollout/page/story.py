"""What happened in a rollout, gone through once more: what the page's lines and charts show."""

from dataclasses import dataclass, field

from canary.analysis.differences import Reason
from canary.analysis.share import Share
from canary.analysis.strata import NONE, Counts
from canary.analysis.verdict import Verdict
from canary.rollout.events import Event, InForce, Looked, Shown, Wish, Wished
from canary.rollout.journal import Journal
from canary.rollout.machine import Rollout
from canary.rollout.phase import Line, Phase

_ACTS = {Wish.PROMOTE: "promoted", Wish.FULL: "promoted to the end", Wish.ABORT: "aborted"}

ENDED = {
    Phase.PROGRESSING: "ended",
    Phase.HOLDING: "held",
    Phase.PAUSED: "paused",
    Phase.PROMOTED: "promoted",
    Phase.ROLLED_BACK: "rolled back",
    Phase.ABORTED: "aborted",
    Phase.STOPPED: "stopped",
    Phase.INTERRUPTED: "interrupted",
}
"""What a rollout is, once it has ended in a phase."""

PASSED, ACCEPTED, UNDER_WAY = "passed", "accepted", "under way"

_BEGAN_ANEW = (Reason.RESTARTED, Reason.FELL)


@dataclass(frozen=True)
class Moment:
    """A look, as the charts show it."""

    at: float
    """Seconds since the rollout began."""
    weight: float
    share: Share
    """Since the look before, over all linkerds."""
    baseline: Counts
    canary: Counts
    baseline_latency: Shown | None
    canary_latency: Shown | None
    log_evidence: float
    """Natural logarithm, of the test that tells most."""
    phase: Phase


@dataclass(frozen=True)
class Said:
    """A line, and when it was said."""

    at: float
    line: Line


@dataclass
class Step:
    """A step as it went."""

    weight: float
    began: float
    ended: float
    verdict: str = UNDER_WAY


@dataclass
class Node:
    """What one linkerd did, over the whole rollout."""

    baseline: Counts = NONE
    canary: Counts = NONE
    restarts: int = 0
    """The times that it began to count anew."""
    unread: int = 0
    """The looks at which it did not answer, or was gone."""


@dataclass
class Story:
    """A rollout from its journal."""

    journal: Journal
    rollout: Rollout
    began: float = 0
    """Seconds since 1970."""
    ended: float = 0
    moments: list[Moment] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    nodes: dict[str, Node] = field(default_factory=dict)
    verdict: Verdict | None = None
    """The last one."""
    acts: list[tuple[float, str]] = field(default_factory=list)
    """What operators did, and when."""
    weights: list[tuple[float, float]] = field(default_factory=list)
    """Those that were in force, each with when it came into force."""
    updates: list[int] = field(default_factory=list)


def told(journal: Journal) -> Story:
    """Go through a journal. Raises CanaryError where its events make no rollout."""
    story = Story(journal, Rollout.of(journal.header.plan))
    if journal.events:
        story.began = journal.events[0].at
    try:
        for event in journal.events:
            _take(story, event)
    except ValueError as error:
        raise journal.without_rollout(error) from None
    if story.steps:
        story.steps[-1].ended = story.ended
        if story.rollout.code is not None:
            story.steps[-1].verdict = ENDED[story.rollout.phase]
    return story


def _take(story: Story, event: Event) -> None:
    before = story.rollout
    taken = before.take(event)
    after, at = taken.rollout, event.at - story.began
    story.rollout, story.ended = after, at
    story.said += [Said(at, line) for line in taken.lines]
    if after.step != before.step:
        if story.steps:
            last = story.steps[-1]
            last.ended, last.verdict = at, ACCEPTED if last.verdict == ACCEPTED else PASSED
        story.steps.append(Step(after.plan.steps[after.step], at, at))
    if isinstance(event, Wished):
        story.acts.append((at, f"{_ACTS[event.wish]} by {event.by}"))
        # A step that is paused has passed already.
        if event.wish is not Wish.ABORT and before.phase is not Phase.PAUSED and story.steps:
            story.steps[-1].verdict = ACCEPTED
    if not story.weights or after.weight != before.weight:
        story.weights.append((at, after.weight))
    if isinstance(event, InForce) and event.update:
        story.updates.append(event.update)
    if after.step >= 0 and not before.phase.goes_back:
        story.verdict = after.analysis.verdict()
    if isinstance(event, Looked):
        _look(story, event, at)


def _look(story: Story, event: Looked, at: float) -> None:
    for stratum in event.strata:
        node = story.nodes.setdefault(stratum.node, Node())
        node.baseline, node.canary = node.baseline + stratum.baseline, node.canary + stratum.canary
    for name, why in event.left_out.items():
        # The first reading of a step has none before it: nothing is amiss.
        if why != Reason.FIRST:
            node = story.nodes.setdefault(name, Node())
            node.restarts += why in _BEGAN_ANEW
            node.unread += why not in _BEGAN_ANEW
    baseline = sum((each.baseline for each in event.strata), NONE)
    canary = sum((each.canary for each in event.strata), NONE)
    checks = story.verdict.checks if story.verdict else ()
    story.moments.append(
        Moment(
            at,
            story.rollout.weight,
            Share(baseline.requests + canary.requests, canary.requests),
            baseline,
            canary,
            event.baseline,
            event.canary,
            max((check.log_evidence for check in checks), default=0.0),
            story.rollout.phase,
        )
    )
