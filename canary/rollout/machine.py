"""The rollout itself: events go in; out come its next state, what to say and what to do.

It reads no clock, no cluster and no stack. The same events give the same rollout, so that the
journal is all that `--resume` and the report need.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from canary import exits, figures
from canary.analysis.analysis import Analysis
from canary.analysis.verdict import Kind, Verdict
from canary.rollout import wording
from canary.rollout.events import (
    Begun,
    Changed,
    Event,
    InForce,
    Interrupted,
    Looked,
    NotDone,
    Resumed,
    Unseen,
    Wish,
    Wished,
)
from canary.rollout.phase import Action, End, Line, Look, Phase, SetWeight
from canary.rollout.plan import Plan

LEAVING_LOOK = 1.0
"""Seconds between two looks after going back, until the canary gets no request any more."""

LEAVING_SECONDS = 60.0
"""How long that is watched."""

AGAIN_SECONDS = 5.0
"""Until a weight that could not be written is tried again on the way back."""

_AT_ONCE = (Kind.HANGING, Kind.BOTH, Kind.SHARE)
"""The verdicts that hold before the interval is over: it is told as soon as it is seen."""


@dataclass(frozen=True)
class Rollout:
    """How far a rollout has come."""

    plan: Plan
    analysis: Analysis
    phase: Phase = Phase.PROGRESSING
    reason: str = ""
    """Why it holds, pauses or has ended, in a sentence."""
    weight: float = 0
    """In force, by our last write."""
    wanted: float | None = None
    """What is being written."""
    began: float = 0
    since: float = 0
    """When the step came into force, or was resumed."""
    held: float | None = None
    """Since when it holds or pauses."""
    held_by: Kind | None = None
    failed_tries: int = 0
    """Updates in a row that failed."""
    problem: str = ""
    """Why the last of them did."""
    target: int | None = None
    """The step whose weight is being written, or could not be yet."""
    is_accepted: bool = False
    """Whether an operator wished that: it waits for no verdict."""
    is_full: bool = False
    """Whether an operator wished the last step, over those between."""
    is_unfinished: bool = False
    """Whether the weight is in force by an update that failed: it is to be done again."""
    is_open: bool = False
    """Whether this step's pause is over."""
    decided: float = 0
    """When it was decided to go back."""
    returned: float | None = None
    """When 0 was in force again."""
    last_request: float | None = None
    """When a look after that last found requests to the canary."""
    failures: int = 0
    """The canary's requests that failed, from the beginning."""
    loads: bool = False
    """Whether this process sends requests of its own."""
    left_out: dict[str, str] = field(default_factory=dict)
    """The linkerds that the last look left out."""
    code: int | None = None
    """The exit code, once it is over."""

    @classmethod
    def of(cls, plan: Plan) -> "Rollout":
        """Before its first event."""
        return cls(plan, Analysis(plan.limits, plan.steps))

    @property
    def step(self) -> int:
        """The index of the step that is under way; -1 before the first."""
        return self.analysis.step

    @property
    def tried(self) -> float | None:
        """What an update that failed was to write, and may have written."""
        return None if self.target is None else self.plan.steps[self.target]

    @property
    def is_last(self) -> bool:
        """Whether no step follows."""
        return self.step == len(self.plan.steps) - 1

    @property
    def can_resume(self) -> bool:
        """Whether another process may go on with it."""
        ends = (exits.PAUSED, exits.HELD, exits.DRIFTED)
        return self.code is None or self.code in ends or self.code > exits.SIGNALLED

    def take(self, event: Event) -> "Taken":
        """The next event. Raises ValueError where it cannot follow the ones before."""
        if self.code is not None and not isinstance(event, Resumed):
            raise ValueError(f"{type(event).__name__} after the end")
        steps: dict[type[Event], Callable[[Any], Taken]] = {
            Begun: self._begin,
            Resumed: self._resume,
            InForce: self._in_force,
            NotDone: self._not_done,
            Looked: self._look,
            Unseen: self._unseen,
            Wished: self._wished,
            Changed: self._stop,
            Interrupted: self._interrupt,
        }
        return steps[type(event)](event)

    # The weight

    def _begin(self, event: Begun) -> "Taken":
        begun = replace(self, began=event.at, weight=event.weight, loads=event.loads)
        first = self.plan.first(event.weight)
        if self.plan.steps[first] == event.weight:
            return begun._start(first, event.at)
        return begun._go(first)

    def _go(self, step: int, *lines: Line) -> "Taken":
        weight = self.plan.steps[step]
        return Taken(replace(self, wanted=weight, target=step), lines, SetWeight(weight))

    def _in_force(self, event: InForce) -> "Taken":
        now = replace(self, weight=event.weight, wanted=None, target=None, is_unfinished=False)
        now = replace(now, failed_tries=0, problem="")
        if self.phase.goes_back:
            return Taken(replace(now, returned=event.at), (), Look(LEAVING_LOOK))
        started = now._start(self.plan.steps.index(event.weight), event.at)
        if not self.is_full or started.rollout.is_last:
            return started
        # The step that was being written when the last one was wished.
        full = replace(started.rollout, is_full=True, is_accepted=True, is_open=True)
        weight = figures.percent(event.weight)
        return full._on(*started.lines, Line(f"{weight}: the last step was wished. {full._on_to}"))

    def _start(self, step: int, at: float) -> "Taken":
        started = replace(
            self,
            analysis=self.analysis.begin(step),
            phase=Phase.PROGRESSING,
            reason="",
            since=at,
            held=None,
            held_by=None,
            is_open=False,
            is_accepted=False,
            is_full=False,
        )
        return Taken(started, (Line(wording.step(self.plan, step)),), self._next_look)

    def _not_done(self, event: NotDone) -> "Taken":
        said = self.failed_tries and self.problem == event.why
        now = replace(self, failed_tries=self.failed_tries + 1, problem=event.why)
        weight = figures.percent(self.wanted or 0)
        if self.phase.goes_back:
            # For as long as it takes: the canary is known to be bad, or not wanted.
            line = Line(f"{weight} is not done yet: {event.why}. Trying again.", warns=True)
            return Taken(now, () if said else (line,), SetWeight(0, AGAIN_SECONDS))
        if event.in_force is not None and event.in_force != self.weight:
            now = now._in_force_unfinished(event)
        text = f"{weight}: not done: {event.why}."
        holding = replace(now._hold(event.at, event.why), wanted=None)
        line = Line(f"{text} {self._for_how_long}", warns=True)
        if holding._is_held_out(event.at):
            return holding._held_out()
        return Taken(holding, () if said else (line,), self._next_look)

    def _in_force_unfinished(self, event: NotDone) -> "Rollout":
        """What the linkerds count from here on is of the weight that was wanted."""
        step = self.plan.steps.index(event.in_force)
        began = replace(self, weight=self.plan.steps[step], is_unfinished=True, since=event.at)
        return replace(began, analysis=self.analysis.begin(step), is_open=False)

    # Judging

    def _look(self, event: Looked) -> "Taken":
        seen = replace(
            self,
            left_out=dict(event.left_out),
            failures=self.failures + sum(each.canary.failures for each in event.strata),
        )
        told = tuple(Line(text) for text in wording.left_out(self.left_out, event.left_out))
        if self.phase.goes_back:
            return seen._leave(event).after(*told)
        if self.step >= 0:
            seen = replace(seen, analysis=self.analysis.look(event.strata, event.unread))
        return seen._judge(event.at).after(*told)

    def _unseen(self, event: Unseen) -> "Taken":
        if self.phase.goes_back:
            return self._leave(Looked(event.at, (), unread=("the cluster",)))
        seen = self
        if self.step >= 0:
            seen = replace(self, analysis=self.analysis.look((), ("the cluster",)))
        said = self.left_out.get("") == event.why
        seen = replace(seen, left_out={**self.left_out, "": event.why})
        found = seen._judge(event.at)
        return found if said else found.after(Line(f"Not seen: {event.why}", warns=True))

    def _judge(self, at: float) -> "Taken":
        if self.step < 0:
            return self._try_again(at, self.plan.first(self.weight))
        verdict = self.analysis.verdict()
        if verdict.kind is Kind.FAIL:
            return self._fail(at, verdict)
        if self.target is not None and (self.is_unfinished or self.is_accepted):
            return self._try_again(at, self.target)
        if self.phase is Phase.PAUSED:
            return self._wait_paused(at)
        return self._judge_step(at, verdict)

    def _try_again(self, at: float, step: int) -> "Taken":
        return self._held_out() if self._is_held_out(at) else self._go(step)

    def _judge_step(self, at: float, verdict: Verdict) -> "Taken":
        is_over = at - self.since >= self.plan.limits.interval
        if verdict.kind is Kind.PASS or (not is_over and verdict.kind not in _AT_ONCE):
            return self._pass(at, verdict) if is_over else self._progress()
        if verdict.kind is Kind.NO_DATA and self.plan.limits.on_no_data != "hold":
            return self._without_data(at, verdict)
        return self._hold_by(at, verdict)

    def _fail(self, at: float, verdict: Verdict) -> "Taken":
        check = verdict.failed
        if check is None:
            raise ValueError("a verdict of failure without a check that failed")
        text = wording.failed(self.plan, verdict, check)
        if self.plan.observes:
            ended = replace(self, phase=Phase.ROLLED_BACK, reason=text)
            return ended._end(exits.FAILED, Line(f"{text} A rollout would go back to 0 %.", True))
        return self._return(at, Phase.ROLLED_BACK, text)

    def _without_data(self, at: float, verdict: Verdict) -> "Taken":
        text = wording.held(self.plan, verdict, at - self.since)
        how = f"as --on-no-data {self.plan.limits.on_no_data} says."
        if self.plan.limits.on_no_data == "go":
            return self._advance(at, f"{text} Going on {how}")
        if self.plan.observes:
            return self._end(exits.FAILED, Line(f"{text} A rollout would go back to 0 %.", True))
        return self._return(at, Phase.ROLLED_BACK, f"{text} Going back {how}")

    def _progress(self) -> "Taken":
        now = replace(self, phase=Phase.PROGRESSING, reason="", held=None, held_by=None)
        return Taken(now, (), self._next_look)

    def _pass(self, at: float, verdict: Verdict) -> "Taken":
        # After a write that failed, it is tried again as long as a hold may last.
        if self.target is not None:
            return self._try_again(at, self.target)
        return self._advance(at, wording.passed(self.plan, self.analysis, verdict))

    def _advance(self, at: float, text: str) -> "Taken":
        """Past a step that passed, or is accepted as it is."""
        if self.weight in self.plan.pauses and not self.is_open:
            pause = (
                f"Paused at {figures.percent(self.weight)} as asked. canary promote goes on, "
                "canary abort goes back."
            )
            paused = replace(self, phase=Phase.PAUSED, reason=pause, held=at)
            return Taken(paused, (Line(text), Line(pause)), self._next_look)
        if self.is_last:
            return self._promote(at, Line(text))
        return self._on(Line(f"{text} {self._on_to}"))

    def _on(self, *lines: Line) -> "Taken":
        return self._go(self._next, *lines)

    @property
    def _next(self) -> int:
        """The step that follows."""
        if self._begun is not None:
            return self._begun
        return len(self.plan.steps) - 1 if self.is_full else self.step + 1

    @property
    def _begun(self) -> int | None:
        """The later step whose update has begun: it may have written its weight, or do so yet."""
        return self.target if self.target is not None and self.target > self.step else None

    @property
    def _on_to(self) -> str:
        return f"On to {figures.percent(self.plan.steps[self._next])}."

    def _promote(self, at: float, *lines: Line) -> "Taken":
        plan, took = self.plan, wording.duration(at - self.began)
        weight = figures.percent(self.weight)
        if plan.observes:
            return self._end(exits.DONE, *lines)
        text = f"{plan.canary} has {weight} after {took}."
        done = replace(self, phase=Phase.PROMOTED, reason=text)
        return done._end(exits.DONE, *lines, Line(text))

    # Waiting

    def _hold_by(self, at: float, verdict: Verdict) -> "Taken":
        text = wording.held(self.plan, verdict, at - self.since)
        said = self.phase is Phase.HOLDING and self.held_by is verdict.kind
        held = replace(self._hold(at, text), held_by=verdict.kind)
        if held._is_held_out(at):
            return held._held_out()
        line = Line(f"{text} {self._for_how_long}{self._ways_past(verdict)}", warns=True)
        return Taken(held, () if said else (line,), self._next_look)

    def _ways_past(self, verdict: Verdict) -> str:
        if self.plan.observes:
            return ""
        accepts = "promote accepts this step."
        if verdict.kind is Kind.NO_DATA and not self.loads:
            return f" --load 20/s would make traffic, {accepts}"
        return f" {accepts}"

    def _hold(self, at: float, why: str) -> "Rollout":
        since = at if self.held is None else self.held
        return replace(self, phase=Phase.HOLDING, reason=why, held=since)

    def _is_held_out(self, at: float) -> bool:
        return self.held is not None and at - self.held >= self.plan.limits.max_hold

    def _held_out(self) -> "Taken":
        text = (
            f"Held for {wording.duration(self.plan.limits.max_hold)}: {self.reason.rstrip('.')}. "
            f"{figures.percent(self.weight)} stays. {_ways_on(self)}"
        )
        return self._end(exits.HELD, Line(text, warns=True))

    def _wait_paused(self, at: float) -> "Taken":
        if not self._is_held_out(at):
            return Taken(self, (), self._next_look)
        text = (
            f"Nobody promoted within {wording.duration(self.plan.limits.max_hold)}. "
            f"{figures.percent(self.weight)} stays. {_ways_on(self)}"
        )
        return self._end(exits.PAUSED, Line(text))

    @property
    def _for_how_long(self) -> str:
        return f"Holding for up to {wording.duration(self.plan.limits.max_hold)}."

    @property
    def _next_look(self) -> Look:
        return Look(self.plan.limits.scrape)

    # Going back

    def _return(self, at: float, phase: Phase, reason: str) -> "Taken":
        back = replace(
            self, phase=phase, reason=reason, decided=at, wanted=0.0, failed_tries=0, problem=""
        )
        return Taken(back, (Line(f"{reason} Back to 0 %.", warns=True),), SetWeight(0))

    def _leave(self, event: Looked) -> "Taken":
        """Watch until no linkerd sends the canary anything."""
        if self.returned is None:
            return Taken(self, (), Look(LEAVING_LOOK))
        requests = sum(each.canary.requests for each in event.strata)
        waiting = sum(each.canary_waiting for each in event.strata)
        now = replace(self, last_request=event.at) if requests else self
        is_seen = bool(event.strata) and not event.unread
        if is_seen and not requests and not waiting:
            return now._left(now._how_it_left)
        if event.at - self.returned < LEAVING_SECONDS:
            return Taken(now, (), Look(LEAVING_LOOK))
        nodes = sorted(each.node for each in event.strata if each.canary.requests)
        still = f"still gets requests on {', '.join(nodes)}" if nodes else "was not seen to be idle"
        return now._left(f"{self.plan.canary} {still} after {LEAVING_SECONDS:g} s.", warns=True)

    @property
    def _how_it_left(self) -> str:
        if self.last_request is None:
            return f"{self.plan.canary} gets no requests any more."
        after = wording.duration(self.last_request - self.decided)
        return f"the last request to {self.plan.canary} was {after} after."

    def _left(self, how: str, *, warns: bool = False) -> "Taken":
        took = (self.returned or 0) - self.decided
        failed = f" {self.failures:,} requests failed there." if self.failures else ""
        code = exits.ABORTED if self.phase is Phase.ABORTED else exits.FAILED
        return self._end(code, Line(f"Back at 0 % in {took:.1f} s; {how}{failed}", warns))

    # From outside

    def _wished(self, event: Wished) -> "Taken":
        if self.phase.goes_back:
            return Taken(self, (), self._again)
        if event.wish is Wish.ABORT:
            reason = f"{figures.percent(self.weight)}: aborted by {event.by}."
            return self._return(event.at, Phase.ABORTED, reason)
        why = self._not_promoted(event)
        if why:
            return Taken(self, (Line(f"promote by {event.by} {why}"),), self._again)
        return self._accept(event)

    def _not_promoted(self, event: Wished) -> str:
        if self.step < 0:
            return "has no effect: no step is in force yet."
        if event.weight not in (None, self.weight):
            return f"was of {figures.percent(event.weight or 0)}: too late."
        return ""

    def _accept(self, event: Wished) -> "Taken":
        weight, after = figures.percent(self.weight), wording.duration(event.at - self.since)
        text = f"{weight}: accepted by {event.by} after {after}."
        opened = replace(self, is_open=True, is_accepted=True, failed_tries=0)
        opened = replace(opened, held=None, held_by=None)
        if event.wish is Wish.FULL and not self.is_last:
            opened = replace(opened, is_full=True)
        return opened._advance(event.at, text)

    @property
    def _again(self) -> Action:
        """What is to be done where an event changes nothing."""
        if self.wanted is not None:
            return SetWeight(self.wanted)
        return Look(LEAVING_LOOK) if self.phase.goes_back else self._next_look

    def _stop(self, event: Changed) -> "Taken":
        weight = figures.percent(self.weight)
        if self.phase.goes_back:  # The phase says where to go on.
            text = f"Stopped on the way back: {event.why.rstrip('.')}. {_ways_on(self)}"
            return self._end(exits.DRIFTED, Line(text, warns=True))
        how = (
            ""
            if self.plan.observes
            else (
                f" Nothing was written. run --resume goes on from {weight} once all is as it was."
            )
        )
        text = f"Stopped: {event.why.rstrip('.')}.{how}"
        stopped = replace(self, phase=Phase.STOPPED, reason=text)
        return stopped._end(exits.DRIFTED, Line(text, warns=True))

    def _interrupt(self, event: Interrupted) -> "Taken":
        code = exits.SIGNALLED + event.signal
        weight = figures.percent(self.weight)
        if self.phase.goes_back and self.wanted is not None:
            # Nobody has to be there for it: the terminal may be gone.
            text = "Interrupted: 0 % is written all the same. A second interrupt ends it."
            return Taken(self, (Line(text, warns=True),), self._again)
        going = " on the way back" if self.phase.goes_back else ""
        text = f"Interrupted at {weight}{going}, which stays. {_ways_on(self)}"
        if self.phase.goes_back:  # The phase says where to go on.
            return self._end(code, Line(text, warns=True))
        ended = replace(self, phase=Phase.INTERRUPTED, reason=text)
        return ended._end(code, Line(text, warns=True))

    def _resume(self, event: Resumed) -> "Taken":
        if not self.can_resume:
            raise ValueError("the rollout is over")
        again = replace(self, code=None, held=None, held_by=None, failed_tries=0, left_out={})
        again = replace(again, problem="", loads=event.loads)
        line = Line(f"Resumed by {event.by} at {figures.percent(event.weight)}.")
        if self.phase.goes_back:
            # The weight may have been written, and what the counters say has to be seen yet.
            back = replace(again, wanted=0.0)
            return Taken(back, (line,), SetWeight(0))
        is_late = event.weight != self.weight and event.weight in (self.wanted, self.tried)
        if is_late or (self.is_unfinished and self._begun is None):
            # The update that wrote it was killed, or failed: the state may not know the weight.
            return again._go(self.plan.steps.index(event.weight), line)
        # An update that was under way may go on, and write the target's weight yet.
        again = replace(again, wanted=None)
        if self.step < 0:
            return again._go(self.plan.first(event.weight), line)
        return again._start(self.step, event.at).after(line)

    def _end(self, code: int, *lines: Line) -> "Taken":
        return Taken(replace(self, code=code), lines, End(code))


def _ways_on(rollout: Rollout) -> str:
    if rollout.plan.observes:
        return ""
    if rollout.phase.goes_back:
        return "canary run --resume or canary abort goes back to 0 %."
    return (
        "canary run --resume goes on, canary promote accepts this step, canary abort goes back to "
        "0 %."
    )


@dataclass(frozen=True)
class Taken:
    """What an event has made of a rollout."""

    rollout: Rollout
    lines: Sequence[Line]
    action: Action

    def after(self, *lines: Line) -> "Taken":
        """With these lines before."""
        return replace(self, lines=(*lines, *self.lines))


def replayed(plan: Plan, events: Sequence[Event]) -> Rollout:
    """The rollout that these events make."""
    rollout = Rollout.of(plan)
    for event in events:
        rollout = rollout.take(event).rollout
    return rollout
