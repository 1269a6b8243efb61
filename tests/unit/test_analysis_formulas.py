"""canary.analysis: the formulas against scipy, against exact sums and against tables."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, nchypergeom_fisher

from canary.analysis.absolute import log_evidence
from canary.analysis.beta import log_above
from canary.analysis.latency import meaningful, relative_limit, slower, smoothed
from canary.analysis.odds import RATIOS, log_factors
from canary.analysis.relative import mixture
from canary.analysis.share import Share, wilson
from canary.analysis.strata import Counts, Latency, Slower

MARGIN = 1.5
QUANTILES = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)


@st.composite
def counts(draw: st.DrawFn, most: int = 60) -> Counts:
    requests = draw(st.integers(0, most))
    return Counts(requests, draw(st.integers(0, requests)))


@given(counts(200), counts(80))
def test_factors_are_those_of_scipy(baseline: Counts, canary: Counts) -> None:
    failures = baseline.failures + canary.failures
    attempts = baseline.requests + canary.requests
    found = log_factors(baseline, canary, MARGIN)
    for ratio, log in zip(RATIOS, found, strict=True):
        of = [
            nchypergeom_fisher.logpmf(canary.failures, attempts, canary.requests, failures, odds)
            for odds in (MARGIN * ratio, MARGIN)
        ]
        if math.isfinite(of[0]) and math.isfinite(of[1]):
            assert log == pytest.approx(of[0] - of[1], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("odds", [0.3, 1.0, 1.5])
def test_each_factor_has_a_mean_of_at_most_1_up_to_the_margin(odds: float) -> None:
    for attempts, drawn, failures in ((60, 20, 5), (100, 3, 7), (40, 30, 20), (9, 4, 8)):
        least, most = max(0, failures - attempts + drawn), min(drawn, failures)
        means = [0.0] * len(RATIOS)
        for x in range(least, most + 1):
            chance = nchypergeom_fisher.pmf(x, attempts, drawn, failures, odds)
            factors = log_factors(Counts(attempts - drawn, failures - x), Counts(drawn, x), MARGIN)
            means = [
                mean + chance * math.exp(log) for mean, log in zip(means, factors, strict=True)
            ]
        assert max(means) <= 1 + 1e-9
        if odds == MARGIN:
            assert means == pytest.approx([1.0] * len(RATIOS))


@given(counts(), counts())
def test_evidence_rises_with_the_canarys_failures_and_falls_with_the_baselines(
    baseline: Counts, canary: Counts
) -> None:
    def evidence(more_baseline: int, more_canary: int) -> float:
        return mixture(
            log_factors(
                Counts(baseline.requests, baseline.failures + more_baseline),
                Counts(canary.requests, canary.failures + more_canary),
                MARGIN,
            )
        )

    usual = evidence(0, 0) if baseline.requests and canary.requests else 0.0
    if canary.failures < canary.requests:
        assert evidence(0, 1) >= usual - 1e-9
    if baseline.failures < baseline.requests:
        assert evidence(1, 0) <= usual + 1e-9


def test_a_stratum_of_millions_is_a_number() -> None:
    found = log_factors(Counts(3_000_000, 30_000), Counts(2_000_000, 20_000), MARGIN)
    assert all(math.isfinite(log) and log < 0 for log in found)
    worse = log_factors(Counts(3_000_000, 30_000), Counts(2_000_000, 60_000), MARGIN)
    assert max(worse) > 1000


@pytest.mark.parametrize(("requests", "fewest"), [(20, 4), (100, 8), (200, 11), (1000, 27)])
def test_how_many_failures_break_a_limit_of_1_percent(requests: int, fewest: int) -> None:
    assert log_evidence(requests, fewest, 0.01) >= math.log(400)
    assert log_evidence(requests, fewest - 1, 0.01) < math.log(400)


def test_the_absolute_evidence_has_a_mean_of_at_most_1_up_to_the_limit() -> None:
    for rate in (0.002, 0.05):
        chances = [math.comb(40, x) * rate**x * (1 - rate) ** (40 - x) for x in range(41)]
        evidence = [math.exp(log_evidence(40, x, 0.05)) for x in range(41)]
        mean = math.fsum(c * e for c, e in zip(chances, evidence, strict=True))
        assert mean == pytest.approx(1) if rate == 0.05 else mean < 1


@given(st.floats(0.5, 5000), st.floats(0.5, 5000), st.floats(0.001, 0.999))
def test_the_incomplete_beta_is_that_of_scipy(a: float, b: float, x: float) -> None:
    expected = float(beta.logsf(x, a, b))
    if -600 < expected < -1e-12:
        assert log_above(a, b, x) == pytest.approx(expected, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(0, 0, 0, 1), (0, 100, 0, 0.0370), (10, 100, 0.0552, 0.1744), (100, 100, 0.9630, 1)],
)
def test_wilsons_interval(part: int, whole: int, low: float, high: float) -> None:
    assert wilson(part, whole) == pytest.approx((low, high), abs=1e-4)


def test_wilsons_interval_of_none_begins_at_0_and_of_all_ends_at_1() -> None:
    for whole in range(1, 3000):
        assert wilson(0, whole)[0] == 0.0
        assert wilson(whole, whole)[1] == 1.0


def test_a_share_has_a_mean_evidence_of_1_at_its_weight() -> None:
    chances = [math.comb(50, x) * 0.1**x * 0.9 ** (50 - x) for x in range(51)]
    evidence = [math.exp(Share(50, x).log_evidence(0.1)) for x in range(51)]
    assert math.fsum(map(math.prod, zip(chances, evidence, strict=True))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("share", "weight", "is_wrong"),
    [
        (Share(1200, 125), 0.10, False),
        (Share(1200, 49), 0.10, True),
        (Share(10, 0), 0.10, False),
        (Share(10**8, 10**7 + 10**5), 0.10, False),
        (Share(1000, 1000), 1.0, False),
        (Share(10_000, 9_995), 1.0, False),
        (Share(1000, 700), 1.0, True),
        (Share(1000, 0), 0.0, False),
        (Share(1000, 20), 0.0, True),
        (Share(0, 0), 0.5, False),
    ],
)
def test_when_a_share_is_wrong(share: Share, weight: float, is_wrong: bool) -> None:
    assert share.is_wrong(weight, math.log(400)) is is_wrong


def window(times: list[int]) -> Latency:
    """As linkerd summarises times: each quantile is the order statistic of rank p·n, half up."""
    ordered, n = sorted(times), len(times)
    ranks = {p: min(n, max(1, math.floor(p * n + 0.5))) for p in QUANTILES}
    return Latency(n, sum(times), {p: ordered[rank - 1] for p, rank in ranks.items()})


@given(st.lists(st.integers(0, 400), min_size=1, max_size=300), st.integers(0, 401))
def test_the_bracket_holds_the_number_of_slower_requests(times: list[int], limit: int) -> None:
    found = slower(window(times), limit)
    assert found.least <= sum(time > limit for time in times) <= found.most


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(0, Slower(100, 100, 100)), (97, Slower(100, 2, 5)), (100, Slower(100, 0, 0))],
)
def test_a_bracket_of_a_hundred(limit: float, expected: Slower) -> None:
    assert slower(window(list(range(1, 101))), limit) == expected


@pytest.mark.parametrize("count", [1, 3, 5, 9, 10, 25, 50, 250])
def test_of_one_slow_request_at_least_one_was_slow(count: int) -> None:
    """Also where p·n ends with a half, which Python's round takes down to the even number."""
    assert slower(window([20] * (count - 1) + [900]), 500).least <= 1


