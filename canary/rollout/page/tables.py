"""A rollout's tables: checks, linkerds, events, limits."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from html import escape

from canary import figures
from canary.analysis.limits import Limits
from canary.analysis.share import wilson
from canary.analysis.verdict import Check
from canary.rollout import wording
from canary.rollout.page.graphs import of_counts
from canary.rollout.page.story import Said, Story
from canary.rollout.plan import Plan

Cell = tuple[str, str]
"""A text, and the class that it has."""

_SECONDS = ("interval", "scrape", "max_hold")
_UNITS = {
    "min_success_rate": " %",
    "max_latency_ms": " ms",
    "latency_margin_ms": " ms",
    "min_effect_points": " points",
}


def table(head: Sequence[str], rows: Iterable[Sequence[Cell | str]]) -> str:
    """A table, which may be wider than a phone."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    wide = ' class="wide"' if len(head) > 3 else ""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table{wide}><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(given: Cell | str) -> str:
    text, style = (given, "") if isinstance(given, str) else given
    return f'<td class="{style}">{escape(text)}</td>' if style else f"<td>{escape(text)}</td>"


def checks(story: Story) -> str:
    """The four tests, as they stood last."""
    if story.verdict is None:
        return "<p>Nothing was judged.</p>"
    plan, found = story.journal.header.plan, story.verdict.checks
    head = ("Check", "Verdict", plan.canary, plan.baseline, "Evidence", "Why")
    return table(head, (_check(plan, check) for check in found))


def _check(plan: Plan, check: Check) -> Sequence[Cell | str]:
    limit = plan.limits.evidence_limit
    verdict = ("✖ failed", "bad") if check.failed else ("✔ passed", "good")
    if not check.canary.requests:
        verdict = ("– no data", "soft")
    baseline = check.baseline
    if check.shared:
        verdict, baseline = ("– as the baseline", "soft"), check.shared.baseline
    return (
        f"{check.name} against {_against(plan, check)}",
        verdict,
        of_counts(check.canary),
        of_counts(baseline) if baseline else "–",
        f"{wording.evidence(check.evidence)} of {limit:,.0f}",
        _why(check),
    )


def _against(plan: Plan, check: Check) -> str:
    if check.against == "baseline":
        return plan.baseline
    limits = plan.limits
    least, most = f"{limits.min_success_rate:g} %", f"{limits.max_latency_ms:g} ms"
    return f"the limit of {least if check.name == 'success' else most}"


def _why(check: Check) -> str:
    than = "the baseline" if check.against == "baseline" else "the limit allows"
    what = "fails more" if check.name == "success" else "is slower"
    if check.failed:
        return f"{what} than {than}, beyond chance"
    if not check.canary.requests:
        return "nothing to compare"
    if check.shared:
        return f"{what} than {than}, but no more than the baseline, which also breaks it"
    return f"not shown that it {what} than {than}"


def nodes(story: Story) -> str:
    """What each linkerd counted."""
    plan = story.journal.header.plan

    def rows() -> Iterator[Sequence[Cell | str]]:
        for name, node in sorted(story.nodes.items()):
            total = node.baseline.requests + node.canary.requests
            interval = wilson(node.canary.requests, total)
            share = figures.share(node.canary.requests / total, interval) if total else "–"
            yield (
                name,
                of_counts(node.canary),
                of_counts(node.baseline),
                share,
                f"{node.restarts:,}" if node.restarts else "–",
                f"{node.unread:,}" if node.unread else "–",
            )

    head = ("linkerd", f"{plan.canary} failed", f"{plan.baseline} failed", "Share",
            "Restarts", "Looks missed")  # fmt: skip
    return table(head, rows())


def events(story: Story) -> str:
    """What was said, and when."""
    return table(("Time", ""), (_event(story, each) for each in story.said))


def _event(story: Story, said: Said) -> Sequence[Cell | str]:
    return (time(story, said.at), "time"), (
        (said.line.text, "wait") if said.line.warns else said.line.text
    )


def limits(story: Story) -> str:
    """What it was judged by."""
    found = story.journal.header.plan.limits
    shown = ((key(each.name), _shown(each.name, found)) for each in fields(found))
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in shown
    )
    return f'<dl class="many">{cells}</dl>'


def key(name: str) -> str:
    """A limit's name in the stack's config: `minRequests`."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _shown(name: str, limits: Limits) -> str:
    value = getattr(limits, name)
    if name in _SECONDS:
        return wording.duration(value)
    if isinstance(value, tuple):
        return ", ".join(f"{each:g}" for each in value)
    return f"{value:g}{_UNITS.get(name, '')}" if isinstance(value, int | float) else str(value)


def time(story: Story, after: float, form: str = "%H:%M:%S") -> str:
    """A time of day where the page is written."""
    return f"{datetime.fromtimestamp(story.began + after, UTC).astimezone():{form}}"


def span(story: Story) -> str:
    """From when to when it went."""
    begin, end = (time(story, at, "%Y-%m-%d %H:%M:%S") for at in (0, story.ended))
    same = begin.partition(" ")[0] == end.partition(" ")[0]
    return f"{begin} – {end.partition(' ')[2] if same else end} {time(story, 0, '%Z')}"
