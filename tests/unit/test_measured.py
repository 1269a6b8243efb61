"""Traffic by version, off readings of several linkerds."""

import math
import random

import pytest

from canary.analysis.strata import Counts, Latency, Reading, Version
from canary.counters import measured, quantiles
from canary.counters.reading import Seen
from tests.harness.versions import together, version

P = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)


def window(values: list[int]) -> Latency:
    """As linkerd shows them: the order statistic of rank p·n, rounded half up."""
    ordered = sorted(values)
    ranks = {p: min(max(math.floor(p * len(values) + 0.5), 1), len(values)) for p in P}
    return Latency(len(values), sum(values), {p: ordered[rank - 1] for p, rank in ranks.items()})


def seen(at: float, *readings: Reading) -> Seen:
    return Seen(at, readings)


def reading(node: str, started: float = 1.0, **versions: Version) -> Reading:
    return Reading(node, 0.0, started, versions)


def test_one_look_tells_rate_and_share_of_the_window_and_success_since_the_start() -> None:
    one = version(1000, 5, latency=window([3] * 180))
    other = version(100, 0, pending=2, refused=1, latency=window([4] * 20))
    found = measured.now(
        seen(0.0, reading("a", v1=one, v2=other), reading("b", v1=one)), ("v1", "v2")
    )
    assert found.since_start
    assert found.seconds == 10
    assert found.rated == 380
    v1, v2 = found.by_name["v1"], found.by_name["v2"]
    assert (v1.rated, v1.per_second, v1.counts) == (360, 36.0, Counts(2000, 10))
    assert (v2.rated, v2.per_second, v2.pending, v2.refused) == (20, 2.0, 2, 1)


def test_the_windows_of_all_names_count() -> None:
    """Rate and share rest on all of them, and a quantile is over all."""
    fast = version(900, 0, latency=window([20] * 60))
    slow = version(700, 7, latency=window([60] * 40), service="svc/world:7778")
    found = measured.now(seen(0.0, reading("a", v1=together(fast, slow), v2=slow)), ("v1", "v2"))
    v1 = found.by_name["v1"]
    assert (v1.rated, v1.per_second, v1.counts) == (100, 10.0, Counts(1600, 7))
    assert (v1.median_ms, v1.high, v1.high_ms) == (20, 0.9, 60)
    assert found.rated == 140


def test_between_two_looks_the_counters_growth_counts() -> None:
    first = seen(0.0, reading("a", v1=version(1000, 5, refused=4)))
    last = seen(20.0, reading("a", v1=version(1100, 7, refused=5), v2=version(10, 1)))
    found = measured.between(first, last, ("v1", "v2"))
    assert not found.since_start
    assert found.by_name["v1"].counts == Counts(100, 2)
    assert found.by_name["v1"].per_second == 5.0
    assert found.by_name["v1"].refused == 1
    assert found.by_name["v2"].counts == Counts(10, 1)


@pytest.mark.parametrize(
    "after",
    [
        reading("a", started=2.0, v1=version(2000, 5)),
        reading("a", v1=version(10, 0)),
        reading("a", v1=version(2000, 0)),
        reading("a"),
        reading("a", v1=version(2000, 5, service="svc/world:7778")),
        reading("b", v1=version(2000, 5)),
    ],
    ids=[
        "restarted",
        "requests fell",
        "failures fell",
        "version gone",
        "series gone",
        "another node",
    ],
)
def test_a_linkerd_that_began_anew_is_left_out(after: Reading) -> None:
    before = reading("a", v1=version(1000, 5))
    steady, later = reading("c", v1=version(10, 0)), reading("c", v1=version(30, 0))
    found = measured.between(seen(0.0, before, steady), seen(10.0, after, later), ("v1",))
    assert found.by_name["v1"].counts == Counts(20, 0)
    assert found.left_out == (after.node,)


def test_a_failure_counted_before_its_request_makes_no_more_failures_than_requests() -> None:
    first, last = reading("a", v1=version(10, 0)), reading("a", v1=version(10, 1))
    assert measured.between(seen(0, first), seen(1, last), ("v1",)).by_name["v1"].counts == Counts(
        0, 0
    )


def test_no_time_between_two_looks_is_no_rate() -> None:
    same = seen(5.0, reading("a", v1=version(10, 0)))
    assert measured.between(same, same, ("v1",)).by_name["v1"].per_second == 0.0


def test_a_high_quantile_takes_ten_requests_beyond_it() -> None:
    assert [quantiles.highest(n) for n in (1000, 999, 200, 199, 100, 99)] == [
        0.99, 0.95, 0.95, 0.9, 0.9, None,
    ]  # fmt: skip


def test_of_one_linkerd_a_quantile_is_its_own() -> None:
    one = window(list(range(1, 1001)))
    assert quantiles.at_most([one], 0.5) == 500
    assert quantiles.at_most([one], 0.99) == 990
    assert quantiles.at_most([], 0.5) is None


def test_of_several_linkerds_it_is_never_too_low() -> None:
    drawn = random.Random(4)
    for _ in range(200):
        nodes = [
            [int(drawn.lognormvariate(3, 0.6)) for _ in range(drawn.randint(1, 300))]
            for _ in range(drawn.randint(2, 5))
        ]
        everything = sorted(each for node in nodes for each in node)
        for p in (0.5, 0.9, 0.99):
            true = everything[max(math.floor(p * len(everything) + 0.5), 1) - 1]
            bound = quantiles.at_most(map(window, nodes), p)
            assert bound is not None
            assert true <= bound <= everything[-1]
