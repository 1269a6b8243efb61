"""canary.analysis on simulated rollouts: how many it ends without cause, and how fast with one."""

import statistics

import pytest

from bench.latencies import Slow, seconds_to_end
from bench.rollouts import End, Ours, Rollout, Traffic, run
from canary.analysis.limits import Limits

pytestmark = pytest.mark.long

GO = Limits(on_no_data="go")
"""Each step takes a minute, so that all weights are seen: by default the first waits for data."""


def ends(number: int, traffic: Traffic, limits: Limits = GO) -> list[End]:
    return [run(rollout, Ours(limits)) for rollout in Rollout.some(number, traffic)]


def seconds(found: list[End]) -> float:
    """The median until they were ended, of all: some may not have been."""
    return statistics.median(end.seconds if end.was_ended else float("inf") for end in found)


@pytest.mark.parametrize("outages", [False, True])
def test_of_2000_healthy_rollouts_at_most_1_percent_are_ended(outages: bool) -> None:
    found = ends(2000, Traffic(20, baseline=0.002, canary=0.002, outages=outages))
    assert sum(end.was_ended for end in found) <= 20
    if not outages:
        assert all(end.reached == 100 for end in found)


def test_at_the_edge_of_the_margin_at_most_1_percent_are_ended() -> None:
    limits = Limits(on_no_data="go", min_success_rate=80, min_effect_points=0)
    found = ends(400, Traffic(100, baseline=0.02, canary=0.0297), limits)
    assert sum(end.was_ended for end in found) <= 4


@pytest.mark.parametrize("limits", [Limits(), GO])
def test_where_both_versions_break_the_limit_the_canary_is_not_blamed(limits: Limits) -> None:
    found = ends(50, Traffic(20, baseline=0.03, canary=0.03), limits)
    assert sum(end.was_ended for end in found) <= 1


def test_a_baseline_that_keeps_the_limit_excuses_no_canary_that_is_bad_alone() -> None:
    """By little traffic it seems to break it now and then: as many are ended as without it."""
    found = ends(100, Traffic(2, baseline=0.009, canary=0.05, bad_from=100))
    unheeded = ends(100, Traffic(2, baseline=0.0, canary=0.05, bad_from=100))
    assert sum(end.was_ended for end in found) >= sum(end.was_ended for end in unheeded) > 0


@pytest.mark.parametrize(("rate", "limit"), [(0.2, 90), (0.05, 180)])
def test_a_bad_canary_is_ended_in_time(rate: float, limit: int) -> None:
    found = ends(300, Traffic(20, baseline=0.001, canary=rate))
    assert seconds(found) <= limit
    assert all(end.was_ended for end in found)


def test_a_canary_that_fails_each_fifth_request_is_ended_in_time_while_a_step_waits_for_data() -> (
    None
):
    found = ends(300, Traffic(20, baseline=0.001, canary=0.2), Limits())
    assert seconds(found) <= 90
    assert statistics.median(end.lost for end in found) <= 4


def test_a_regression_that_begins_at_25_percent_is_ended_within_a_minute() -> None:
    found = ends(200, Traffic(20, baseline=0.001, canary=0.05, bad_from=25))
    assert seconds(found) <= 240
    assert {end.reached for end in found} <= {25, 50}


def test_of_100_rollouts_as_fast_as_the_baseline_none_is_ended() -> None:
    assert [seconds_to_end(seed, Slow()) for seed in range(100)] == [None] * 100


@pytest.mark.parametrize("per_second", [60, 200])
def test_callers_with_two_names_for_the_service_end_no_rollout(per_second: float) -> None:
    """Each asks for something else, and takes another time for it."""
    names = ((0.55, 20.0), (0.45, 100.0))
    found = [seconds_to_end(seed, Slow(), per_second, names=names) for seed in range(20)]
    assert found == [None] * 20


def test_a_slow_canary_of_callers_with_two_names_is_ended_in_time() -> None:
    names = ((0.55, 20.0), (0.45, 100.0))
    found = [seconds_to_end(seed, Slow(factor=3), names=names) for seed in range(40)]
    assert statistics.median(each or float("inf") for each in found) <= 120


@pytest.mark.parametrize(
    ("slow", "limit"), [(Slow(factor=3), 90), (Slow(factor=2), 210), (Slow(part=0.2), 210)]
)
def test_a_slow_canary_is_ended_in_time(slow: Slow, limit: int) -> None:
    found = [seconds_to_end(seed, slow) for seed in range(40)]
    assert statistics.median(each or float("inf") for each in found) <= limit
