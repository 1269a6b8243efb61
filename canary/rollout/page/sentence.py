"""The first sentence of a page: what happened, with the numbers."""

from canary import exits, figures
from canary.analysis.strata import NONE, Counts
from canary.rollout import wording
from canary.rollout.page.story import Story
from canary.rollout.phase import Phase


def sentence(story: Story) -> str:
    """One or two sentences."""
    rollout, plan = story.rollout, story.journal.header.plan
    took, name, now = wording.duration(story.ended), plan.canary, figures.percent(rollout.weight)
    if rollout.code is None:
        return f"{name} is at {now} after {took}, {str(rollout.phase).lower()}: {_both(story)}."
    if rollout.phase.goes_back:
        return _gone_back(story, took)
    if rollout.phase is Phase.PROMOTED:
        return f"{name} was promoted to {now} in {took}: {_both(story)}."
    if rollout.phase is Phase.STOPPED:
        why = rollout.reason.removeprefix("Stopped: ")
        return f"The rollout of {name} was stopped at {now} after {took}: {why}"
    if rollout.phase is Phase.INTERRUPTED:
        return f"The rollout of {name} was interrupted at {now} after {took}: {_both(story)}."
    return _waited(story, took)


def _waited(story: Story, took: str) -> str:
    rollout, plan = story.rollout, story.journal.header.plan
    name, now = plan.canary, figures.percent(rollout.weight)
    waited = wording.duration(plan.limits.max_hold)
    if rollout.code == exits.PAUSED:
        return f"{name} stays at {now}: nobody promoted it within {waited}. {_both(story)}."
    why = rollout.reason.removeprefix(f"{now}: ")
    return f"{name} stays at {now}, held for {waited} and given up after {took}: {why}"


def totals(story: Story) -> tuple[Counts, Counts]:
    """The baseline's and the canary's, over the whole rollout."""
    return (
        sum((moment.baseline for moment in story.moments), NONE),
        sum((moment.canary for moment in story.moments), NONE),
    )


def _gone_back(story: Story, took: str) -> str:
    rollout, name = story.rollout, story.journal.header.plan.canary
    # Where the way back could not be written, it is not back.
    still = f" It still has {figures.percent(rollout.weight)}." if rollout.weight else ""
    if rollout.phase is Phase.ABORTED:
        by = rollout.reason.rpartition("aborted by ")[2].rstrip(".")
        return (
            f"{name} was aborted at {_reached(story)} after {took} by {by}: {_both(story)}.{still}"
        )
    return f"{name} was rolled back at {_reached(story)} after {took}: {_why(story)}.{still}"


def _reached(story: Story) -> str:
    return figures.percent(story.steps[-1].weight) if story.steps else "0 %"


def _why(story: Story) -> str:
    plan, verdict = story.journal.header.plan, story.verdict
    check = verdict.failed if verdict else None
    if check is None:
        return story.rollout.reason.removeprefix(f"{_reached(story)}: ").rstrip(".")
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
