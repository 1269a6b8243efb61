"""canary.analysis: what a rollout's looks come to."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.analysis.analysis import Analysis
from canary.analysis.limits import Limits
from canary.analysis.missed import Sizes, smallest_seen
from canary.analysis.share import Share
from canary.analysis.strata import Compared, Counts, Slower, Stratum
from canary.analysis.verdict import Kind, Verdict

LIMITS = Limits()
STEPS = (10.0, 50.0, 100.0)

Log = Sequence[tuple[int, list[Stratum]]]
"""The looks of a rollout, each with its step: what a journal keeps."""


def look(baseline: Counts, canary: Counts) -> list[Stratum]:
    return [Stratum("node-1", baseline, canary)]


def after(log: Log, limits: Limits = LIMITS, steps: tuple[float, ...] = STEPS) -> Analysis:
    return resumed(Analysis(limits, steps), log)


def resumed(analysis: Analysis, log: Log) -> Analysis:
    for step, strata in log:
        analysis = analysis.begin(step).look(strata)
    return analysis


def verdict_of(looks: list[list[Stratum]], limits: Limits = LIMITS) -> Verdict:
    return after([(0, strata) for strata in looks], limits).verdict()


HEALTHY = look(Counts(180, 0), Counts(20, 0))


def test_a_healthy_canary_passes() -> None:
    found = verdict_of([HEALTHY] * 6)
    assert found.kind is Kind.PASS
    assert (found.baseline, found.canary) == (Counts(1080, 0), Counts(120, 0))
    assert found.share == Share(1200, 120)
    assert found.failed is None


def test_a_canary_worse_than_the_baseline_fails_with_the_numbers() -> None:
    found = verdict_of([look(Counts(180, 1), Counts(20, 4))] * 2)
    assert found.kind is Kind.FAIL
    assert found.failed
    assert (found.failed.name, found.failed.against) == ("success", "baseline")
    assert found.failed.canary == Counts(40, 8)
    assert found.failed.baseline == Counts(360, 2)
    assert found.failed.evidence > 400


def test_a_canary_fails_without_waiting_for_enough_requests() -> None:
    found = verdict_of([look(Counts(180, 0), Counts(10, 6))])
    assert found.kind is Kind.FAIL


def test_a_difference_too_small_to_matter_does_not_fail() -> None:
    log = [look(Counts(900_000, 900), Counts(100_000, 300))]
    assert verdict_of(log).kind is Kind.PASS
    assert verdict_of(log, replace(LIMITS, min_effect_points=0.1)).kind is Kind.FAIL


def test_a_baseline_that_is_just_as_bad_is_not_the_canary() -> None:
    found = verdict_of([look(Counts(180, 14), Counts(20, 2))] * 6)
    assert found.kind is Kind.BOTH
    assert found.failed is None


def test_both_bad_is_over_with_the_outage() -> None:
    outage, fine = look(Counts(180, 54), Counts(20, 6)), HEALTHY
    assert verdict_of([outage] * 6 + [fine] * 5).kind is Kind.BOTH
    assert verdict_of([outage] * 6 + [fine] * 6).kind is Kind.PASS


def test_a_canary_that_mends_what_the_baseline_breaks_goes_on() -> None:
    assert verdict_of([look(Counts(180, 14), Counts(20, 0))] * 6).kind is Kind.PASS


def test_a_canary_that_is_worse_in_an_outage_fails_still() -> None:
    assert verdict_of([look(Counts(180, 14), Counts(20, 12))] * 6).kind is Kind.FAIL


def test_at_100_percent_the_limit_alone_judges() -> None:
    fine = [(0, HEALTHY), (2, look(Counts(0, 0), Counts(200, 1)))]
    assert after(fine).verdict().kind is Kind.PASS
    found = after([*fine, (2, look(Counts(0, 0), Counts(200, 20)))]).verdict()
    assert found.kind is Kind.FAIL
    assert found.failed
    assert (found.failed.against, found.failed.baseline) == ("limit", None)


BOTH_AT_3_PERCENT = [look(Counts(100, 3), Counts(100, 3))] * 20


def test_a_limit_that_the_baseline_breaks_too_does_not_fail_where_it_was_kept_by_chance() -> None:
    """Of 100 requests one in a hundred fails now and then, though three do in the long run."""
    lucky = look(Counts(100, 1), Counts(100, 5))
    log = [(1, strata) for strata in [*BOTH_AT_3_PERCENT, *[lucky] * 6]]
    assert after(log).verdict().kind is Kind.BOTH
    alone = after([(1, lucky)] * 6).verdict()
    assert alone.kind is Kind.FAIL
    assert alone.failed
    assert alone.failed.against == "limit"


def test_at_100_percent_it_is_remembered_that_the_baseline_broke_the_limit() -> None:
    before = [(1, strata) for strata in BOTH_AT_3_PERCENT]
    as_before = [(2, look(Counts(0, 0), Counts(200, 6)))] * 20
    found = after([*before, *as_before]).verdict()
    assert found.kind is Kind.BOTH
    assert found.failed is None
    assert found.shared
    assert found.shared.canary == Counts(4000, 120)
    assert found.shared.shared
    assert found.shared.shared.baseline == Counts(2000, 60)
    assert found.shared.log_evidence < found.shared.log_limit
    assert found.shared.evidence > 400
    worse = [(2, look(Counts(0, 0), Counts(200, 20)))] * 20
    assert after([*before, *worse]).verdict().kind is Kind.FAIL


@pytest.mark.parametrize("baseline", [Counts(100, 2), Counts(10, 1)])
def test_a_baseline_that_broke_the_limit_by_chance_excuses_nothing(baseline: Counts) -> None:
    """Of 100 requests at 0.9 %, two or more fail in 23 % of cases; of 10, one in 9 %."""
    before = [(1, look(baseline, Counts(100, 1)))]
    alone = [(2, look(Counts(0, 0), Counts(600, 24)))]
    assert after([*before, *alone]).verdict().kind is Kind.FAIL


def test_at_100_percent_an_outage_that_was_over_is_no_excuse() -> None:
    outage = [(1, look(Counts(100, 30), Counts(100, 30)))] * 6
    fine = [(1, look(Counts(100, 0), Counts(100, 0)))] * 6
    worse = [(2, look(Counts(0, 0), Counts(200, 8)))] * 6
    assert after([*outage, *fine]).verdict().kind is Kind.PASS
    assert after([*outage, *fine, *worse]).verdict().kind is Kind.FAIL


def test_a_step_without_a_baseline_changes_nothing_of_what_was_compared() -> None:
    """0.6 % against 0.2 % is less than the points that matter, however much v2 gets alone."""
    compared = [(1, look(Counts(50_000, 100), Counts(50_000, 300)))] * 4
    alone = [(2, look(Counts(0, 0), Counts(200_000, 1200)))]
    assert after(compared).verdict().failed is None
    assert after([*compared, *alone]).verdict().failed is None


def test_a_regression_that_begins_late_is_seen_at_once() -> None:
    fine = [(0, look(Counts(1800, 0), Counts(200, 0)))] * 30
    assert after([*fine, (1, look(Counts(100, 0), Counts(100, 20)))]).verdict().kind is Kind.FAIL


@pytest.mark.parametrize(("requests", "kind"), [(99, Kind.NO_DATA), (100, Kind.PASS)])
def test_too_few_requests_say_nothing(requests: int, kind: Kind) -> None:
    assert verdict_of([look(Counts(9 * requests, 0), Counts(requests, 0))]).kind is kind


def test_no_traffic_is_no_data() -> None:
    assert Analysis(LIMITS, STEPS).begin(0).verdict().kind is Kind.NO_DATA
    assert verdict_of([[]] * 6).kind is Kind.NO_DATA
    assert verdict_of([look(Counts(0, 0), Counts(0, 0))] * 6).kind is Kind.NO_DATA


def test_each_step_needs_requests_of_its_own() -> None:
    log = [(0, HEALTHY)] * 10
    assert after(log).verdict().kind is Kind.PASS
    assert after(log).begin(1).verdict().kind is Kind.NO_DATA


def test_a_share_that_is_not_the_weight_holds() -> None:
    found = verdict_of([look(Counts(960, 0), Counts(40, 0))] * 3)
    assert found.kind is Kind.SHARE
    assert found.share == Share(3000, 120)


def test_the_one_linkerd_with_another_share_is_named() -> None:
    nodes = [Stratum(f"node-{n}", Counts(180, 0), Counts(20, 0)) for n in range(100)]
    stuck = Stratum("node-100", Counts(200, 0), Counts(0, 0))
    found = verdict_of([[*nodes, stuck]] * 6)
    assert found.kind is Kind.SHARE
    assert found.wrong_shares == {"node-100": Share(1200, 0)}


def hanging(
    waiting: int, waited: int = 0, baseline_waiting: int = 0, answered: int = 0
) -> list[Stratum]:
    [stratum] = look(Counts(9 * answered or 180, 0), Counts(answered, 0))
    return [
        replace(
            stratum,
            canary_waiting=waiting,
            canary_waited=waited,
            baseline_waiting=baseline_waiting,
            baseline_waited=baseline_waiting,
        )
    ]


def test_a_canary_that_answers_nothing_hangs() -> None:
    looks = [hanging(8), hanging(20, 8), hanging(34, 20)]
    assert verdict_of(looks[:2]).kind is Kind.NO_DATA
    found = verdict_of(looks)
    assert found.kind is Kind.HANGING
    assert found.waiting == 34


def test_what_does_not_hang() -> None:
    # Too few to be more than slow, though the weight should have brought more.
    assert verdict_of([hanging(2), *[hanging(2, 2)] * 5]).kind is Kind.SHARE
    # Both take half a minute for a request: that is what the service does.
    assert verdict_of([hanging(70, 70, baseline_waiting=700)] * 3).kind is not Kind.HANGING
    assert verdict_of([hanging(20, 20, answered=20)] * 6).kind is Kind.PASS


def long_lived(waited: int, waiting: int, answered: int) -> list[Stratum]:
    """At 100 %: requests to the baseline that were drawn before, some of them answered by now."""
    [stratum] = look(Counts(answered, 0), Counts(200, 0))
    return [replace(stratum, baseline_waited=waited, baseline_waiting=waiting)]


def test_what_waited_when_the_step_began_was_not_drawn_by_its_weight() -> None:
    before = [(0, hanging(5, 5, baseline_waiting=45, answered=20))] * 6
    waiting = [(2, long_lived(50, 50, 0))] * 6
    assert after([*before, *waiting]).verdict().kind is Kind.PASS
    answered = [(2, long_lived(50, 20, 30)), (2, long_lived(20, 0, 20))]
    found = after([*before, *answered]).verdict()
    assert found.kind is Kind.PASS
    assert found.share == Share(400, 400)


def test_what_has_waited_since_the_step_began_was_drawn_by_its_weight() -> None:
    """At 100 % nothing may be drawn to the baseline any more, answered or not."""
    found = after([(2, long_lived(0, 20, 0)), (2, long_lived(20, 40, 0))]).verdict()
    assert found.kind is Kind.SHARE
    assert found.share == Share(440, 400)


def test_a_linkerd_that_was_not_read_lets_nothing_pass() -> None:
    log = after([(0, HEALTHY)] * 6).look(HEALTHY, unread=["node-3", "node-2"])
    assert log.verdict().kind is Kind.UNREAD
    assert log.verdict().unread == ("node-2", "node-3")
    assert log.look(HEALTHY).verdict().kind is Kind.PASS


def slow(relative: Compared | None = None, absolute: Compared | None = None) -> list[Stratum]:
    [healthy] = HEALTHY
    return [replace(healthy, relative=relative, absolute=absolute)]


def test_a_slow_canary_fails_by_the_brackets_ends_that_speak_for_it() -> None:
    surely = slow(relative=Compared(Slower(180, 0, 9), Slower(20, 12, 20)))
    found = verdict_of([surely] * 6)
    assert found.kind is Kind.FAIL
    assert found.failed
    assert (found.failed.name, found.failed.against) == ("latency", "baseline")
    assert found.failed.canary == Counts(120, 72)
    assert found.failed.baseline == Counts(1080, 54)
    perhaps = slow(relative=Compared(Slower(180, 0, 90), Slower(20, 0, 20)))
    assert verdict_of([perhaps] * 6).kind is Kind.PASS


def test_a_canary_over_the_latency_limit_fails_if_the_baseline_is_not() -> None:
    found = verdict_of([slow(absolute=Compared(Slower(180, 0, 1), Slower(20, 2, 20)))] * 6)
    assert found.kind is Kind.FAIL
    assert found.failed
    assert (found.failed.name, found.failed.against) == ("latency", "limit")
    both = slow(absolute=Compared(Slower(180, 18, 20), Slower(20, 2, 20)))
    assert verdict_of([both] * 6).kind is Kind.BOTH


def test_steps_only_go_on() -> None:
    analysis = Analysis(LIMITS, STEPS).begin(1)
    assert analysis.begin(1) is analysis
    for step in (0, 3):
        with pytest.raises(ValueError, match="step"):
            analysis.begin(step)
    with pytest.raises(ValueError, match="no step has begun"):
        Analysis(LIMITS, STEPS).verdict()


def test_a_longer_plan_asks_for_more_evidence() -> None:
    log = [(0, look(Counts(180, 1), Counts(20, 4)))]
    few, many = (after(log, steps=steps).verdict() for steps in (STEPS, tuple(range(1, 31))))
    assert few.checks[0].log_evidence - many.checks[0].log_evidence == pytest.approx(
        math.log(10), abs=0.3
    )


# Properties of the evidence


@st.composite
def strata(draw: st.DrawFn) -> Stratum:
    b, a = draw(st.integers(0, 200)), draw(st.integers(0, 60))
    y, x = draw(st.integers(0, min(b, 9))), draw(st.integers(0, min(a, 9)))
    return Stratum(draw(st.sampled_from("abc")), Counts(b, y), Counts(a, x))


logs = st.lists(
    st.tuples(st.integers(0, 2), st.lists(strata(), min_size=1, max_size=4)), min_size=1, max_size=9
).map(lambda log: sorted(log, key=lambda each: each[0]))


def evidence(analysis: Analysis) -> list[float]:
    return [check.log_evidence for check in analysis.verdict().checks]


@given(logs, st.data())
def test_evidence_is_the_same_over_any_number_of_sessions(log: Log, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(log)))
    before = after(log[:cut])
    assert resumed(before, log[cut:]) == after(log)
    # What a resumed rollout does first is to begin the step that it was in.
    if cut:
        assert resumed(before.begin(log[cut - 1][0]), log[cut:]) == after(log)


@given(st.lists(strata(), min_size=2, max_size=4), logs)
def test_evidence_is_the_same_in_any_order_within_a_step(some: list[Stratum], before: Log) -> None:
    usual, *others = (
        evidence(after([*before, *((2, [stratum]) for stratum in order)]))
        for order in permutations(some)
    )
    assert all(other == pytest.approx(usual, abs=1e-9) for other in others)


@given(logs, st.data())
def test_evidence_rises_with_the_canarys_failures(log: Log, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(log) - 1))
    step, [first, *rest] = log[index]
    if first.canary.failures == first.canary.requests:
        return
    worse = replace(first, canary=Counts(first.canary.requests, first.canary.failures + 1))
    more = [*log[:index], (step, [worse, *rest]), *log[index + 1 :]]
    usual, higher = evidence(after(log)), evidence(after(more))
    # A stratum without baseline says nothing of it, neither before nor after.
    assert higher[0] >= usual[0] - 1e-9


def test_evidence_against_the_limit_rises_with_the_canarys_failures() -> None:
    found = [evidence(after([(0, look(Counts(180, 0), Counts(20, x)))]))[1] for x in range(21)]
    assert found == sorted(found)
    assert found[20] > found[1]


# What could have been missed


def test_what_a_step_would_have_shown() -> None:
    rates = [
        smallest_seen(Sizes(Counts(9 * n, 0), Counts(n, 0), (0.01,) * 3, 6), LIMITS)
        for n in (126, 1000, 10_000)
    ]
    assert all(rates)
    assert rates == sorted(rates, key=lambda rate: -(rate or 0))


@pytest.mark.parametrize("canary", [Counts(0, 0), Counts(1, 0)])
def test_too_few_requests_would_have_shown_nothing(canary: Counts) -> None:
    assert smallest_seen(Sizes(Counts(1000, 0), canary, (0.01,), 6), LIMITS) is None


def test_what_would_have_shown_has_failed_in_nine_of_ten() -> None:
    analysis = after([(0, look(Counts(900, 2), Counts(100, 0)))])
    rate = analysis.smallest_seen()
    assert rate
    fails = [
        after([(0, look(Counts(900, 2), Counts(100, x)))]).verdict().kind is Kind.FAIL
        for x in range(101)
    ]
    chance = sum(
        math.comb(100, x) * rate**x * (1 - rate) ** (100 - x) for x in range(101) if fails[x]
    )
    assert chance == pytest.approx(0.9, abs=0.001)


def test_at_100_percent_what_would_have_shown_is_beyond_what_the_baseline_did() -> None:
    before = [(1, strata) for strata in BOTH_AT_3_PERCENT]
    fine = (2, look(Counts(0, 0), Counts(1200, 20)))
    rate = after([*before, fine]).smallest_seen()
    assert rate
    bad = (2, look(Counts(0, 0), Counts(1200, math.ceil(1200 * rate))))
    assert after([*before, bad]).verdict().kind is Kind.FAIL


def test_a_hundred_linkerds_for_an_hour_take_seconds() -> None:
    """Each look takes as long as the one before: nothing is gone through again."""
    steps = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0)
    analysis, seconds = Analysis(LIMITS, steps), []
    for number in range(360):
        nodes = [
            Stratum(f"node-{n}", Counts(180, (n + number) % 3), Counts(20, (n * number) % 7 == 0))
            for n in range(100)
        ]
        began = time.process_time()
        analysis = analysis.begin(number // 60).look(nodes)
        analysis.verdict()
        seconds.append(time.process_time() - began)
    assert sum(seconds[-60:]) < 5 * sum(seconds[60:120])
    assert sum(seconds) < 60
