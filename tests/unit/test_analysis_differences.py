"""canary.analysis.differences: what two readings of counters come to, or why nothing."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from canary.analysis.differences import ANY, Differences, Look, Reason
from canary.analysis.limits import Limits
from canary.analysis.strata import Compared, Counts, Latency, Reading, Slower, Stratum, Version
from tests.harness.versions import together, version

V1, V2 = "#/io.l5d.k8s/hello/http/world-v1", "#/io.l5d.k8s/hello/http/world-v2"


def reading(
    baseline: Version | None, canary: Version | None, node: str = "node-1", started: float = 1
) -> Reading:
    given = {V1: baseline, V2: canary}
    return Reading(node, 0, started, {name: each for name, each in given.items() if each})


def looks(*some: Sequence[Reading], nodes: Sequence[str] = ("node-1",)) -> list[Look]:
    differences, found = Differences(Limits(scrape_errors=2), V1, V2), []
    for readings in some:
        differences, look = differences.look(readings, nodes)
        found.append(look)
    return found


def last(*some: Reading) -> Stratum | Reason:
    """What comes of the last of one linkerd's readings."""
    look = looks(*([each] for each in some))[-1]
    return look.left_out["node-1"] if look.left_out else look.strata[0]


FIRST = reading(version(1000, 5), version(100, 2))


def test_a_stratum_is_what_the_counters_grew_by() -> None:
    found = last(FIRST, reading(version(1180, 6), version(120, 4)))
    assert found == Stratum("node-1", Counts(180, 1), Counts(20, 2))


def test_of_a_first_reading_nothing_is_known() -> None:
    assert last(FIRST) is Reason.FIRST


def test_a_restart_is_left_out_and_counted_from_then_on() -> None:
    restarted = reading(version(2000, 5), version(200, 2), started=2)
    assert last(FIRST, restarted) is Reason.RESTARTED
    after = reading(version(2010, 5), version(201, 2), started=2)
    assert last(FIRST, restarted, after) == Stratum("node-1", Counts(10, 0), Counts(1, 0))


@pytest.mark.parametrize(
    "fell",
    [
        reading(version(999, 5), version(120, 2)),
        reading(version(1180, 5), version(20, 2)),
        reading(version(1180, 4), version(120, 2)),
        reading(version(1180, 5), None),
    ],
)
def test_counters_that_fell_are_left_out_and_counted_from_then_on(fell: Reading) -> None:
    assert last(FIRST, fell) is Reason.FELL
    assert last(FIRST, fell, fell) == Stratum("node-1", Counts(0, 0), Counts(0, 0))


def test_a_series_that_was_dropped_does_not_hide_behind_another() -> None:
    """1,000 and 150 requests under two names, and then 1,200 under one: not 50 more."""
    often, seldom = version(1000, 10), version(150, 0, service="svc/world:7778")
    before = reading(version(9000, 90), together(often, seldom))
    after = reading(version(9100, 91), version(1200, 12))
    assert last(before, after) is Reason.FELL
    again = reading(version(9200, 92), together(version(1300, 13), seldom))
    assert last(before, after, again) == Stratum("node-1", Counts(100, 1), Counts(250, 1))


@pytest.mark.parametrize(
    "fell", [version(149, 0, service="svc/b"), version(150, 0, service="svc/b")]
)
def test_a_counter_that_fell_does_not_hide_behind_another(fell: Version) -> None:
    before = together(version(1000, 10), version(150, 1, service="svc/b"))
    found = last(reading(None, before), reading(None, together(version(1200, 12), fell)))
    assert found is Reason.FELL


def test_the_growths_of_all_series_add_up() -> None:
    """One of them has a failure before its request, which the other's requests do not take."""
    before = together(version(1000, 10), version(150, 1, service="svc/b"))
    early = together(version(1010, 10), version(150, 2, service="svc/b"))
    late = together(version(1010, 10), version(151, 2, service="svc/b"))
    readings = [reading(None, each) for each in (before, early, late)]
    assert last(*readings[:2]) == Stratum("node-1", Counts(0, 0), Counts(10, 0))
    assert last(*readings) == Stratum("node-1", Counts(0, 0), Counts(1, 1))


