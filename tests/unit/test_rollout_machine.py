"""canary.rollout.machine: each way through a rollout, without clock, cluster or stack."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from canary import exits
from canary.analysis.limits import Limits
from canary.analysis.strata import Counts, Stratum
from canary.rollout import events, wording
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
from canary.rollout.machine import LEAVING_SECONDS, Rollout, replayed
from canary.rollout.phase import Action, End, Look, Phase, SetWeight
from canary.rollout.plan import Plan
from canary.rollout.terminal import evidence

LIMITS = Limits(interval=60, scrape=10, max_hold=120)
PLAN = Plan("world", "world-v1", "world-v2", LIMITS, (10, 50, 100))


class Told:
    """A rollout that is told what happens; it writes down what it says and wants."""

    def __init__(self, plan: Plan = PLAN, at: float = 1000) -> None:
        self.now = at
        self.rollout = Rollout.of(plan)
        self.lines: list[str] = []
        self.action: Action = End(-1)
        self.events: list[Event] = []

    def take(self, event: Event) -> "Told":
        self.events.append(event)
        taken = self.rollout.take(event)
        self.rollout, self.action = taken.rollout, taken.action
        self.lines += [line.text for line in taken.lines]
        return self

    def begin(self, weight: float = 0) -> "Told":
        return self.take(Begun(self.now, weight))

    def written(self, seconds: float = 3) -> "Told":
        """What it wants comes into force."""
        assert isinstance(self.action, SetWeight), self.action
        self.now += seconds
        return self.take(InForce(self.now, self.action.weight, 7))

    def not_written(self, why: str = "the program refuses") -> "Told":
        assert isinstance(self.action, SetWeight), self.action
        self.now += 3 + self.action.delay
        return self.take(NotDone(self.now, why))

    def look(self, *strata: Stratum, times: int = 1, unread: Sequence[str] = ()) -> "Told":
        for _ in range(times):
            assert isinstance(self.action, Look), self.action
            self.now += self.action.seconds
            self.take(Looked(self.now, strata, unread=tuple(unread)))
        return self

    def passes(self) -> "Told":
        """A step without fault, to its end, at its weight."""
        return self.look(healthy(self.rollout.weight), times=6)

    def wish(self, wish: Wish, weight: float | None = None) -> "Told":
        return self.take(Wished(self.now, wish, "anna@ws7", weight))

    def wants(self) -> Action:
        """A call, since mypy takes what an attribute was for what it is."""
        return self.action

    def phase(self) -> Phase:
        return self.rollout.phase

    @property
    def last(self) -> str:
        return self.lines[-1]


def stratum(v1: tuple[int, int], v2: tuple[int, int], waiting: int = 0, waited: int = 0) -> Stratum:
    counts = Counts(*v1), Counts(*v2)
    return Stratum("node-1", *counts, canary_waiting=waiting, canary_waited=waited)


def healthy(weight: float) -> Stratum:
    canary = round(10 * weight)
    return stratum((1000 - canary, 0), (canary, 0))


NOTHING = stratum((0, 0), (0, 0))
FAILING = stratum((900, 0), (100, 20))
BOTH_BAD = stratum((900, 90), (100, 10))
HANGING = stratum((900, 0), (0, 0), waiting=100)
SHARE = stratum((1000, 0), (0, 0))


def test_a_rollout_without_fault_goes_to_its_end() -> None:
    told = Told().begin()
    assert told.wants() == SetWeight(10)
    for step in (50, 100):
        told.written().passes()
        assert told.wants() == SetWeight(step)
        assert told.phase() is Phase.PROGRESSING
    told.written().passes()
    assert told.wants() == End(exits.DONE)
    assert told.phase() is Phase.PROMOTED
    assert told.lines == [
        "Step 1/3: 10 % to world-v2 for 1 min.",
        (
            "10 %: passed, 600 requests, none failed; world-v1 0 % of 5,400; a version failing "
            "1.4 % or more would have shown. On to 50 %."
        ),
        "Step 2/3: 50 % to world-v2 for 1 min.",
        told.lines[3],
        "Step 3/3: 100 % to world-v2 for 1 min.",
        told.lines[5],
        "world-v2 has 100 % after 3 min 9 s.",
    ]


def test_a_step_never_ends_before_its_interval() -> None:
    told = Told().begin().written().look(healthy(10), times=5)
    assert told.wants() == Look(10)
    assert told.look(healthy(10)).action == SetWeight(50)


def test_a_rollout_starts_at_the_weight_in_force() -> None:
    told = Told().begin(50)
    assert told.wants() == Look(10)
    assert told.rollout.step == 1
    assert told.lines == ["Step 2/3: 50 % to world-v2 for 1 min."]


@pytest.mark.parametrize("held", [False, True])
def test_a_version_that_fails_is_sent_back_at_once(held: bool) -> None:
    told = Told().begin().written()
    if held:
        told.look(NOTHING, times=7)
        assert told.phase() is Phase.HOLDING
    told.look(FAILING)
    assert told.wants() == SetWeight(0)
    assert told.phase() is Phase.ROLLED_BACK
    assert told.last.startswith(
        "10 %: world-v2 failed 20 of 100 requests (20 %), world-v1 0 of 900 (0 %): worse beyond "
        "chance (evidence over 1,000,000, limit 400). Back to 0 %."
    )


def test_going_back_ends_when_the_version_gets_nothing_any_more() -> None:
    told = Told().begin().written().look(FAILING).written(3.4)
    assert told.wants() == Look(1)
    told.look(stratum((990, 0), (1, 1))).look(NOTHING)
    assert told.wants() == End(exits.FAILED)
    assert told.last == (
        "Back at 0 % in 3.4 s; the last request to world-v2 was 4 s after. 21 requests failed "
        "there."
    )


def test_going_back_waits_for_requests_under_way_and_for_linkerds_that_cannot_be_read() -> None:
    told = Told().begin().written().look(FAILING).written()
    told.look(stratum((10, 0), (0, 0), waiting=1)).look(NOTHING, unread=["node-2"]).look()
    assert told.wants() == Look(1)
    assert told.look(NOTHING).last.startswith("Back at 0 % in 3.0 s; world-v2 gets no requests any")


def test_going_back_says_which_linkerds_go_on_sending() -> None:
    told = Told().begin().written().look(FAILING).written()
    told.look(stratum((990, 0), (1, 0)), times=round(LEAVING_SECONDS))
    assert told.wants() == End(exits.FAILED)
    assert "world-v2 still gets requests on node-1 after 60 s." in told.last


def test_going_back_is_tried_until_it_is_done() -> None:
    told = Told().begin().written().look(FAILING)
    for _ in range(3):
        told.not_written("the stack is locked")
        assert told.wants() == SetWeight(0, delay=5)
    assert told.last == "0 % is not done yet: the stack is locked. Trying again."
    assert told.lines.count(told.last) == 1
    assert told.written().look(NOTHING).action == End(exits.FAILED)


def test_going_back_has_no_limit_of_time() -> None:
    told = Told().begin().written().look(FAILING)
    for _ in range(int(10 * LIMITS.max_hold)):
        told.not_written("no API server")
    assert told.wants() == SetWeight(0, delay=5)
    assert "beyond chance" in told.rollout.reason
    told.take(Interrupted(told.now, 1))
    assert told.wants() == SetWeight(0)
    assert told.last == "Interrupted: 0 % is written all the same. A second interrupt ends it."
    assert told.rollout.can_resume
    assert "beyond chance" in told.rollout.reason


def test_anothers_change_on_the_way_back_leaves_it_the_way_back() -> None:
    told = Told().begin().written().look(FAILING).take(Changed(1020, "the table was changed"))
    assert told.wants() == End(exits.DRIFTED)
    assert told.phase() is Phase.ROLLED_BACK
    assert "canary run --resume or canary abort goes back" in told.last
    assert told.take(Resumed(2000, 10, "bob@ws8")).action == SetWeight(0)


def test_a_weight_that_is_in_force_by_an_update_that_failed_is_judged_and_done_again() -> None:
    told = Told().begin().written().passes()
    told.now += 3
    told.take(NotDone(told.now, "node-2 does not follow", in_force=50))
    assert told.phase() is Phase.HOLDING
    assert (told.rollout.step, told.rollout.weight) == (1, 50)
    assert told.last == "50 %: not done: node-2 does not follow. Holding for up to 2 min."
    told.look(healthy(50))
    assert told.wants() == SetWeight(50)
    told.written().passes()
    assert told.wants() == SetWeight(100)


def test_a_bad_version_that_is_in_force_by_an_update_that_failed_goes_back() -> None:
    told = Told().begin().written().passes()
    told.take(NotDone(told.now, "node-2 does not follow", in_force=50)).look(FAILING)
    assert told.wants() == SetWeight(0)


def test_an_update_that_fails_for_long_after_it_wrote_is_a_hold_that_runs_out() -> None:
    told = Told().begin().written().passes()
    told.take(NotDone(told.now, "node-2 does not follow", in_force=50))
    while not isinstance(told.wants(), End):
        told.look(healthy(50))
        if isinstance(told.wants(), SetWeight):
            told.now += 3
            told.take(NotDone(told.now, "node-2 does not follow", in_force=50))
    assert told.wants() == End(exits.HELD)
    assert "50 % stays" in told.last
    assert told.take(Resumed(told.now, 50, "bob@ws8")).action == SetWeight(50)


@pytest.mark.parametrize(
    ("what", "looks", "said"),
    [
        (NOTHING, 6, "10 %: no data: 0 requests to world-v2 in 1 min, 100 are needed."),
        (HANGING, 3, "10 %: world-v2 answers nothing: 100 requests are waiting."),
        (
            BOTH_BAD,
            1,
            (
                "10 %: both versions break the limits of success or latency (world-v1 failed 10 %, "
                "world-v2 10 %)"
            ),
        ),
        (SHARE, 1, "Weight 10 %, but 0 % (0–0.4) of requests reach world-v2; none on node-1."),
    ],
)
def test_what_cannot_be_judged_holds_and_says_so_once(what: Stratum, looks: int, said: str) -> None:
    told = Told().begin().written().look(what, times=looks)
    assert told.phase() is Phase.HOLDING
    assert told.last.startswith(said)
    assert told.last.endswith("promote accepts this step.")
    assert " Holding for up to 2 min. " in told.last
    assert ("--load 20/s" in told.last) == (what is NOTHING)
    lines = len(told.lines)
    told.look(what)
    assert len(told.lines) == lines
    while not isinstance(told.action, End):
        told.look(what)
    assert told.wants() == End(exits.HELD)
    assert told.last.startswith(f"Held for 2 min: {said[:12]}")
    assert "10 % stays. canary run --resume goes on" in told.last
    assert not told.rollout.wanted


def test_a_limit_that_the_baseline_broke_while_it_ran_is_told_with_its_counts() -> None:
    """Not with the few late answers that it gives in this step."""
    told = after_both_at_3_percent()
    assert told.phase() is Phase.HOLDING
    assert told.last.startswith(
        "100 %: both versions break the limits of success or latency: world-v1 failed 342 of "
        "11,402 requests (3 %), world-v2 30 of 1,000 requests (3 %); not the canary."
    )
    assert "(as the baseline)" in evidence(told.rollout)[0]


def after_both_at_3_percent() -> "Told":
    """Held at 100 %, where the canary fails as the baseline did before."""
    told = Told().begin().written().look(stratum((900, 27), (100, 3)), times=6)
    told.wish(Wish.PROMOTE).written().look(stratum((500, 15), (500, 15)), times=12)
    told.wish(Wish.PROMOTE).written().look(stratum((2, 0), (1000, 30)))
    return told.look(stratum((0, 0), (1000, 30)), times=5)


def test_who_has_load_already_is_not_told_of_it() -> None:
    told = Told().take(Begun(1000, 0, loads=True)).written().look(NOTHING, times=6)
    assert told.phase() is Phase.HOLDING
    assert "--load" not in told.last
    told.take(Interrupted(told.now, 2)).take(Resumed(told.now, 10, "bob@ws8"))
    assert "--load 20/s would make traffic" in told.look(NOTHING, times=6).last


def test_a_linkerd_that_cannot_be_read_holds_at_the_end_of_the_interval() -> None:
    told = Told().begin().written().look(healthy(10), times=5).look(healthy(10), unread=["node-2"])
    assert told.phase() is Phase.HOLDING
    assert told.last.startswith("10 %: the counters of node-2 cannot be read.")
    assert told.look(healthy(10)).action == SetWeight(50)


def test_a_hold_that_ends_in_the_interval_is_no_hold_any_more() -> None:
    told = Told().begin().written().look(HANGING)
    told.look(stratum((900, 0), (0, 0), waiting=100, waited=100), times=2)
    assert told.phase() is Phase.HOLDING
    told.look(stratum((900, 0), (400, 0), waited=100))
    assert told.phase() is Phase.PROGRESSING
    assert told.rollout.held is None


def test_without_data_it_goes_on_if_it_may() -> None:
    plan = replace(PLAN, limits=replace(LIMITS, on_no_data="go"))
    told = Told(plan).begin().written().look(NOTHING, times=6)
    assert told.wants() == SetWeight(50)
    assert told.last.endswith("are needed. Going on as --on-no-data go says. On to 50 %.")


def test_without_data_it_goes_back_if_it_must() -> None:
    plan = replace(PLAN, limits=replace(LIMITS, on_no_data="abort"))
    told = Told(plan).begin().written().look(NOTHING, times=6)
    assert told.wants() == SetWeight(0)
    assert told.last.endswith("Going back as --on-no-data abort says. Back to 0 %.")
    assert told.written().look(NOTHING).action == End(exits.FAILED)


def test_a_pause_waits_for_promote() -> None:
    told = Told(replace(PLAN, pauses=(10,))).begin().written().passes()
    assert told.phase() is Phase.PAUSED
    assert told.last == ("Paused at 10 % as asked. canary promote goes on, canary abort goes back.")
    told.look(healthy(10), times=3)
    assert told.phase() is Phase.PAUSED
    told.wish(Wish.PROMOTE)
    assert told.wants() == SetWeight(50)
    assert told.last == "10 %: accepted by anna@ws7 after 1 min 30 s. On to 50 %."
    assert told.written().phase() is Phase.PROGRESSING


def test_the_analysis_goes_on_in_a_pause() -> None:
    told = Told(replace(PLAN, pauses=(10,))).begin().written().passes()
    assert told.look(FAILING).action == SetWeight(0)


def test_a_pause_ends_with_its_own_code() -> None:
    told = Told(replace(PLAN, pauses=(10,))).begin().written().passes()
    told.look(healthy(10), times=12)
    assert told.wants() == End(exits.PAUSED)
    assert told.last.startswith("Nobody promoted within 2 min. 10 % stays.")


@pytest.mark.parametrize("what", [NOTHING, BOTH_BAD, healthy(10)])
def test_promote_accepts_a_step_once(what: Stratum) -> None:
    told = Told().begin().written().look(what, times=3 if what == healthy(10) else 6)
    told.wish(Wish.PROMOTE)
    assert told.wants() == SetWeight(50)
    assert told.written().phase() is Phase.PROGRESSING
    told.look(NOTHING, times=6)
    assert told.phase() is Phase.HOLDING


def test_a_full_promotion_skips_the_steps_between_and_judges_the_last() -> None:
    told = Told().begin().written().look(NOTHING, times=6).wish(Wish.FULL)
    assert told.wants() == SetWeight(100)
    told.written()
    assert told.rollout.step == 2
    assert told.look(stratum((0, 0), (1000, 200))).action == SetWeight(0)


def test_a_step_that_was_accepted_is_tried_again_without_a_verdict() -> None:
    told = Told().begin().written().look(NOTHING, times=6).wish(Wish.PROMOTE)
    told.not_written("the stack is locked").look(NOTHING)
    assert told.wants() == SetWeight(50)
    assert told.written().phase() is Phase.PROGRESSING


def test_a_full_promotion_that_fails_is_tried_again_as_one() -> None:
    told = Told().begin().written().look(healthy(10)).wish(Wish.FULL)
    assert told.wants() == SetWeight(100)
    told.not_written("the stack is locked").look(healthy(10))
    assert told.wants() == SetWeight(100)


def test_a_promotion_of_a_step_before_is_too_late() -> None:
    told = Told().begin().written().look(healthy(10)).wish(Wish.PROMOTE, 10).written()
    told.wish(Wish.PROMOTE, 10)
    assert told.wants() == Look(10)
    assert told.rollout.weight == 50
    assert told.last == "promote by anna@ws7 was of 10 %: too late."


def test_promote_at_the_last_step_ends_it() -> None:
    told = Told().begin(100).look(NOTHING, times=6).wish(Wish.PROMOTE)
    assert told.wants() == End(exits.DONE)
    assert told.phase() is Phase.PROMOTED


@pytest.mark.parametrize("looks", [0, 3, 7])
def test_an_operator_aborts_at_any_time(looks: int) -> None:
    told = Told().begin().written().look(NOTHING, times=looks).wish(Wish.ABORT)
    assert told.wants() == SetWeight(0)
    assert told.last == "10 %: aborted by anna@ws7. Back to 0 %."
    told.wish(Wish.ABORT)
    assert told.wants() == SetWeight(0)
    told.written().look(NOTHING)
    assert told.wants() == End(exits.ABORTED)
    assert told.phase() is Phase.ABORTED


def test_a_promotion_is_not_heard_on_the_way_back() -> None:
    told = Told().begin().written().look(FAILING).wish(Wish.PROMOTE)
    assert told.wants() == SetWeight(0)
    assert told.phase() is Phase.ROLLED_BACK
    told.written().wish(Wish.PROMOTE)
    assert told.wants() == Look(1)


def test_a_weight_that_cannot_be_written_holds_and_is_tried_again() -> None:
    told = Told().begin().written().passes().not_written()
    assert told.phase() is Phase.HOLDING
    assert told.rollout.weight == 10
    assert told.last == "50 %: not done: the program refuses. Holding for up to 2 min."
    lines = len(told.lines)
    told.look(healthy(10)).not_written()
    assert len(told.lines) == lines
    assert told.look(healthy(10)).written().phase() is Phase.PROGRESSING
    assert told.rollout.step == 1


def test_a_weight_that_is_never_written_is_a_hold_that_runs_out() -> None:
    told = Told().begin()
    while not isinstance(told.action, End):
        told.not_written() if isinstance(told.action, SetWeight) else told.look(healthy(0))
    assert told.wants() == End(exits.HELD)
    assert told.last.startswith("Held for 2 min: the program refuses. 0 % stays.")


def test_a_cluster_that_is_away_holds_and_is_told_once() -> None:
    told = Told().begin().written().look(healthy(10), times=4)
    for _ in range(4):
        told.now += 10
        told.take(Unseen(told.now, "no answer"))
    assert told.lines.count("Not seen: no answer") == 1
    assert told.phase() is Phase.HOLDING
    assert told.look(healthy(10)).action == SetWeight(50)


def test_anothers_change_ends_it_with_nothing_written() -> None:
    told = Told().begin().written().look(healthy(10))
    told.take(Changed(told.now, "the table was changed to 50/50 by kubectl"))
    assert told.wants() == End(exits.DRIFTED)
    assert told.last == (
        "Stopped: the table was changed to 50/50 by kubectl. Nothing was written. run --resume "
        "goes on from 10 % once all is as it was."
    )


@pytest.mark.parametrize(("signal", "code"), [(2, exits.INTERRUPTED), (15, exits.TERMINATED)])
def test_an_interrupt_leaves_the_weight_and_says_how_to_go_on(signal: int, code: int) -> None:
    told = Told().begin().written().look(healthy(10)).take(Interrupted(1020, signal))
    assert told.wants() == End(code)
    for way in ("run --resume goes on", "promote accepts", "abort goes back"):
        assert way in told.last


def test_a_resumed_step_keeps_its_evidence_and_begins_its_interval_anew() -> None:
    told = Told().begin().written().look(healthy(10), times=5)
    before = told.rollout.analysis
    told.take(Interrupted(told.now, 2)).take(Resumed(told.now + 100, 10, "bob@ws8"))
    assert told.rollout.analysis == before
    assert told.lines[-2:] == [
        "Resumed by bob@ws8 at 10 %.",
        "Step 1/3: 10 % to world-v2 for 1 min.",
    ]
    told.now += 100
    told.look(healthy(10), times=5)
    assert told.phase() is Phase.PROGRESSING
    assert told.look(healthy(10)).action == SetWeight(50)


def test_a_process_killed_while_it_wrote_is_resumed_where_the_weight_is() -> None:
    # No event says that it ended; the weight may be in force or not.
    told = Told().begin().written().passes()
    assert told.wants() == SetWeight(50)
    done = replayed(PLAN, told.events).take(Resumed(told.now, 50, "bob@ws8"))
    # Pulumi's state may not know it yet.
    assert done.action == SetWeight(50)
    done = done.rollout.take(InForce(told.now, 50, 8))
    assert (done.rollout.step, done.rollout.weight) == (1, 50)
    not_done = replayed(PLAN, told.events).take(Resumed(told.now, 10, "bob@ws8"))
    assert (not_done.rollout.step, not_done.rollout.weight) == (0, 10)


def test_an_update_that_outlives_its_rollout_is_no_foreign_change() -> None:
    told = Told().begin().written().passes()
    assert told.wants() == SetWeight(50)
    resumed = Told()
    resumed.rollout = replayed(PLAN, told.events)
    resumed.take(Resumed(told.now, 10, "bob@ws8"))
    assert resumed.rollout.tried == 50
    resumed.look(healthy(10))
    resumed.take(NotDone(told.now + 20, "its update did not come to its end here", in_force=50))
    resumed.look(healthy(50))
    assert resumed.wants() == SetWeight(50)
    assert resumed.written().rollout.tried is None


FINE = Plan("world", "world-v1", "world-v2", LIMITS, (1, 5, 10, 100))


@pytest.mark.parametrize("in_force", [1, 100])
@pytest.mark.parametrize("wish", [Wish.PROMOTE, Wish.FULL])
def test_promote_after_a_full_promotion_that_was_killed_goes_on_with_it(
    in_force: float, wish: Wish
) -> None:
    """Its update may have written 100 %, or do it yet: 5 % would be less, and 100 % another's."""
    told = Told(FINE).begin().written().wish(Wish.FULL)
    assert told.wants() == SetWeight(100)
    told.take(Resumed(told.now, in_force, "bob@ws8")).wish(wish)
    assert told.wants() == SetWeight(100)
    assert told.last == "1 %: accepted by anna@ws7 after 0 s. On to 100 %."
    assert told.written().rollout.is_last


