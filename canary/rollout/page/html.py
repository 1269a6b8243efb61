"""The page: self-contained HTML that reads in light, dark and print, and without colours."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from itertools import groupby

from canary import figures
from canary.analysis.share import wilson
from canary.analysis.strata import NONE, Counts
from canary.rollout import wording
from canary.rollout.page import charts
from canary.rollout.page.charts import Band, Chart, Line, Point
from canary.rollout.page.sentence import sentence
from canary.rollout.page.story import Moment, Story
from canary.rollout.phase import Phase

_BUCKETS = 240
"""Looks are put together until there are at most so many: a chart has no more room."""

_STYLE = """\
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#6a737d;--grid:#d9dee3;
--one:#4a6fa5;--two:#c2571a;--hold:#8884}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--paper:#15181c;--soft:#9aa4ae;
--grid:#333a42;--one:#8ab4f8;--two:#f0a060}}
@media print{:root{--ink:#000;--paper:#fff;--soft:#444;--grid:#ccc;--one:#246;--two:#a40}
section,figure{break-inside:avoid}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;
max-width:780px;padding:0 1rem}
h1{font-size:1.35rem;line-height:1.35}h2{font-size:1rem;margin:2rem 0 .4rem}
table{border-collapse:collapse;width:100%;font-size:.87rem}
th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--grid);
vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--soft)}
figure{margin:1rem 0}figcaption{font-size:.85rem;color:var(--soft)}
polyline{fill:none;stroke-width:2}.one{stroke:var(--one)}.two{stroke:var(--two)}
polyline.one{stroke-dasharray:6 3}.plan{stroke:var(--soft);stroke-dasharray:2 3}
polygon{stroke:none;opacity:.2}polygon.one{fill:var(--one)}polygon.two{fill:var(--two)}
.grid{stroke:var(--grid)}line.limit{stroke:var(--ink);stroke-dasharray:8 4}
.hold{fill:var(--hold)}.flag{stroke:var(--ink);stroke-width:1.5}
.strip{display:flex;gap:4px;list-style:none;padding:0;flex-wrap:wrap}
.strip li{flex:1;border:1px solid var(--grid);padding:.3rem .5rem;font-size:.85rem;min-width:5rem}
code{font-size:.85rem;overflow-wrap:anywhere}
"""


def page(story: Story) -> str:
    """The whole page."""
    said = escape(sentence(story))
    parts = [
        f"<h1>{said}</h1>",
        _about(story),
        _section("Steps", _strip(story)),
        *_charts(story),
        _section("Checks", _checks(story)),
        _section("By linkerd", _nodes(story)),
        _section("Events", _events(story)),
        _section("Limits, and how to repeat it", _limits(story)),
        _data(story),
    ]
    name = escape(f"{story.journal.header.plan.canary}: {story.rollout.phase}")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{_STYLE}</style></head><body>"
        f"{''.join(parts)}</body></html>\n"
    )


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inner}</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _about(story: Story) -> str:
    header = story.journal.header
    plan = header.plan
    rows = [
        ("Status", str(story.rollout.phase)),
        ("Stack, service", f"{header.stack}, {plan.service}"),
        *((version, ", ".join(images) or "–") for version, images in header.images.items()),
        ("From, to", f"{_time(story, 0)}, {_time(story, story.ended)}"),
        ("By", header.who),
    ]
    if header.commit:
        rows.append(("Commit", header.commit))
    if story.updates:
        rows.append(("Updates", ", ".join(map(str, story.updates))))
    return _table(("", ""), rows)


def _strip(story: Story) -> str:
    planned = story.journal.header.plan.limits.interval
    cells = [
        f"<li><b>{escape(figures.percent(step.weight))}</b><br>"
        f"{escape(_mark(step.verdict))} {escape(step.verdict)}<br>"
        f"{escape(wording.duration(step.ended - step.began))} of "
        f"{escape(wording.duration(planned))}</li>"
        for step in story.steps
    ]
    left = story.journal.header.plan.steps[len(story.steps) and story.rollout.step + 1 :]
    cells += [f"<li><b>{escape(figures.percent(each))}</b><br>– not reached</li>" for each in left]
    return f'<ol class="strip">{"".join(cells)}</ol>'


def _mark(verdict: str) -> str:
    if verdict in ("passed", Phase.PROMOTED):
        return "✔"
    return "✖" if verdict in (Phase.ROLLED_BACK, Phase.ABORTED) else "–"


def buckets(moments: Sequence[Moment]) -> list[list[Moment]]:
    """Looks next to each other under one weight, put together."""
    every = -(-len(moments) // _BUCKETS) or 1
    numbered = list(enumerate(moments))
    grouped = groupby(numbered, key=lambda each: (each[0] // every, each[1].weight))
    return [[moment for _, moment in group] for _, group in grouped]


def _charts(story: Story) -> Iterator[str]:
    if not story.moments:
        return
    found = buckets(story.moments)
    plan = story.journal.header.plan
    yield _figure(
        _weight_chart(story, found),
        f"Weight (dotted), and {plan.canary}'s share of the requests with its 95 % interval.",
    )
    versions = f"{plan.baseline} dashed, {plan.canary} solid"
    yield _figure(_success_chart(story, found), f"Success, {versions}; 95 % intervals.")
    latency = _latency_chart(story, found)
    if latency:
        yield _figure(latency, f"Latency, the highest quantile that can be told; {versions}.")
    yield _figure(
        _evidence_chart(story, found),
        f"Evidence against {plan.canary}, as a power of ten: at the limit it goes back.",
    )


def _figure(chart: Chart, caption: str) -> str:
    title = escape(chart.title)
    return (
        f"<section><h2>{title}</h2><figure>{charts.svg(chart)}"
        f"<figcaption>{escape(caption)}</figcaption></figure></section>"
    )


def _weight_chart(story: Story, found: list[list[Moment]]) -> Chart:
    weights = [(moment.at, moment.weight) for moment in story.moments]
    shares: list[Point] = []
    band = []
    for group in found:
        canary = sum(each.share.canary for each in group)
        attempts = sum(each.share.attempts for each in group)
        if attempts:
            low, high = wilson(canary, attempts)
            shares.append((group[-1].at, 100 * canary / attempts))
            band.append((group[-1].at, 100 * low, 100 * high))
    lines = [Line("weight", "plan", weights, is_stepped=True), Line("share", "two", shares)]
    most = max([*(weight for _, weight in weights), *(high for *_, high in band), 1])
    return Chart(
        "Weight and share", " %", story.ended, most, lines, [Band("two", band)],
        holds=_holds(story), flags=story.wishes,
    )  # fmt: skip


def _success_chart(story: Story, found: list[list[Moment]]) -> Chart:
    plan = story.journal.header.plan
    lines, bands, lowest = [], [], plan.limits.min_success_rate
    for style, name in (("one", plan.baseline), ("two", plan.canary)):
        points, band = [], []
        for group in found:
            counts = sum((_counts(each, style) for each in group), NONE)
            if counts.requests:
                low, high = wilson(counts.requests - counts.failures, counts.requests)
                points.append((group[-1].at, 100 * (1 - counts.rate)))
                band.append((group[-1].at, 100 * low, 100 * high))
        lowest = min([lowest, *(value for _, value in points)])
        lines.append(Line(name, style, points))
        bands.append(Band(style, band))
    least = max(0, math.floor(lowest - 1))
    return Chart(
        "Success", " %", story.ended, 100, lines, bands, plan.limits.min_success_rate, least,
        _holds(story), story.wishes,
    )  # fmt: skip


def _counts(moment: Moment, style: str) -> Counts:
    return moment.baseline if style == "one" else moment.canary


def _latency_chart(story: Story, found: list[list[Moment]]) -> Chart | None:
    plan = story.journal.header.plan
    one: list[Point] = []
    two: list[Point] = []
    for group in found:
        last = group[-1]
        for points, shown in ((one, last.baseline_latency), (two, last.canary_latency)):
            if shown is not None:
                points.append((last.at, shown.median if shown.high is None else shown.high))
    values = [value for _, value in one + two]
    if not values:
        return None
    lines = [Line(plan.baseline, "one", one), Line(plan.canary, "two", two)]
    limit = float(plan.limits.max_latency_ms)
    shown_limit = limit if max(values) > limit / 4 else None
    most = 1.1 * max([*values, 1, *([limit] if shown_limit else [])])
    return Chart("Latency", " ms", story.ended, most, lines, (), shown_limit, 0, _holds(story))


def _evidence_chart(story: Story, found: list[list[Moment]]) -> Chart:
    limit = math.log10(story.journal.header.plan.limits.evidence_limit)
    points = [(group[-1].at, group[-1].log_evidence / math.log(10)) for group in found]
    most = max([limit * 1.2, *(value for _, value in points)])
    least = min([0, *(value for _, value in points)])
    line = Line("evidence", "two", points)
    return Chart(
        "Evidence", "", story.ended, most, [line], (), limit, least, _holds(story), story.wishes
    )


def _holds(story: Story) -> list[Point]:
    found: list[Point] = []
    waits = (Phase.HOLDING, Phase.PAUSED)
    for is_held, group in groupby(story.moments, key=lambda moment: moment.phase in waits):
        if is_held:
            times = [moment.at for moment in group]
            found.append((times[0], times[-1]))
    return found


def _checks(story: Story) -> str:
    if story.verdict is None:
        return "<p>Nothing was judged.</p>"
    checks = story.verdict.checks

    def rows() -> Iterator[Sequence[str]]:
        for check in checks:
            yield (
                f"{'✖' if check.failed else '✔'} {check.name} against the {check.against}",
                wording.of(check.canary),
                wording.of(check.baseline) if check.baseline else "–",
                wording.evidence(check.evidence),
                wording.evidence(math.exp(check.log_limit)),
            )

    plan = story.journal.header.plan
    return _table(("Check", plan.canary, plan.baseline, "Evidence", "Limit"), rows())


def _nodes(story: Story) -> str:
    plan = story.journal.header.plan

    def rows() -> Iterator[Sequence[str]]:
        for name, node in sorted(story.nodes.items()):
            total = node.baseline.requests + node.canary.requests
            interval = wilson(node.canary.requests, total)
            share = figures.share(node.canary.requests / total, interval) if total else "–"
            missing = f"{node.left_out:,}" if node.left_out else "–"
            yield (name, wording.of(node.canary), wording.of(node.baseline), share, missing)

    head = ("linkerd", plan.canary, plan.baseline, "Share", "Looks left out")
    return _table(head, rows())


def _events(story: Story) -> str:
    return _table(("Time", ""), ((_time(story, each.at), each.line.text) for each in story.said))


def _limits(story: Story) -> str:
    plan = story.journal.header.plan
    rows = [(key.replace("_", " "), _shown(value)) for key, value in asdict(plan.limits).items()]
    command = (
        f"python -m canary run --stack {story.journal.header.stack} --service {plan.service} "
        f"--steps {','.join(f'{step:g}' for step in plan.steps)} --to {plan.steps[-1]:g} "
        f"--interval {plan.limits.interval:g}s"
    )
    path = escape(str(story.journal.path))
    return (
        f"{_table(('Limit', ''), rows)}<p><code>{escape(command)}</code></p>"
        f"<p>The journal: <code>{path}</code></p>"
    )


def _shown(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(f"{each:g}" for each in value)
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _data(story: Story) -> str:
    """For other programs; a block of data is no script that runs."""
    rows = [
        [
            round(group[-1].at, 1),
            group[-1].weight,
            *_sum(group, "one"),
            *_sum(group, "two"),
            round(group[-1].log_evidence, 3),
        ]
        for group in buckets(story.moments)
    ]
    columns = ["seconds", "weight", "baselineRequests", "baselineFailures", "canaryRequests",
               "canaryFailures", "logEvidence"]  # fmt: skip
    found = {"id": story.journal.header.id, "columns": columns, "looks": rows}
    # What ends the element must not be in it.
    text = json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="rollout">{text}</script>'


def _sum(group: Sequence[Moment], style: str) -> tuple[int, int]:
    counts = sum((_counts(each, style) for each in group), NONE)
    return counts.requests, counts.failures


def _time(story: Story, after: float) -> str:
    moment = datetime.fromtimestamp(story.began + after, UTC).astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S}"