def test_a_version_that_was_never_used_has_counted_nothing() -> None:
    found = last(reading(version(10, 0), None), reading(version(20, 0), None))
    assert found == Stratum("node-1", Counts(10, 0), Counts(0, 0))


def test_a_series_that_begins_counts_from_0() -> None:
    found = last(reading(version(10, 0), None), reading(version(20, 0), version(5, 1)))
    assert found == Stratum("node-1", Counts(10, 0), Counts(5, 1))


def test_the_first_failure_counts() -> None:
    found = last(reading(version(9, 0), version(9, 0)), reading(version(9, 0), version(11, 1)))
    assert found == Stratum("node-1", Counts(0, 0), Counts(2, 1))


def test_a_failure_read_before_its_request_counts_with_its_request() -> None:
    early, late = (reading(version(1000, 5), version(n, 3)) for n in (100, 101))
    assert last(FIRST, early) == Stratum("node-1", Counts(0, 0), Counts(0, 0))
    assert last(FIRST, early, late) == Stratum("node-1", Counts(0, 0), Counts(1, 1))


def test_zero_traffic_is_a_stratum_of_nothing() -> None:
    assert last(FIRST, FIRST) == Stratum("node-1", Counts(0, 0), Counts(0, 0))


def test_what_waits_and_what_was_refused_is_told() -> None:
    canary = version(100, 2, pending=34, refused=9)
    before = reading(version(1000, 5, pending=8), version(100, 2, pending=1, refused=2))
    found = last(before, reading(version(1000, 5, pending=3), canary))
    assert isinstance(found, Stratum)
    assert (found.baseline_waiting, found.canary_waiting, found.refused) == (3, 34, 7)
    assert (found.baseline_waited, found.canary_waited) == (8, 1)


# Linkerds that come, go and do not answer

TWO = ("node-1", "node-2")


def of(node: str, requests: int) -> Reading:
    return reading(version(requests, 0), version(requests, 0), node)


def test_a_new_linkerd_counts_from_its_second_reading() -> None:
    found = looks(
        [of("node-1", 1)],
        [of("node-1", 2), of("node-2", 7)],
        [of("node-1", 3), of("node-2", 9)],
    )
    assert found[1].left_out == {"node-2": Reason.FIRST}
    assert [stratum.node for stratum in found[1].strata] == ["node-1"]
    assert found[2].strata[1] == Stratum("node-2", Counts(2, 0), Counts(2, 0))


def test_a_linkerd_that_is_gone_is_told_once() -> None:
    both = [of("node-1", 1), of("node-2", 1)]
    found = looks(both, [of("node-1", 2)], [of("node-1", 3)])
    assert [look.left_out for look in found[1:]] == [{"node-2": Reason.GONE}, {}]
    assert found[1].unread == ()


def test_a_missed_look_is_made_up_for_by_the_next() -> None:
    both = [of("node-1", 1), of("node-2", 1)]
    found = looks(both, [of("node-1", 2)], [of("node-1", 3), of("node-2", 5)], nodes=TWO)
    assert found[1].unread == ("node-2",)
    assert found[2].strata[1] == Stratum("node-2", Counts(4, 0), Counts(4, 0))
    assert found[2].unread == ()


def test_a_linkerd_without_metrics_for_long_no_longer_stops_the_others() -> None:
    both = [of("node-1", 1), of("node-2", 1)]
    found = looks(both, [of("node-1", 2)], [of("node-1", 3)], nodes=TWO)
    assert found[1].left_out == {"node-2": Reason.UNREAD}
    assert found[2].left_out == {"node-2": Reason.LOST}
    assert found[2].unread == ()


def test_if_no_linkerd_can_be_read_nothing_passes() -> None:
    found = looks([of("node-1", 1)], [], [], [])
    assert [look.unread for look in found[1:]] == [("node-1",)] * 3


