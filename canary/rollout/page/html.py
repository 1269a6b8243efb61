"""The page: self-contained HTML that reads in light, dark and print, and without colours."""

import json
from html import escape

from canary import figures
from canary.rollout.page import charts, graphs, tables
from canary.rollout.page.charts import Line, clock
from canary.rollout.page.graphs import Graph
from canary.rollout.page.sentence import sentence
from canary.rollout.page.story import ACCEPTED, ENDED, PASSED, Step, Story
from canary.rollout.page.style import CSS
from canary.rollout.phase import Phase

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""That nothing is fetched, whatever the page says."""

_FOOTER = (
    "<footer>Written by <code>python -m canary report</code>. It has no scripts and loads "
    "nothing.</footer>"
)

_GOOD = (PASSED, ACCEPTED, ENDED[Phase.PROMOTED])
_BAD = (ENDED[Phase.ROLLED_BACK], ENDED[Phase.ABORTED])
_MARKS = {"good": "✔", "bad": "✖", "wait": "‖", "soft": "–"}


def page(story: Story) -> str:
    """The whole page."""
    plan = story.journal.header.plan
    parts = [
        _badge(story),
        f"<h1>{escape(sentence(story))}</h1>",
        _about(story),
        _section("Steps", _strip(story)),
        *(_figure(graph) for graph in graphs.graphs(story)),
        _section("Checks", tables.checks(story)),
        _section("By linkerd", tables.nodes(story)),
        _section("Events", tables.events(story)),
        _section("Limits", tables.limits(story)),
        _section("How to repeat it", _repeat(story)),
        _FOOTER,
        _data(story),
    ]
    title = escape(f"{plan.canary}: {_state(story)}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{CSS}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inner}</section>"


def _state(story: Story) -> str:
    if story.rollout.code is None:
        return str(story.rollout.phase).lower()
    return ENDED[story.rollout.phase]


def _style(said: str) -> str:
    if said in _GOOD:
        return "good"
    return "bad" if said in _BAD else "wait"


def _badge(story: Story) -> str:
    state = _state(story)
    style = _style(state)
    return f'<span class="badge {style}">{_MARKS[style]} {escape(state.capitalize())}</span>'


def _about(story: Story) -> str:
    header = story.journal.header
    rows = [
        ("Service", f"{header.plan.service}, stack {header.stack}"),
        ("Time", tables.span(story)),
        *((version, ", ".join(images) or "–") for version, images in header.images.items()),
        ("By", header.who),
        *([("Commit", header.commit)] if header.commit else []),
        *([("Updates", ", ".join(map(str, story.updates)))] if story.updates else []),
    ]
    cells = (f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in rows)
    return f"<dl>{''.join(cells)}</dl>"


def _strip(story: Story) -> str:
    """Each step as it was planned and as it went."""
    plan = story.journal.header.plan
    done = {step.weight: step for step in story.steps}
    cells = []
    for index, weight in enumerate(plan.steps):
        if weight in done:
            cells.append(_step(story, done[weight]))
            continue
        said = "skipped" if index < story.rollout.step else "not reached"
        cells.append(_card("soft", weight, said, f"planned {_planned(story)}"))
    return f'<ol class="strip">{"".join(cells)}</ol>'


def _step(story: Story, step: Step) -> str:
    took = clock(step.ended - step.began)
    waited = sum(
        max(0.0, min(end, step.ended) - max(start, step.began))
        for start, end, _ in graphs.waits(story)
    )
    notes = [f"{took} of {_planned(story)}"]
    if waited >= 1:
        notes.append(f"waited {clock(waited)}")
    return _card(_style(step.verdict), step.weight, step.verdict, *notes)


def _planned(story: Story) -> str:
    return clock(story.journal.header.plan.limits.interval)


def _card(style: str, weight: float, said: str, *notes: str) -> str:
    shown = "".join(f"<span>{escape(note)}</span>" for note in notes)
    return (
        f'<li class="{style}"><b>{escape(figures.percent(weight))}</b><br>'
        f"{_MARKS[style]} {escape(said)}{shown}</li>"
    )


def _figure(graph: Graph) -> str:
    keys = "".join(map(_key, graph.chart.lines))
    return _section(
        graph.chart.title,
        f"<figure><figcaption>{escape(graph.caption)}.<br>{keys}</figcaption>"
        f"{charts.svg(graph.chart)}</figure>",
    )


def _key(line: Line) -> str:
    return (
        '<span class="key"><svg viewBox="0 0 30 10" aria-hidden="true">'
        f'<line class="{line.style}" x1="0" x2="30" y1="5" y2="5"/></svg>{escape(line.name)}</span>'
    )


def _repeat(story: Story) -> str:
    header, plan = story.journal.header, story.journal.header.plan
    command = [
        *("python -m canary run --stack", header.stack, "--service", plan.service),
        *("--steps", ",".join(f"{step:g}" for step in plan.steps), "--to", f"{plan.steps[-1]:g}"),
        *("--interval", f"{plan.limits.interval:g}s", "--max-hold", f"{plan.limits.max_hold:g}s"),
        *("--on-no-data", plan.limits.on_no_data),
        *(part for pause in plan.pauses for part in ("--pause-at", f"{pause:g}")),
    ]
    path = str(story.journal.path)
    return (
        f"<pre><code>{escape(' '.join(command))}</code></pre>"
        f"<p>The journal is <code>{escape(path)}</code>; this page has its counts as JSON in the "
        "element <code>#rollout</code>.</p>"
    )


def _data(story: Story) -> str:
    """For other programs; a block of data is no script that runs."""
    rows = [
        [
            round(each.at, 1),
            each.looks[-1].weight,
            *(each.baseline.requests, each.baseline.failures),
            *(each.canary.requests, each.canary.failures),
            round(each.log_evidence, 3),
        ]
        for each in graphs.buckets(story.moments)
    ]
    columns = ["seconds", "weight", "baselineRequests", "baselineFailures", "canaryRequests",
               "canaryFailures", "logEvidence"]  # fmt: skip
    found = {"id": story.journal.header.id, "columns": columns, "looks": rows}
    # What ends the element must not be in it.
    text = json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="rollout">{text}</script>'
