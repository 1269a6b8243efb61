"""A rollout's charts: weight and share, success, latency, evidence."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from canary import figures
from canary.analysis.share import wilson
from canary.analysis.strata import NONE, Counts
from canary.rollout import wording
from canary.rollout.events import Shown
from canary.rollout.page.charts import Band, Chart, Line, Point, Times, clock
from canary.rollout.page.story import Moment, Story
from canary.rollout.phase import Phase

_BUCKETS = 200
"""Looks are put together until there are at most so many: a chart has no more room."""

_FEW = 50
"""Requests with fewer of which a point would say nothing: it is of more looks then."""

_MOST_LOOKS = 6

_MOST_EVIDENCE = 6
"""As a power of ten: more is only said to be over a million."""

_POWERS = ("1", "10", "100", "1 k", "10 k", "100 k", "1 M")

_WAITS = {Phase.HOLDING: "held", Phase.PAUSED: "paused"}


@dataclass(frozen=True)
class Graph:
    """A chart with what is said above it."""

    chart: Chart
    caption: str


@dataclass(frozen=True)
class Bucket:
    """Looks next to each other under one weight, put together."""

    looks: Sequence[Moment]

    @property
    def at(self) -> float:
        """Seconds since the rollout began."""
        return self.looks[-1].at

    @property
    def baseline(self) -> Counts:
        """Of all these looks."""
        return sum((each.baseline for each in self.looks), NONE)

    @property
    def canary(self) -> Counts:
        """Of all these looks."""
        return sum((each.canary for each in self.looks), NONE)

    @property
    def log_evidence(self) -> float:
        """After these looks; natural logarithm."""
        return self.looks[-1].log_evidence


def buckets(moments: Sequence[Moment]) -> list[Bucket]:
    """What the charts have points for."""
    every = -(-len(moments) // _BUCKETS) or 1
    found: list[list[Moment]] = []
    for moment in moments:
        last = found[-1] if found else None
        if last and last[-1].weight == moment.weight and _is_short(last, every):
            last.append(moment)
        else:
            found.append([moment])
    return [Bucket(looks) for looks in found]


def _is_short(looks: Sequence[Moment], every: int) -> bool:
    requests = sum(each.share.attempts for each in looks)
    return len(looks) < every or (requests < _FEW and len(looks) < every * _MOST_LOOKS)


def graphs(story: Story) -> Iterator[Graph]:
    """All that there is something to show in."""
    if not story.moments:
        return
    found, times = buckets(story.moments), times_of(story)
    yield _weight(story, found, times)
    yield _success(story, found, times)
    latency = _latency(story, found, times)
    if latency:
        yield latency
    yield _evidence(story, found, times)


def times_of(story: Story) -> Times:
    """What every chart shows of it."""
    changes = [at for at, _ in story.weights[1:]]
    return Times(story.ended, waits(story), story.acts, changes)


def waits(story: Story) -> list[tuple[float, float, str]]:
    """From when to when it was held or paused."""
    found: list[tuple[float, float, str]] = []
    before = 0.0
    for what, group in groupby(story.moments, key=lambda moment: _WAITS.get(moment.phase)):
        times = [moment.at for moment in group]
        if what is not None:
            found.append((before if len(times) == 1 else times[0], times[-1], what))
        before = times[-1]
    return found


def _tips(found: Sequence[Bucket], text: Callable[[Bucket], str]) -> list[tuple[float, str]]:
    return [(each.at, f"{clock(each.at)}: {text(each)}") for each in found]


def _percent(value: float) -> str:
    return f"{value:g} %"


def _weight(story: Story, found: Sequence[Bucket], times: Times) -> Graph:
    plan = story.journal.header.plan
    weights = [*story.weights, (story.ended, story.rollout.weight)]
    shares: list[Point] = []
    band = []
    for each in found:
        requests = each.baseline.requests + each.canary.requests
        if requests:
            low, high = wilson(each.canary.requests, requests)
            shares.append((each.at, 100 * each.canary.requests / requests))
            band.append((each.at, 100 * low, 100 * high))
    most = max([*(weight for _, weight in weights), *(high for *_, high in band), 1])

    def tip(each: Bucket) -> str:
        requests = each.baseline.requests + each.canary.requests
        weight = figures.percent(each.looks[-1].weight)
        if not requests:
            return f"weight {weight}, no requests"
        share = figures.share(
            each.canary.requests / requests, wilson(each.canary.requests, requests)
        )
        return f"weight {weight}, share {share} of {requests:,} requests"

    lines = [Line("weight", "plan", weights, is_stepped=True), Line("share", "two", shares)]
    return Graph(
        Chart(
            "Weight and share", times, most, lines, _percent, [Band("two", band)],
            tips=_tips(found, tip),
        ),
        f"{plan.canary}'s share of the requests, with its 95 % interval, against its weight",
    )  # fmt: skip


def _success(story: Story, found: Sequence[Bucket], times: Times) -> Graph:
    plan = story.journal.header.plan
    limit = plan.limits.min_success_rate
    lines, bands, lowest = [], [], limit
    versions: tuple[tuple[str, str, Callable[[Bucket], Counts]], ...] = (
        ("one", plan.baseline, lambda each: each.baseline),
        ("two", plan.canary, lambda each: each.canary),
    )
    for style, name, of in versions:
        points, band = [], []
        for each in found:
            counts = of(each)
            if counts.requests:
                low, high = wilson(counts.requests - counts.failures, counts.requests)
                points.append((each.at, 100 * (1 - counts.rate)))
                band.append((each.at, 100 * low, 100 * high))
        lowest = min([lowest, *(value for _, value in points)])
        lines.append(Line(name, style, points))
        bands.append(Band(style, band))

    def tip(each: Bucket) -> str:
        return f"failed: {plan.canary} {of_counts(each.canary)}, {plan.baseline} " + of_counts(
            each.baseline
        )

    least = max(0, math.floor(lowest - 1))
    return Graph(
        Chart(
            "Success", times, 100, lines, _percent, bands, (limit, f"at least {limit:g} %"), least,
            tips=_tips(found, tip),
        ),
        "Requests that did not fail, with 95 % intervals",
    )  # fmt: skip


def of_counts(counts: Counts) -> str:
    """`21 of 104 requests (20.2 %)`, or that there were none."""
    return wording.of(counts) if counts.requests else "no requests"


def _latency(story: Story, found: Sequence[Bucket], times: Times) -> Graph | None:
    plan = story.journal.header.plan
    lines: list[Line] = []
    versions: tuple[tuple[str, str, Callable[[Moment], Shown | None]], ...] = (
        ("one", plan.baseline, lambda look: look.baseline_latency),
        ("two", plan.canary, lambda look: look.canary_latency),
    )
    for style, name, of in versions:
        shown = [(each.at, latency) for each in found if (latency := of(each.looks[-1]))]
        median = [(at, latency.median) for at, latency in shown]
        high = [(at, latency.high) for at, latency in shown if latency.high is not None]
        lines += [Line(f"{name} median", f"{style} thin", median)]
        lines += [Line(f"{name} p90 to p99", style, high)]
    values = [value for line in lines for _, value in line.points]
    if not values:
        return None

    def tip(each: Bucket) -> str:
        last = each.looks[-1]
        return (
            f"{plan.canary} {_times(last.canary_latency)}, "
            f"{plan.baseline} {_times(last.baseline_latency)}"
        )

    limit = float(plan.limits.max_latency_ms)
    near = max(values) > limit / 4
    most = 1.1 * max([*values, 1, *([limit] if near else [])])
    return Graph(
        Chart(
            "Latency", times, most, [line for line in lines if line.points],
            lambda value: f"{value:g} ms",
            limit=(limit, f"at most {limit:g} ms (p99)") if near else None,
            tips=_tips(found, tip),
        ),
        "Median, and the highest of p90, p95 and p99 that so many requests can tell",
    )  # fmt: skip


def _times(shown: Shown | None) -> str:
    if shown is None:
        return "no requests"
    high = "" if shown.high is None else f", p{100 * (shown.quantile or 0):g} {shown.high:g} ms"
    return f"median {shown.median:g} ms{high}"


def _evidence(story: Story, found: Sequence[Bucket], times: Times) -> Graph:
    plan = story.journal.header.plan
    limit = math.log10(plan.limits.evidence_limit)
    points = [(each.at, each.log_evidence / math.log(10)) for each in found]
    highest = min(max(value for _, value in points), _MOST_EVIDENCE)
    most, least = max(limit + 0.6, highest + 0.2), -1.0

    def tip(each: Bucket) -> str:
        found = math.exp(each.log_evidence) if each.log_evidence < 700 else math.inf
        return f"evidence {wording.evidence(found)} of {plan.limits.evidence_limit:,.0f}"

    return Graph(
        Chart(
            "Evidence", times, most, [Line("evidence", "two", points)],
            lambda value: _POWERS[int(value)] if value >= 0 else "0.1",
            limit=(limit, f"at {plan.limits.evidence_limit:,.0f} it goes back"), least=least,
            marks=range(int(least), int(most) + 1), tips=_tips(found, tip),
        ),
        f"How sure it is that {plan.canary} is worse: 1 says nothing",
    )  # fmt: skip