def test_if_no_linkerd_is_there_nothing_passes() -> None:
    """None is ready: whether they have gone or only do not answer, nobody looks."""
    found = looks([of("node-1", 1)], [], [], nodes=())
    assert [look.unread for look in found[1:]] == [("node-1",), (ANY,)]


def test_no_stratum_reaches_across_a_weight() -> None:
    differences = Differences(Limits(), V1, V2)
    differences, _ = differences.look([of("node-1", 1)], ["node-1"])
    differences, look = differences.begin().look([of("node-1", 8)], ["node-1"])
    assert look == Look((), {"node-1": Reason.FIRST})
    _, look = differences.look([of("node-1", 9)], ["node-1"])
    assert look.strata == (Stratum("node-1", Counts(1, 0), Counts(1, 0)),)


# Read from Prometheus


def scraped(node: str, requests: int, scrape: float) -> Reading:
    return replace(of(node, requests), scrape=scrape)


def test_a_scrape_that_is_read_twice_counts_once() -> None:
    found = looks(
        [scraped("node-1", 1, 0)],
        [scraped("node-1", 2, 15)],
        [scraped("node-1", 2, 15)],
        [scraped("node-1", 5, 30)],
    )
    assert found[2] == Look((), {})
    assert found[3].strata == (Stratum("node-1", Counts(3, 0), Counts(3, 0)),)


def test_a_scrape_of_before_the_last_is_that_of_another_prometheus_and_does_not_count() -> None:
    found = looks(*([scraped("node-1", n, at)] for n, at in ((1, 0), (2, 15), (1, 14), (5, 29))))
    assert found[2] == Look((), {})
    assert found[3].strata == (Stratum("node-1", Counts(3, 0), Counts(3, 0)),)


def test_a_scrape_of_before_the_weight_does_not_count() -> None:
    """It is the newest when the weight has come into force, seen before or not."""
    differences = Differences(Limits(), V1, V2)
    for n, scrape in ((1, 0), (2, 15), (3, 30)):
        differences, look = differences.look([scraped("node-1", n, scrape)], ["node-1"])
    assert look.strata
    differences, look = differences.begin().look([scraped("node-1", 100, 45)], ["node-1"])
    assert look == Look((), {})
    differences, look = differences.look([scraped("node-1", 200, 60)], ["node-1"])
    assert look == Look((), {"node-1": Reason.FIRST})
    differences, look = differences.look([scraped("node-1", 201, 75)], ["node-1"])
    assert look.strata == (Stratum("node-1", Counts(1, 0), Counts(1, 0)),)


def test_linkerds_that_are_scraped_at_different_moments_are_looked_at_together() -> None:
    found = looks(
        [scraped("node-1", 1, 0), scraped("node-2", 1, 7)],
        [scraped("node-1", 2, 15), scraped("node-2", 2, 22)],
        [scraped("node-1", 5, 30), scraped("node-2", 2, 22)],
        [scraped("node-1", 5, 30), scraped("node-2", 9, 37)],
        nodes=TWO,
    )
    assert found[2] == Look((), {})
    assert found[3].strata == (
        Stratum("node-1", Counts(3, 0), Counts(3, 0)),
        Stratum("node-2", Counts(7, 0), Counts(7, 0)),
    )


def test_one_that_is_not_read_is_told_at_every_look_and_nobody_waits_for_it() -> None:
    both = [scraped("node-1", 1, 0), scraped("node-2", 1, 7)]
    alone = [[scraped("node-1", n, at)] for n, at in ((2, 15), (3, 30), (3, 30), (5, 45))]
    found = looks(both, *alone, nodes=TWO)
    assert [look.left_out for look in found[2:]] == [{"node-2": Reason.LOST}] * 3
    assert [len(look.strata) for look in found[2:]] == [1, 0, 1]


# Latency windows


def window(count: int, p50: float, most: float) -> Latency:
    return Latency(count, count * p50, {0.0: p50, 0.5: p50, 0.95: p50, 1.0: most})