def test_rounded_quantiles_that_contradict_each_other_are_still_a_bracket() -> None:
    found = slower(Latency(1000, 1.0, {0.95: 101, 0.99: 99}), 100)
    assert found.least <= found.most


def test_the_relative_limit_has_both_margins_and_follows_the_baseline() -> None:
    assert relative_limit(3, 1.2, 5) == 8
    assert relative_limit(100, 1.2, 5) == 120
    assert smoothed(None, window([10] * 20)) == 10
    assert smoothed(20, window([10] * 20)) == pytest.approx(17)
    assert smoothed(20, Latency(0, 0, {})) == 20
    assert smoothed(None, Latency(0, 0, {})) is None


@pytest.mark.parametrize(
    ("requests", "p"), [(19, None), (20, 0.5), (100, 0.9), (999, 0.95), (1000, 0.99)]
)
def test_the_highest_quantile_that_means_something(requests: int, p: float | None) -> None:
    chance = random.Random(1)
    assert meaningful(window([chance.randrange(100) for _ in range(requests)])) == p


def test_counts_that_cannot_be_are_refused() -> None:
    for requests, failures in ((1, 2), (1, -1)):
        with pytest.raises(ValueError, match="failures of"):
            Counts(requests, failures)
    with pytest.raises(ValueError, match="slower of"):
        Slower(5, 4, 3)
