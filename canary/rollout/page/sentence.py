"""The first sentence of a page: what happened, with the numbers."""

from canary import figures
from canary.analysis.strata import NONE, Counts
from canary.rollout import wording
from canary.rollout.page.story import Story
from canary.rollout.phase import Phase


def sentence(story: Story) -> str:
    """One or two sentences."""
    rollout, plan = story.rollout, story.journal.header.plan
    took, name = wording.duration(story.ended), plan.canary
    if rollout.phase is Phase.ROLLED_BACK:
        return f"{name} was rolled back at {_reached(story)} after {took}: {_why(story)}."
    if rollout.phase is Phase.ABORTED:
        by = rollout.reason.rpartition("aborted by ")[2].rstrip(".")
        return f"{name} was aborted at {_reached(story)} after {took} by {by}: {_both(story)}."
    if rollout.phase is Phase.PROMOTED:
        now = figures.percent(rollout.weight)
        return f"{name} was promoted to {now} in {took}: {_both(story)}."
    now = figures.percent(rollout.weight)
    if rollout.code is None:
        return f"{name} is at {now} after {took}, {str(rollout.phase).lower()}: {_both(story)}."
    return f"The rollout of {name} ended at {now} after {took}. {rollout.reason}"


def totals(story: Story) -> tuple[Counts, Counts]:
    """The baseline's and the canary's, over the whole rollout."""
    return (
        sum((moment.baseline for moment in story.moments), NONE),
        sum((moment.canary for moment in story.moments), NONE),
    )


def _reached(story: Story) -> str:
    return figures.percent(story.steps[-1].weight) if story.steps else "0 %"


def _why(story: Story) -> str:
    plan, verdict = story.journal.header.plan, story.verdict
    check = verdict.failed if verdict else None
    if check is None:
        return story.rollout.reason.rstrip(".")
    if check.name == "success" and check.baseline is not None:
        base, own = check.baseline, check.canary
        return (
            f"{own.failures:,} of {own.requests:,} requests failed ({wording.rate(own)}), of "
            f"{plan.baseline} {base.failures:,} of {base.requests:,} ({wording.rate(base)})"
        )
    return f"{wording.numbers(plan, check)} beyond chance"


def _both(story: Story) -> str:
    plan = story.journal.header.plan
    baseline, canary = totals(story)
    return (
        f"{canary.failures:,} of {canary.requests:,} requests failed ({wording.rate(canary)}), of "
        f"{plan.baseline} {baseline.failures:,} of {baseline.requests:,} ({wording.rate(baseline)})"
    )
