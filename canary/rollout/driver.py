"""Driving a rollout: does what it wants, and tells it what comes of that.

Each event is in the journal before it is acted on. Signals and wishes interrupt every wait, but
never an update that is under way.
"""

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from canary import clock, figures, findings, overview, signals
from canary.analysis.differences import Differences
from canary.counters import measured
from canary.counters.measured import Measured
from canary.errors import CanaryError
from canary.holding import Held, LostError, again_and_again
from canary.overview import ClusterView, StackView
from canary.rollout import checks, terminal
from canary.rollout.checks import Ours
from canary.rollout.events import (
    Changed,
    Event,
    InForce,
    Interrupted,
    Looked,
    NotDone,
    Shown,
    Unseen,
    Wished,
)
from canary.rollout.journal import Writer
from canary.rollout.machine import Rollout, Taken
from canary.rollout.phase import Action, End, Line, Look, SetWeight
from canary.rollout.writing import ChangedError, Stack, UnfinishedError
from kube.errors import OneLineError

BACK_SECONDS = 60.0
"""How long somebody else's change is not the end of a way back."""


Tell = Callable[[Taken, StackView, ClusterView | None], None]
"""Shows what an event has come to, with the stack and the cluster as they were seen last."""


class Clock:
    """Seconds since 1970 that never go back, whatever is done to the machine's clock."""

    def __init__(self) -> None:
        self._offset = time.time() - clock.seconds()

    def __call__(self) -> float:
        """Now."""
        return clock.seconds() + self._offset


@dataclass
class Parts:
    """What a driver works with."""

    stack: Stack
    held: Held | None
    """None where nothing is written."""
    journal: Writer | None
    tell: Tell


