"""Markdown of GitHub's kind in which no value can be anything but text.

Values come from a pull request, a cluster and whoever changed it. As code they hold no link, image,
tag or mention; their own backticks, pipes, line ends and invisible characters do not get out.
"""

from collections.abc import Sequence

from kube.errors import printable

MOST_LINES = 40
"""Lines of one list."""

_LONGEST = 300
"""Characters of one value."""

_PIPE = r"\u007c"
"""A pipe in a cell."""

_FOLDED = 8
"""A list that is longer is folded away."""


def bold(markdown: str) -> str:
    """In bold."""
    return f"**{markdown}**"


def code(text: str, longest: int = _LONGEST) -> str:
    """A text as it is, on one line."""
    shown = _cut(printable(" ".join(text.split())), longest) or " "
    fence = "`"
    while fence in shown:
        fence += "`"
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def block(texts: Sequence[str], language: str = "") -> str:
    """Texts as they are, as lines of code."""
    lines = [_cut(printable(line), _LONGEST) for text in texts for line in text.splitlines()]
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return "\n".join([f"{fence}{language}", *_bounded(lines), fence])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text, and the others numbers. Cells are Markdown."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join([_row(head), _row(rule), *_bounded([_row(row) for row in rows])])


def _row(cells: Sequence[str]) -> str:
    # A pipe ends a cell even within code, and whether a backslash before it helps depends on more
    # backslashes before that.
    return f"| {' | '.join(cell.replace('|', _PIPE) for cell in cells)} |"


def bullets(lines: Sequence[str]) -> str:
    """A list of Markdown; a long one is to be unfolded."""
    listed = "\n".join(f"- {line}" for line in _bounded(lines))
    if len(lines) <= _FOLDED:
        return listed
    return f"<details><summary>all {len(lines)}</summary>\n\n{listed}\n\n</details>"


def fitted(sections: Sequence[str], most: int) -> str:
    """Sections one after another, as many as fit into `most` characters, ending with a new line.

    What does not fit is left out from the end, and said so.
    """
    shown, note = list(sections), "… and more, which does not fit here: see the job's log."
    text = "\n\n".join(shown) + "\n"
    while len(text) > most and shown:
        shown.pop()
        text = "\n\n".join([*shown, note]) + "\n"
    return text


def _bounded(lines: Sequence[str]) -> list[str]:
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"… and {more} more"] if more > 0 else [])]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
