"""Line charts as SVG: axes, lines, bands and a limit, with text as text and no script."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 800, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 14, 16, 30
MOST_POINTS = 360
"""Points of a line: more cannot be told apart at this width."""

_CLOCK_STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_CLOCK_TICKS = 7

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line of a chart."""

    name: str
    style: str
    """Classes of the page's style sheet: its colour, and dashes that tell it without colour."""
    points: Sequence[Point]
    is_stepped: bool = False


@dataclass(frozen=True)
class Band:
    """An interval around a line: at, low and high."""

    style: str
    points: Sequence[tuple[float, float, float]]


@dataclass(frozen=True)
class Times:
    """What every chart of a rollout shows beside its lines."""

    seconds: float
    holds: Sequence[tuple[float, float, str]] = ()
    """From and to, shaded, and what it was."""
    flags: Sequence[tuple[float, str]] = ()
    """When an operator acted, and how."""
    changes: Sequence[float] = ()
    """When another weight came into force."""


@dataclass(frozen=True)
class Chart:
    """A chart over time."""

    title: str
    times: Times
    most: float
    """Where the axis ends; it begins at `least`."""
    lines: Sequence[Line]
    label: Callable[[float], str]
    """How a value is written at the axis."""
    bands: Sequence[Band] = ()
    limit: tuple[float, str] | None = None
    """A value that is not to be reached, and what it is."""
    least: float = 0
    marks: Sequence[float] = ()
    """Where the axis is marked; round numbers by default."""
    tips: Sequence[tuple[float, str]] = ()
    """What is shown where the pointer is, each up to a time."""


def svg(chart: Chart) -> str:
    """The chart."""
    inner = [_axes(chart)]
    inner += [_hold(chart, *span) for span in chart.times.holds]
    inner += [_vertical(chart, at, "change") for at in chart.times.changes]
    inner += [_band(chart, band) for band in chart.bands]
    inner += [_line(chart, line) for line in chart.lines]
    if chart.limit is not None:
        inner.append(_limit(chart, *chart.limit))
    inner += [_flag(chart, *flag) for flag in chart.times.flags]
    inner += _tips(chart)
    names = ", ".join(line.name for line in chart.lines)
    label = escape(f"{chart.title}: {names}")
    drawn = "".join(inner)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{drawn}</svg>'


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most MOST_POINTS of them, the last one included."""
    every = -(-len(points) // MOST_POINTS) or 1
    found = list(points[::every])
    return found if not points or found[-1] == points[-1] else [*found, points[-1]]


def ticks(most: float, least: float = 0, count: int = 4) -> list[float]:
    """Round numbers from `least` to `most`: 1, 2 or 5 times a power of ten apart."""
    span = most - least
    if span <= 0:
        return [least]
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(power * each for each in (1, 2, 5, 10) if power * each * count >= span)
    return _multiples(step, most, least)


def clock_ticks(seconds: float) -> list[float]:
    """Times that a clock has round numbers for: whole minutes, quarters of an hour."""
    fitting = (step for step in _CLOCK_STEPS if seconds <= step * _CLOCK_TICKS)
    return _multiples(next(fitting, _CLOCK_STEPS[-1]), seconds)


def clock(seconds: float) -> str:
    """`0:50`, `12:00`, `1:05:00`"""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _multiples(step: float, most: float, least: float = 0) -> list[float]:
    first = -(-least // step) * step
    return [round(first + i * step, 10) for i in range(int((most - first) / step + 1e-9) + 1)]


def _x(chart: Chart, at: float) -> float:
    share = at / chart.times.seconds if chart.times.seconds else 0
    return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * share, 1)


def _y(chart: Chart, value: float) -> float:
    share = (min(max(value, chart.least), chart.most) - chart.least) / (chart.most - chart.least)
    return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share, 1)


def _axes(chart: Chart) -> str:
    found = []
    for value in chart.marks or ticks(chart.most, chart.least):
        y = _y(chart, value)
        found.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{escape(chart.label(value))}</text>"
        )
    for at in clock_ticks(chart.times.seconds):
        found.append(
            f'<text x="{_x(chart, at)}" y="{HEIGHT - 8}" text-anchor="middle">{clock(at)}</text>'
        )
    return "".join(found)


def _hold(chart: Chart, start: float, end: float, what: str) -> str:
    x = _x(chart, start)
    width = max(_x(chart, end) - x, 1)
    return (
        f'<rect class="hold" x="{x}" y="{_TOP}" width="{width:.1f}" '
        f'height="{HEIGHT - _TOP - _BOTTOM}"/>'
        f'<text x="{x + 4:.1f}" y="{HEIGHT - _BOTTOM - 6}">{escape(what)}</text>'
    )


def _vertical(chart: Chart, at: float, style: str) -> str:
    x = _x(chart, at)
    return f'<line class="{style}" x1="{x}" x2="{x}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'


def _flag(chart: Chart, at: float, what: str) -> str:
    x = _x(chart, at)
    is_left = x < WIDTH / 2
    anchor, beside = ("start", x) if is_left else ("end", x)
    return (
        f"{_vertical(chart, at, 'flag')}"
        f'<text class="flag" x="{beside}" y="{_TOP - 5}" text-anchor="{anchor}">⚑ '
        f"{escape(what)}</text>"
    )


def _limit(chart: Chart, value: float, what: str) -> str:
    y, end = _y(chart, value), WIDTH - _RIGHT
    beside = y - 5 if y > HEIGHT / 2 - _TOP else y + 15
    return (
        f'<line class="limit" x1="{_LEFT}" x2="{end}" y1="{y}" y2="{y}"/>'
        f'<text class="limit" x="{_LEFT + 4}" y="{beside:.1f}">{escape(what)}</text>'
    )


def _band(chart: Chart, band: Band) -> str:
    upper = [f"{_x(chart, at)},{_y(chart, high)}" for at, _, high in band.points]
    lower = [f"{_x(chart, at)},{_y(chart, low)}" for at, low, _ in reversed(band.points)]
    return f'<polygon class="{band.style}" points="{" ".join(upper + lower)}"/>'


def _line(chart: Chart, line: Line) -> str:
    points = thinned(line.points)
    if line.is_stepped:
        points = _stepped(points)
    shown = " ".join(f"{_x(chart, at)},{_y(chart, value)}" for at, value in points)
    return f'<polyline class="{line.style}" points="{shown}"/>'


def _stepped(points: Sequence[Point]) -> list[Point]:
    found: list[Point] = []
    for at, value in points:
        if found and found[-1][1] != value:
            found.append((at, found[-1][1]))
        found.append((at, value))
    return found


def _tips(chart: Chart) -> list[str]:
    """A column each, for a pointer to be over."""
    found, left = [], float(_LEFT)
    for at, text in chart.tips:
        right = _x(chart, at)
        found.append(
            f'<rect class="over" x="{left}" y="{_TOP}" width="{max(right - left, 0):.1f}" '
            f'height="{HEIGHT - _TOP - _BOTTOM}"><title>{escape(text)}</title></rect>'
        )
        left = right
    return found
