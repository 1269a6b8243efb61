"""The figures of the paths as a table, and as a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Row:
    """What one path costs. Latencies are milliseconds."""

    name: str
    rate: float
    """Requests per second."""
    p50: float
    p95: float
    p99: float
    cpu: float | None
    """CPU seconds of all linkerds in the path per 1,000 requests; None where there is none."""
    resident: float | None
    """MiB of all of them."""
    warm_up: float
    """Seconds that came before."""
    warm: bool
    """Whether it was seen to have ended."""


_HEADINGS = ("path", "requests/s", "p50 ms", "p95 ms", "p99 ms", "CPU s/1,000", "MiB", "warm-up")


def table(rows: Sequence[Row]) -> str:
    """As Markdown, with columns that line up on a terminal, too."""
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEADINGS))]
    lines = [_line(cells[0], widths), _line(["-" * width for width in widths], widths)]
    return "\n".join([*lines, *(_line(line, widths) for line in cells[1:])])


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.rate:,.0f}",
        f"{row.p50:.2f}",
        f"{row.p95:.2f}",
        f"{row.p99:.2f}",
        "–" if row.cpu is None else f"{row.cpu:.3f}",
        "–" if row.resident is None else f"{row.resident:.0f}",
        f"{row.warm_up:.0f} s" + ("" if row.warm else ", not steady"),
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *others = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "| " + " | ".join([name, *others]) + " |"


_NAMES, _PANEL, _GAP, _BAR, _TOP = 170, 180, 24, 22, 64
"""Of the picture, in pixels: the names' column, a panel, what is between, a bar, what is above."""

_PANELS: Sequence[tuple[str, Callable[[Row], float | None], str]] = (
    ("requests/s", lambda row: row.rate, ",.0f"),
    ("p99, ms", lambda row: row.p99, ".1f"),
    ("CPU s per 1,000 requests", lambda row: row.cpu, ".3f"),
)


def svg(rows: Sequence[Row], which: str) -> str:
    """Bars by path: rate, p99 and CPU. `which` tells what was measured."""
    width = _NAMES + len(_PANELS) * (_PANEL + _GAP)
    height = _TOP + len(rows) * _BAR + 12
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f"<title>What the mesh costs: {escape(which)}</title>",
        f'<rect {size} fill="#ffffff"/>',
        f'<text x="8" y="20" font-weight="bold">Measured: {escape(which)}</text>',
    ]
    for number, row in enumerate(rows):
        parts.append(f'<text x="8" y="{_baseline(number)}">{escape(row.name)}</text>')
    for number, panel in enumerate(_PANELS):
        parts.extend(_panel(rows, _NAMES + number * (_PANEL + _GAP), *panel))
    return "\n".join([*parts, "</svg>", ""])


def _baseline(number: int) -> int:
    return _TOP + number * _BAR + 13


def _panel(
    rows: Sequence[Row], left: int, heading: str, figure: Callable[[Row], float | None], form: str
) -> list[str]:
    """One figure of all paths; bars start at 0."""
    most = max((figure(row) or 0 for row in rows), default=0) or 1
    parts = [f'<text x="{left}" y="{_TOP - 12}" font-weight="bold">{escape(heading)}</text>']
    for number, row in enumerate(rows):
        value = figure(row)
        if value is None:
            parts.append(f'<text x="{left}" y="{_baseline(number)}" fill="#57606a">none</text>')
            continue
        length = round(value / most * (_PANEL - 60), 1)
        top = _TOP + number * _BAR
        parts.append(
            f'<rect x="{left}" y="{top}" width="{length}" height="{_BAR - 6}" fill="#4c78a8"/>'
        )
        parts.append(f'<text x="{left + length + 4}" y="{_baseline(number)}">{value:{form}}</text>')
    return parts