@pytest.mark.parametrize("in_force", [1, 5])
def test_a_full_promotion_after_a_step_that_was_killed_finishes_that_first(in_force: float) -> None:
    told = Told(FINE).begin().written().wish(Wish.PROMOTE)
    assert told.wants() == SetWeight(5)
    told.take(Resumed(told.now, in_force, "bob@ws8")).wish(Wish.FULL)
    assert told.wants() == SetWeight(5)
    told.not_written("the stack is locked").look(NOTHING)
    assert told.wants() == SetWeight(5)
    assert told.written().wants() == SetWeight(100)
    assert told.last == "5 %: the last step was wished. On to 100 %."
    told.not_written("the stack is locked").look(NOTHING)
    assert told.wants() == SetWeight(100)
    assert told.written().rollout.is_last


@pytest.mark.parametrize("is_unfinished", [False, True])
def test_an_update_may_outlive_more_than_one_process(is_unfinished: bool) -> None:
    told = Told(FINE).begin()
    if is_unfinished:
        told.take(NotDone(told.now, "node-2 does not follow", in_force=1))
    else:
        told.written()
    told.wish(Wish.PROMOTE)
    for by in ("bob@ws8", "carl@ws9"):
        told.take(Resumed(told.now, 1, by))
        assert told.rollout.tried == 5


