"""What happened in a rollout, gone through once more: what the page's lines and charts show."""

from dataclasses import dataclass, field

from canary.analysis.share import Share
from canary.analysis.strata import NONE, Counts
from canary.analysis.verdict import Verdict
from canary.rollout.events import Event, InForce, Looked, Shown, Wished
from canary.rollout.journal import Journal
from canary.rollout.machine import Rollout
from canary.rollout.phase import Line, Phase


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
    verdict: str = "under way"


@dataclass
class Node:
    """What one linkerd did, over the whole rollout."""

    baseline: Counts = NONE
    canary: Counts = NONE
    left_out: int = 0
    """The looks that it is missing from."""


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
    wishes: list[float] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)


def told(journal: Journal) -> Story:
    """Go through a journal."""
    story = Story(journal, Rollout.of(journal.header.plan))
    if journal.events:
        story.began = journal.events[0].at
    for event in journal.events:
        _take(story, event)
    if story.steps:
        story.steps[-1].ended = story.ended
        if story.rollout.code is not None:
            story.steps[-1].verdict = str(story.rollout.phase)
    return story


def _take(story: Story, event: Event) -> None:
    before = story.rollout
    taken = before.take(event)
    after, at = taken.rollout, event.at - story.began
    story.rollout, story.ended = after, at
    story.said += [Said(at, line) for line in taken.lines]
    if after.step != before.step:
        if story.steps:
            story.steps[-1].ended, story.steps[-1].verdict = at, "passed"
        story.steps.append(Step(after.plan.steps[after.step], at, at))
    if isinstance(event, Wished):
        story.wishes.append(at)
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
    for name in event.left_out:
        story.nodes.setdefault(name, Node()).left_out += 1
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