class Driver:
    """One process's part in a rollout."""

    def __init__(
        self, parts: Parts, rollout: Rollout, known: StackView, update: str, pods: list[str]
    ) -> None:
        self._parts, self._rollout, self._known = parts, rollout, known
        self._update, self._pods = update, pods
        self._clock = Clock()
        self._cluster: ClusterView | None = None
        self._changed_since: float | None = None
        # Signal handlers put into it too, whatever they interrupt.
        self._from_outside: queue.SimpleQueue[Event] = queue.SimpleQueue()
        plan = rollout.plan
        names = {
            version: name
            for name, version in stack_names(known).items()
            if version in (plan.baseline, plan.canary)
        }
        self._names = names
        self._differences = Differences(plan.limits, names[plan.baseline], names[plan.canary])

    def run(self, *first: Callable[[float], Event]) -> int:
        """From its first events to its end; the exit code. Raises CanaryError."""
        with self._signals(), again_and_again(self._heed_lease):
            action: Action = Look(0)
            for make in first:
                action = self._take(make(self._clock()))
            while not isinstance(action, End):
                event = self._do(action)
                action = self._take(event)
            return action.code

    def _take(self, event: Event) -> Action:
        try:
            taken = self._rollout.take(event)
        except ValueError as error:
            raise CanaryError(f"the rollout cannot go on: {error}") from None
        if self._parts.journal:
            try:
                self._parts.journal.write(event)
            except CanaryError as error:
                # A disk that is full does not keep the canary's traffic up.
                if not taken.rollout.phase.goes_back:
                    raise
                taken = taken.after(Line(f"{error}.", warns=True))
        self._rollout = taken.rollout
        self._tell(taken)
        return taken.action

    def _tell(self, taken: Taken) -> None:
        """A terminal that is gone is no reason to leave a canary without anybody who looks."""
        try:
            self._parts.tell(taken, self._known, self._cluster)
        except (OSError, ValueError):  # a ValueError where its encoding lacks a character
            terminal.silence()

    def _do(self, action: SetWeight | Look) -> Event:
        delay = action.seconds if isinstance(action, Look) else action.delay
        try:
            # A wish that has come before the write takes its place.
            return self._from_outside.get(timeout=delay) if delay else self._waiting()
        except queue.Empty:
            pass
        try:
            event = self._write(action.weight) if isinstance(action, SetWeight) else self._look()
        except ChangedError as error:
            return self._changed(str(error))
        self._changed_since = None
        return event

    def _waiting(self) -> Event:
        self._heed_lease()
        return self._from_outside.get_nowait()

    # Writing

    def _write(self, weight: float) -> Event:
        """Raises ChangedError, as `_look` does."""
        rollout = self._rollout
        ours = Ours(rollout.weight, weight, self._update, self._pods, rollout.tried)
        try:
            written = self._parts.stack.write(ours, self._known, self._must_be_wished)
        except ChangedError:
            raise
        except UnfinishedError as error:
            self._see_first()
            return NotDone(self._clock(), str(error), error.in_force)
        except CanaryError as error:
            return self._wish_or(NotDone(self._clock(), str(error)))
        self._known, self._update = written.stack, written.update
        self._see_first()
        return InForce(self._clock(), weight, int(written.update.partition(" ")[0] or 0))

    def _must_be_wished(self) -> None:
        """Nothing is added that somebody has wished otherwise meanwhile, or without the lease."""
        self._heed_lease()
        if not self._from_outside.empty():
            raise CanaryError("something else was wished meanwhile")
        held = self._parts.held
        if held is not None and not held.is_sure:
            raise CanaryError("the rollout's lease could not be renewed")

    def _changed(self, change: str) -> Event:
        """On the way back an abort from another terminal may be at it: its changes are no ends."""
        rollout = self._rollout
        event = self._wish_or(Changed(self._clock(), change))
        if not isinstance(event, Changed) or not rollout.phase.goes_back:
            return event
        if self._changed_since is None:
            self._changed_since = event.at
        is_late = event.at - self._changed_since > BACK_SECONDS
        return event if is_late else NotDone(event.at, event.why)

    def _see_first(self) -> None:
        """The counters right after a write: what is counted from here on is of the new weight."""
        self._differences = self._differences.begin()
        try:
            self._cluster = self._parts.stack.cluster(self._known)
        except CanaryError:
            return
        self._differences, _ = self._differences.look(
            self._cluster.seen.readings, _nodes(self._cluster)
        )

    # Looking

    def _look(self) -> Event:
        try:
            cluster = self._parts.stack.cluster(self._known)
            change = self._what_changed(cluster)
        except CanaryError as error:
            return Unseen(self._clock(), str(error))
        if change:
            raise ChangedError(change)
        self._cluster = cluster
        tried = self._rollout.tried
        in_force = cluster.weight_of(self._rollout.plan.canary)
        if in_force == tried != self._rollout.weight:
            # An update that failed, or of a process that was killed, has written it after all.
            self._differences = self._differences.begin()
            why = self._rollout.problem or "its update did not come to its end here"
            return NotDone(self._clock(), why, in_force)
        self._differences, look = self._differences.look(cluster.seen.readings, _nodes(cluster))
        traffic = measured.now(cluster.seen, cluster.names).by_name
        plan = self._rollout.plan
        return Looked(
            self._clock(),
            look.strata,
            {node: str(why) for node, why in look.left_out.items()},
            look.unread,
            _shown(traffic.get(self._names[plan.baseline])),
            _shown(traffic.get(self._names[plan.canary])),
        )

    def _what_changed(self, cluster: ClusterView) -> str:
        """Empty where nobody else has changed anything, or nothing that matters."""
        rollout = self._rollout
        weights = {rollout.weight, rollout.wanted, rollout.tried}
        is_ours = cluster.is_own and weights.issuperset(cluster.weights_of(rollout.plan.canary))
        if not cluster.agrees and not is_ours:
            change = self._change()
            if change:
                return change
        if rollout.phase.goes_back or self._parts.held is None:
            return ""
        now = self._parts.stack.releases(self._known, rollout.plan.canary)
        change = checks.replaced(rollout.plan.canary, self._pods, now)
        self._pods = self._pods or now
        return change

    def _change(self) -> str:
        """What was changed; empty where an update of this stack did it that changes nothing."""
        fresh = self._parts.stack.view()
        now = self._parts.stack.cluster(fresh)
        if not now.agrees or now.in_force is None:
            return findings.changed(fresh, now)
        weight = now.weight_of(self._rollout.plan.canary)
        if weight == self._rollout.weight:
            self._known = fresh
            return ""
        by = fresh.updates[0].by if fresh.updates else "an update"
        return f"{figures.percent(weight)} was set by {by}"

    def _wish_or(self, event: Event) -> Event:
        """An abort from another terminal moves the weight too: it is no foreign change."""
        self._heed_lease()
        try:
            return self._from_outside.get_nowait()
        except queue.Empty:
            return event

    # From outside

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first ends it at the next wait, the second at once."""
        seen: list[int] = []

        def handle(number: int, _: FrameType | None) -> None:
            if seen:
                raise KeyboardInterrupt
            seen.append(number)
            self._from_outside.put(Interrupted(self._clock(), number))

        with signals.handled(handle):
            yield

    def _heed_lease(self) -> None:
        held, rollout = self._parts.held, self._rollout
        if held is None:
            return
        try:
            wished = held.renew(rollout.phase, rollout.reason, rollout.weight)
        except LostError as error:
            # Whoever has it now: the way back is gone on with.
            if not rollout.phase.goes_back:
                self._from_outside.put(Changed(self._clock(), str(error)))
        except (CanaryError, OneLineError):
            pass  # Before each write it must have been renewed.
        else:
            if wished:
                self._from_outside.put(Wished(self._clock(), *wished))


def stack_names(known: StackView) -> dict[str, str]:
    """The version by bound name."""
    return overview.what_is_counted(known.split)[0]


def _nodes(cluster: ClusterView) -> list[str]:
    seen = cluster.seen
    return [each.node for each in seen.readings] + [each.node for each in seen.unread]


def _shown(found: Measured | None) -> Shown | None:
    if found is None or found.median_ms is None:
        return None
    return Shown(found.median_ms, found.high_ms, found.high)