def test_a_step_without_data_is_left_for_the_one_that_is_being_written() -> None:
    plan = replace(FINE, limits=replace(LIMITS, on_no_data="go"))
    told = Told(plan).begin().written().wish(Wish.FULL)
    told.take(Resumed(told.now, 1, "bob@ws8")).look(NOTHING, times=6)
    assert told.wants() == SetWeight(100)


def test_going_back_is_resumed_as_going_back() -> None:
    told = Told().begin().written().look(FAILING).take(Interrupted(1020, 15))
    told.take(Resumed(2000, 10, "bob@ws8"))
    assert told.wants() == SetWeight(0)
    assert told.written().look(NOTHING).action == End(exits.FAILED)


def test_what_is_over_is_not_resumed() -> None:
    told = Told().begin(100).passes()
    assert not told.rollout.can_resume
    with pytest.raises(ValueError, match="over"):
        told.rollout.take(Resumed(0, 100, "bob@ws8"))
    with pytest.raises(ValueError, match="after the end"):
        told.rollout.take(Interrupted(0, 2))


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        (healthy(10), exits.DONE, "10 %: passed, 600 requests"),
        (FAILING, exits.FAILED, "A rollout would go back to 0 %."),
        (NOTHING, exits.HELD, "Held for 2 min"),
    ],
)
def test_observing_judges_and_changes_nothing(what: Stratum, code: int, said: str) -> None:
    told = Told(replace(PLAN, steps=(10,), observes=True)).begin(10)
    while not isinstance(told.action, End):
        told.look(what)
    assert told.wants() == End(code)
    assert said in told.last