def at(number: int, baseline: Latency | None, canary: Latency | None) -> Reading:
    requests = 100 * number
    return reading(version(requests, 0, latency=baseline), version(requests, 0, latency=canary))


USUAL = [at(n, window(90 + n, 20, 30), window(10 + n, 20, 30)) for n in range(3)]


def test_a_window_is_held_against_the_usual_and_against_the_limit() -> None:
    found = last(*USUAL, at(3, window(100, 20, 40), window(40, 90, 600)))
    assert isinstance(found, Stratum)
    # More than 25 ms, 5 over the baseline's p95 of 20, and more than 500.
    assert found.relative == Compared(Slower(100, 1, 5), Slower(40, 40, 40))
    assert found.absolute == Compared(Slower(100, 0, 0), Slower(40, 1, 2))


def test_a_window_read_twice_counts_once() -> None:
    [*_, third] = USUAL
    again = replace(third, at=1)
    found = last(*USUAL, again)
    assert isinstance(found, Stratum)
    assert (found.relative, found.absolute) == (None, None)


def test_the_window_that_began_before_the_weight_does_not_count() -> None:
    first, second, third = (last(*USUAL[: n + 1]) for n in range(3))
    assert first is Reason.FIRST
    assert isinstance(second, Stratum)
    assert second.absolute is None
    assert isinstance(third, Stratum)
    assert third.absolute == Compared(Slower(92, 0, 0), Slower(12, 0, 0))


def test_a_version_without_requests_in_a_window_has_none_slower() -> None:
    found = last(*USUAL, at(3, window(100, 20, 40), None))
    assert isinstance(found, Stratum)
    assert found.absolute == Compared(Slower(100, 0, 0), Slower(0, 0, 0))


def test_a_window_does_not_set_its_own_limit() -> None:
    found = last(*USUAL, at(3, window(100, 90, 90), window(10, 90, 90)))
    assert isinstance(found, Stratum)
    assert found.relative == Compared(Slower(100, 100, 100), Slower(10, 10, 10))


def two_names(number: int, v1: tuple[int, int], v2: tuple[int, int]) -> Reading:
    """Windows of requests under two names, of which the second takes 60 ms and the first 20."""
    versions = [
        together(
            version(number * 100, 0, latency=window(fast, 20, 30)),
            version(number * 100, 0, latency=window(slow, 60, 90), service="svc/world.hello-world"),
        )
        for fast, slow in (v1, v2)
    ]
    return reading(versions[0], versions[1])


def test_versions_are_compared_under_the_same_name() -> None:
    """Of v1 the first name had most requests, and of v2 the second: neither is slower."""
    some = [two_names(n, (60 + n, 40), (10, 60)) for n in range(4)]
    found = last(*some)
    assert isinstance(found, Stratum)
    # The slowest of each window are beyond 25 ms, under the second name beyond 72 ms.
    assert found.relative == Compared(Slower(103, 2, 5), Slower(70, 1, 3))
    assert found.absolute == Compared(Slower(103, 0, 0), Slower(70, 0, 0))


def test_a_name_that_the_baseline_has_had_no_window_of_has_no_usual_latency() -> None:
    new = version(5, 0, latency=window(5, 900, 900), service="svc/new")
    versions = at(3, window(99, 20, 20), None).versions
    found = last(*USUAL, reading(versions[V1], together(versions[V2], new)))
    assert isinstance(found, Stratum)
    assert found.relative == Compared(Slower(99, 0, 0), Slower(0, 0, 0))
    assert found.absolute == Compared(Slower(99, 0, 0), Slower(5, 5, 5))


def test_what_was_usual_before_a_restart_is_not_for_the_new_linkerd() -> None:
    restarted = [replace(at(n, window(90 + n, 200, 300), None), started=2) for n in range(3)]
    found = last(*USUAL, *restarted)
    assert isinstance(found, Stratum)
    assert found.relative == Compared(Slower(92, 1, 5), Slower(0, 0, 0))
