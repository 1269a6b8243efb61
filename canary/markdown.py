"""A preview as Markdown: the lines that a reviewer wants."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from canary import changes
from canary.changes import Entries, Split
from canary.events import Preview, Step

MOST_LINES = 60
"""Lines of one list; a comment on GitHub takes 65,536 characters in all."""

_FOLDED = 8
"""A list that is longer is folded away."""

_LONGEST = 600
"""Characters of one message."""

Listed = Sequence[tuple[Step, list[str]]]


def document(preview: Preview) -> str:
    """The whole summary, ending with a new line."""
    sections = [
        f"### Preview of `{preview.stack or 'an empty stack'}`",
        _verdict(preview),
        *_routes(preview),
        *_drift(preview),
        *_resources(preview),
        *_policies(preview),
        *_errors(preview),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _verdict(preview: Preview) -> str:
    if not preview.ended:
        return "**The preview was cut off: what follows may be incomplete.**"
    if preview.failed:
        return "**The preview failed**: an update would stop."
    if _is_quiet(preview):
        return "Nothing changes, and nothing has drifted."
    return ""


def _is_quiet(preview: Preview) -> bool:
    is_same = all(step.op == "same" for step in preview.steps.values())
    return is_same and not changes.drift(preview)


def _routes(preview: Preview) -> Iterator[str]:
    for split in changes.splits(preview):
        if split.changes:
            yield _split(split)
    for found in changes.entries(preview):
        yield _entries(found)


def _split(split: Split) -> str:
    title = f"**{code(split.prefix)}** in table {code(split.table)}"
    columns: list[tuple[str, Mapping[str, Any] | None]] = [("now", split.live)]
    if split.drifted:
        columns = [("deployed", split.deployed), ("live", split.live)]
    columns.append(("after", split.after))
    head = "| branch | " + " | ".join(name for name, _ in columns) + " |"
    rule = "| --- |" + " ---: |" * len(columns)
    rows = [_row(branch, [weights for _, weights in columns]) for branch in split.branches]
    return "\n".join([title, "", head, rule, *rows])


def _row(branch: str, times: Sequence[Mapping[str, Any] | None]) -> str:
    cells = [_percent(weights, branch) for weights in times]
    if cells[-1] != cells[-2]:
        cells[-1] = f"**{cells[-1]}**"
    return f"| {code(branch).replace('|', chr(92) + '|')} | " + " | ".join(cells) + " |"


def _percent(weights: Mapping[str, Any] | None, branch: str) -> str:
    weight = (weights or {}).get(branch)
    if weight is None:
        return "–"
    return f"{weight:g} %" if isinstance(weight, (int, float)) else "not known yet"


def _entries(found: Entries) -> str:
    who = "changed by somebody else" if found.by_drift else "changed"
    lines = [f"- {entry}" for entry in found.removed] + [f"+ {entry}" for entry in found.added]
    return f"Entries of table {code(found.table)}, {who}:\n\n{block(lines, 'diff')}"


def _drift(preview: Preview) -> Iterator[str]:
    found = changes.drift(preview)
    if found:
        lines = [
            _line(*each) if each[0].new is not None else f"{_name(each[0])}: gone" for each in found
        ]
        yield f"**Drift**: changed outside of Pulumi\n\n{bullets(lines)}"


def _resources(preview: Preview) -> Iterator[str]:
    kinds: tuple[tuple[str, str, Callable[[str], str]], ...] = (
        ("replace", "replaced", bold),
        ("delete", "deleted", bold),
        ("create", "made", str),
        ("update", "changed", str),
        ("import", "imported", str),
    )
    found = [(word, shown, changes.resources(preview, op)) for op, word, shown in kinds]
    counts = [shown(f"{len(listed)} {word}") for word, shown, listed in found if listed]
    if not counts:
        return
    same = len(changes.resources(preview, "same"))
    counts += [f"{same} unchanged"] if same else []
    yield f"**Resources**: {', '.join(counts)}"
    for word, shown, listed in found:
        if listed:
            yield folded(word, [shown(_line(*each, word=word)) for each in listed])


def _line(step: Step, paths: Sequence[str], word: str = "") -> str:
    """One resource. A new or deleted one needs no list of all its inputs."""
    if word in ("made", "deleted", "imported"):
        return _name(step)
    shown = ", ".join(map(code, paths[:_FOLDED])) or "only what is secret or of the provider's own"
    more = f" and {len(paths) - _FOLDED} more" if len(paths) > _FOLDED else ""
    return f"{_name(step)}: {shown}{more}"


def _name(step: Step) -> str:
    return f"{step.type.rpartition(':')[2]} {code(step.name)}"


def _policies(preview: Preview) -> Iterator[str]:
    if not preview.packs:
        return
    broken = {violation.rule for violation in preview.violations}
    kept = len(preview.rules - broken)
    yield f"**Policies**: {kept} kept" + (f", {bold(f'{len(broken)} broken')}" if broken else "")
    if preview.violations:
        yield bullets(
            [
                f"{_level(violation.level)} {code(violation.rule)}, "
                f"{code(violation.urn.rpartition('::')[2])}: {code(violation.message)}"
                for violation in preview.violations
            ]
        )


def _level(level: str) -> str:
    return level if level == "advisory" else bold(level)


def _errors(preview: Preview) -> Iterator[str]:
    if preview.errors:
        yield f"**Errors**\n\n{block(preview.errors)}"


def bold(text: str) -> str:
    """In bold."""
    return f"**{text}**"


def code(text: str) -> str:
    """A text in which nothing is Markdown: no mention, link or tag."""
    shown = " ".join(text.split())[:_LONGEST] or " "
    fence = "`"
    while fence in shown:
        fence += "`"
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def block(texts: Sequence[str], language: str = "") -> str:
    """Texts as lines of code."""
    lines = [line[:_LONGEST] for text in texts for line in text.splitlines()]
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return "\n".join([f"{fence}{language}", *_bounded(lines), fence])


def bullets(lines: Sequence[str]) -> str:
    """A list."""
    return "\n".join(f"- {line}" for line in _bounded(lines))


def folded(title: str, lines: Sequence[str]) -> str:
    """A list that one may have to unfold."""
    if len(lines) <= _FOLDED:
        return bullets([f"{title}: {line}" for line in lines])
    return f"<details><summary>{len(lines)} {title}</summary>\n\n{bullets(lines)}\n\n</details>"


def _bounded(lines: Sequence[str]) -> list[str]:
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"… and {more} more"] if more > 0 else [])]
