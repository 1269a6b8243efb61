"""What must be so before each write: the stack, the table and the canary are as we left them."""

from collections.abc import Sequence
from dataclasses import dataclass

from canary import figures, findings
from canary.overview import ClusterView, StackView, Tables
from canary.stack import history
from canary.stack.history import Update


@dataclass(frozen=True)
class Ours:
    """As this rollout left it."""

    weight: float
    """In force."""
    wanted: float
    """What is to be written; a write that seemed to fail may have done it."""
    update: str
    """The last update of the stack: `identity` of it."""
    pods: Sequence[str]
    """What tells the canary's pods."""
    tried: float | None = None
    """What the last update that failed was to write: it may have done that."""

    @property
    def weights(self) -> tuple[float, ...]:
        """Each that may be in force by ours."""
        return (self.weight, self.wanted, *(() if self.tried is None else (self.tried,)))


def identity(updates: Sequence[Update]) -> str:
    """What tells the last update that succeeded from others; not every backend numbers them."""
    done = [update for update in updates if update.result == "succeeded"]
    return f"{done[0].number} of {done[0].began.isoformat()}" if done else ""


def changed(ours: Ours, stack: StackView, tables: Tables, pods: Sequence[str]) -> str:
    """What somebody else has changed, empty where all is ours: then nothing may be written.

    A table that an update of ours wrote before it failed is ours too. The way back asks for the
    tables alone: nothing else may keep the canary's traffic up.
    """
    split = stack.split
    if not tables.is_own or None in tables.by_way:
        return findings.changed(stack, tables)
    foreign = [each for each in tables.weights_of(split.canary) if each not in ours.weights]
    if foreign:
        return f"{figures.percent(foreign[0])} is in force, by {_by(stack)}"
    return "" if ours.wanted == 0 else _changed_besides(ours, stack, pods)


def _changed_besides(ours: Ours, stack: StackView, pods: Sequence[str]) -> str:
    """The same, of everything but the table."""
    split = stack.split
    if not _is_last(ours, stack):
        return f"the stack was updated in between: {_by(stack)}"
    if stack.configured is None:
        return f"{stack.deployed.settings} cannot be used: {stack.problem}"
    if stack.configured.get(split.canary, 0) not in ours.weights:
        given = figures.percent(stack.configured.get(split.canary, 0))
        return f"{stack.deployed.settings} was changed to {given} by somebody else"
    if stack.others:
        named = " and ".join(stack.others)
        return f"{stack.deployed.settings} has other weights of {named}, which are not deployed"
    return replaced(split.canary, ours.pods, pods)


def _is_last(ours: Ours, stack: StackView) -> bool:
    """Whether no update of others has succeeded since. One of ours may have, and not been seen."""
    last = next((each for each in stack.updates if each.result == "succeeded"), None)
    if last is None:  # so many have failed since that the history shows no other
        return True
    return identity(stack.updates) == ours.update or last.message.startswith(
        message(stack.split.service)
    )


def message(service: str) -> str:
    """What the messages of a rollout's updates begin with."""
    return f"{history.MESSAGE} run {service} "


def replaced(canary: str, before: Sequence[str], now: Sequence[str]) -> str:
    """That other releases of the canary take requests than those before; empty where not.

    With none that takes requests it is not known which release it is; see `lacking`.
    """
    if before and now and list(now) != list(before):
        return f"{canary} is not what this rollout began with: its pods run another release"
    return ""


def lacking(stack: StackView, cluster: ClusterView, weight: float) -> str:
    """Which version of those that the next weight needs takes no requests; empty for none."""
    split = stack.split
    needed = [split.canary] if weight == 100 else [] if weight == 0 else split.versions
    empty = [v for v in needed if v in cluster.endpoints and not cluster.endpoints[v].ready]
    return f"{' and '.join(empty)} has no endpoints" if empty else ""


def _by(stack: StackView) -> str:
    if not stack.updates:
        return "an update that the stack's history does not show"
    last = stack.updates[0]
    number = f"update {last.number}" if last.number else "the update"
    return f"{number} ({last.by}) of {last.began.astimezone():%H:%M:%S}"
