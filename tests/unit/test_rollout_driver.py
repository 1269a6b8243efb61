"""canary.rollout.driver: what goes wrong around a rollout, with a stand-in stack and lease."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from canary import exits, overview
from canary.analysis.limits import Limits
from canary.analysis.strata import Reading
from canary.counters.reading import Seen
from canary.errors import CanaryError
from canary.holding import Heard, LostError
from canary.overview import ClusterView, StackView
from canary.rollout import machine, terminal
from canary.rollout.checks import Ours
from canary.rollout.driver import Driver, Parts
from canary.rollout.events import Begun, Event, Wish
from canary.rollout.machine import Rollout
from canary.rollout.phase import Phase
from canary.rollout.plan import Plan
from canary.rollout.writing import ChangedError, UnfinishedError, Written
from tests.harness.versions import version
from tests.unit.test_canary_commands import cluster, stack

LIMITS = Limits(interval=0.1, scrape=0.02, max_hold=30, min_requests=50)
PLAN = Plan("world", "world-v1", "world-v2", LIMITS, (10, 100))


@dataclass
class StandInStack:
    """A stack whose linkerds count as the weight in force says."""

    known: StackView = field(default_factory=stack)
    weight: float = 0
    agrees: bool = True
    failing: bool = False
    release: str = "one"
    writes: list[float] = field(default_factory=list)
    before_write: Callable[[float], None] = lambda _: None
    after_write: Callable[[float], None] = lambda _: None
    counts: tuple[int, int] = (0, 0)

    def view(self) -> StackView:
        return self.known

    def cluster(self, _: StackView) -> ClusterView:
        v2 = int(10 * self.weight)
        self.counts = (self.counts[0] + 1000 - v2, self.counts[1] + v2)
        failures = self.counts[1] // 2 if self.failing else 0
        versions = dict(
            zip(
                overview.what_is_counted(self.known.split)[0],
                (version(self.counts[0], 0), version(self.counts[1], failures)),
                strict=True,
            )
        )
        found = cluster({"world-v1": 100 - self.weight, "world-v2": self.weight})
        read = Reading("node-1", 0.0, 1.0, versions)
        return replace(found, agrees=self.agrees, seen=Seen(0.0, (read,)))

    def releases(self, *_: object) -> list[str]:
        return [self.release]

    def write(self, ours: Ours, known: StackView, may_write: Callable[[], None]) -> Written:
        self.before_write(ours.wanted)
        if ours.wanted:
            may_write()
        self.weight = ours.wanted
        self.writes.append(ours.wanted)
        self.after_write(ours.wanted)
        return Written(self.known, "7 of today")


@dataclass
class StandInLease:
    """A lease that is held, and what is wished of it."""

    wished: Heard | None = None
    lost: bool = False
    is_sure: bool = True

    def renew(self, *_: object) -> Heard | None:
        if self.lost:
            raise LostError("the lease of this rollout was lost", exits.DRIFTED)
        found, self.wished = self.wished, None
        return found


@dataclass
class StandInJournal:
    """A journal whose disk may be full."""

    is_full: bool = False

    def write(self, _: Event) -> None:
        if self.is_full:
            raise CanaryError("no space left: nothing more can be done")


@dataclass
class Run:
    stack: StandInStack = field(default_factory=StandInStack)
    lease: StandInLease = field(default_factory=StandInLease)
    journal: StandInJournal = field(default_factory=StandInJournal)
    lines: list[str] = field(default_factory=list)
    tell: Callable[[Any], None] = lambda _: None
    clock: Callable[[], float] | None = None
    seen: StackView | None = None
    """The stack as it was told last."""

    def ends(self) -> int:
        def tell(taken: Any, known: StackView, _: object) -> None:
            self.lines += [line.text for line in taken.lines]
            self.seen = known
            self.tell(taken)

        parts: Any = Parts(self.stack, self.lease, self.journal, tell)  # type: ignore[arg-type]
        driver = Driver(parts, Rollout.of(PLAN), self.stack.known, "6 of today", ["one"])
        if self.clock:
            driver._clock = self.clock  # type: ignore[assignment]
        return driver.run(lambda now: Begun(now, 0))


def test_all_is_well() -> None:
    run = Run()
    assert run.ends() == exits.DONE, run.lines
    assert run.stack.writes == [10, 100]


def test_what_is_shown_is_the_stack_after_the_last_update() -> None:
    run = Run()
    run.stack.after_write = lambda weight: setattr(
        run.stack,
        "known",
        replace(stack(), configured={"world-v1": 100 - weight, "world-v2": weight}),
    )
    shown: list[float] = []

    def tell(taken: Any) -> None:
        if taken.rollout.phase is Phase.PROGRESSING and taken.rollout.wanted is None:
            assert run.seen
            assert run.seen.configured
            shown.append(run.seen.configured["world-v2"])

    run.tell = tell
    assert run.ends() == exits.DONE, run.lines
    assert set(shown) == {10, 100}


def test_an_update_that_succeeded_and_could_not_be_read_back_is_gone_on_with() -> None:
    run = Run()
    failed: list[float] = []

    def not_read(weight: float) -> None:
        run.stack.agrees = bool(failed)
        if not failed:
            failed.append(weight)
            raise UnfinishedError("the cluster cannot be reached", None)

    run.stack.after_write = not_read
    assert run.ends() == exits.DONE, run.lines
    assert run.stack.writes == [10, 10, 100]
    assert "10 %: not done: the cluster cannot be reached." in "\n".join(run.lines)


def test_what_is_wished_before_an_update_begins_takes_its_place() -> None:
    run = Run()

    def wish(weight: float) -> None:
        if weight:
            run.lease.wished = Heard(Wish.ABORT, "bob@ws8", 0)

    run.stack.before_write = wish
    assert run.ends() == exits.ABORTED, run.lines
    assert run.stack.writes == [0]


def test_without_the_lease_nothing_is_added() -> None:
    run = Run(lease=StandInLease(is_sure=False))
    tries: list[float] = []

    def try_again(weight: float) -> None:
        tries.append(weight)
        run.lease.is_sure = len(tries) > 1

    run.stack.before_write = try_again
    assert run.ends() == exits.DONE, run.lines
    assert tries == [10, 10, 100]


def failing_at_10(run: Run, then: Callable[[], None]) -> None:
    """Have the canary fail at its first step, and something else at the decision."""
    run.stack.failing = True

    def tell(taken: Any) -> None:
        if taken.rollout.phase.goes_back:
            then()

    run.tell = tell


def test_a_full_disk_keeps_no_canary_up() -> None:
    run = Run()
    run.stack.after_write = lambda _: setattr(run.journal, "is_full", not run.stack.weight)
    failing_at_10(run, lambda: setattr(run.journal, "is_full", True))
    assert run.ends() == exits.FAILED, run.lines
    assert run.stack.writes == [10, 0]


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), UnicodeEncodeError("latin-1", "…", 0, 1, "not in range")]
)
def test_a_terminal_that_takes_nothing_keeps_no_canary_up(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    silenced: list[bool] = []
    monkeypatch.setattr(terminal, "silence", lambda: silenced.append(True))
    run = Run()

    def gone() -> None:
        raise error

    failing_at_10(run, gone)
    assert run.ends() == exits.FAILED, run.lines
    assert run.stack.writes == [10, 0]
    assert silenced


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_at_the_decision_keeps_no_canary_up(number: signal.Signals) -> None:
    run = Run()
    sent: list[int] = []

    def interrupt() -> None:
        if not sent:
            sent.append(number)
            signal.raise_signal(number)

    failing_at_10(run, interrupt)
    assert run.ends() == exits.FAILED, run.lines
    assert run.stack.writes == [10, 0]
    assert "Interrupted: 0 % is written all the same." in "\n".join(run.lines)


@pytest.mark.parametrize(("lasts", "code"), [(30, exits.FAILED), (130, exits.DRIFTED)])
def test_anothers_change_has_a_minute_however_late_it_comes(
    lasts: float, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "AGAIN_SECONDS", 0.01)
    run = Run()
    run.stack.failing = True
    now = [0.0]

    def changed(weight: float) -> None:
        if weight:
            return
        # The stack is locked for long, then the table is another's for a while.
        now[0] += 25
        if now[0] <= 250:
            raise CanaryError("the stack is locked")
        if now[0] <= 250 + lasts:
            raise ChangedError("50 % was set by bob@ws8")

    run.stack.before_write = changed
    run.clock = lambda: now[0]
    assert run.ends() == code, run.lines


def test_a_lease_that_is_lost_keeps_no_canary_up() -> None:
    run = Run()
    failing_at_10(run, lambda: setattr(run.lease, "lost", True))
    assert run.ends() == exits.FAILED, run.lines
    assert run.stack.writes == [10, 0]


def test_a_lease_that_is_lost_on_the_way_up_ends_it() -> None:
    run = Run()
    run.stack.after_write = lambda _: setattr(run.lease, "lost", True)
    assert run.ends() == exits.DRIFTED, run.lines
    assert run.stack.writes == [10]


def test_a_canary_that_is_replaced_at_the_last_step_is_not_promoted() -> None:
    run = Run()
    run.stack.after_write = lambda weight: setattr(
        run.stack, "release", "one" if weight < 100 else "two"
    )
    assert run.ends() == exits.DRIFTED, run.lines
    assert "its pods run another release" in run.lines[-1]


def test_silence_takes_what_is_written_later() -> None:
    program = "from canary.rollout import terminal; terminal.silence(); print('x' * 100_000)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
