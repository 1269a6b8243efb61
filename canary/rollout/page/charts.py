"""Line charts as SVG: axes, lines, bands and a limit, with text as text and no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 28
MOST_POINTS = 360
"""Points of a line: more cannot be told apart at this width."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line of a chart."""

    name: str
    style: str
    """A class of the page's style sheet: its colour, and dashes that tell it without colour."""
    points: Sequence[Point]
    is_stepped: bool = False


@dataclass(frozen=True)
class Band:
    """An interval around a line: at, low and high."""

    style: str
    points: Sequence[tuple[float, float, float]]


@dataclass(frozen=True)
class Chart:
    """A chart over time."""

    title: str
    unit: str
    seconds: float
    most: float
    """Where the axis ends; it begins at `least`."""
    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    limit: float | None = None
    least: float = 0
    holds: Sequence[Point] = ()
    """From and to, shaded."""
    flags: Sequence[float] = ()
    """When an operator acted."""


def svg(chart: Chart) -> str:
    """The chart."""
    inner = [_axes(chart)]
    inner += [_hold(chart, *span) for span in chart.holds]
    inner += [_band(chart, band) for band in chart.bands]
    if chart.limit is not None:
        y = _y(chart, chart.limit)
        end = WIDTH - _RIGHT
        inner.append(
            f'<line class="limit" x1="{_LEFT}" x2="{end}" y1="{y}" y2="{y}"/>'
            f'<text x="{end}" y="{y - 4:.1f}" text-anchor="end">limit</text>'
        )
    inner += [_line(chart, line) for line in chart.lines]
    inner += [_flag(chart, at) for at in chart.flags]
    title = escape(chart.title)
    names = ", ".join(line.name for line in chart.lines)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}: {escape(names)}">'
        f"<title>{title}</title>{''.join(inner)}</svg>"
    )


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
    power = 10.0 ** _exponent(span / count)
    step = next(power * each for each in (1, 2, 5, 10) if power * each * count >= span)
    first = -(-least // step) * step
    return [round(first + i * step, 10) for i in range(int((most - first) / step + 1e-9) + 1)]


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def _x(chart: Chart, at: float) -> float:
    share = at / chart.seconds if chart.seconds else 0
    return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * share, 1)


def _y(chart: Chart, value: float) -> float:
    share = (min(max(value, chart.least), chart.most) - chart.least) / (chart.most - chart.least)
    return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share, 1)


def _axes(chart: Chart) -> str:
    found = []
    for value in ticks(chart.most, chart.least):
        y = _y(chart, value)
        found.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}{chart.unit}</text>'
        )
    for at in ticks(chart.seconds, count=6):
        clock = f"{int(at) // 60}:{int(at) % 60:02d}"
        found.append(
            f'<text x="{_x(chart, at)}" y="{HEIGHT - 8}" text-anchor="middle">{clock}</text>'
        )
    return "".join(found)


def _hold(chart: Chart, start: float, end: float) -> str:
    x = _x(chart, start)
    width = max(_x(chart, end) - x, 1)
    return (
        f'<rect class="hold" x="{x}" y="{_TOP}" width="{width:.1f}" '
        f'height="{HEIGHT - _TOP - _BOTTOM}"><title>held or paused</title></rect>'
    )


def _flag(chart: Chart, at: float) -> str:
    x = _x(chart, at)
    return (
        f'<line class="flag" x1="{x}" x2="{x}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}">'
        "<title>an operator acted</title></line>"
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
    return (
        f'<polyline class="{line.style}" points="{shown}"><title>{escape(line.name)}</title>'
        "</polyline>"
    )


def _stepped(points: Sequence[Point]) -> list[Point]:
    found: list[Point] = []
    for at, value in points:
        if found and found[-1][1] != value:
            found.append((at, found[-1][1]))
        found.append((at, value))
    return found