def test_what_linkerds_leave_out_is_told_once() -> None:
    told = Told().begin().written()
    for left_out in ({"node-2": "restarted"}, {"node-2": "restarted"}, {}, {"node-3": "gone"}):
        told.now += 10
        told.take(Looked(told.now, (healthy(10),), left_out))
    assert told.lines[1:] == [
        "linkerd on node-2 restarted: its requests since the last look are left out.",
        "linkerd on node-3 is gone.",
    ]


def all_paths() -> Iterable[Told]:
    yield Told().begin().written().passes().not_written().look(healthy(10)).written()
    yield Told().begin().written().look(FAILING).written().look(NOTHING)
    yield Told().begin().written().look(NOTHING, times=7).wish(Wish.FULL)


@pytest.mark.parametrize("told", list(all_paths()))
def test_the_same_events_give_the_same_rollout(told: Told) -> None:
    again = [events.decode(events.encode(event)) for event in told.events]
    assert again == told.events
    assert replayed(PLAN, again) == told.rollout


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(42.4, "42 s"), (60, "1 min"), (130, "2 min 10 s"), (3600, "1 h"), (3900, "1 h 5 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert wording.duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0.412, "0.41"), (12.3, "12"), (5123, "5,100"), (1e9, "over 1,000,000")]
)
def test_evidence(value: float, said: str) -> None:
    assert wording.evidence(value) == said
