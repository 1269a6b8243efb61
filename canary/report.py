"""A preview as Markdown: the lines that a reviewer wants, the most important first."""

from collections.abc import Callable, Iterator

from canary import changes
from canary.changes import Changed, Entries, Split, Weights
from canary.events import Preview, Step, Violation
from canary.markdown import block, bold, bullets, code, fitted, table

LIMIT = 60_000
"""Characters of a summary. GitHub takes 65,536 in a comment or an issue."""

_PATHS = 6
"""Changed inputs that are named of one resource."""

_LONGEST_NAME = 100
"""Characters of a name; Kubernetes' own take 63, a routing table's prefix has no bound."""


def document(preview: Preview, what: str = "Preview") -> str:
    """The whole summary, ending with a new line; at most LIMIT characters.

    `what` begins its title.
    """
    sections = [
        f"### {what} of {_name(preview.stack)}" if preview.stack else f"### {what}",
        *_verdict(preview),
        *map(_split, (split for split in changes.splits(preview) if split.changes)),
        *map(_entries, changes.entries(preview)),
        *_traffic(preview),
        *_drift(preview),
        *_policies(preview),
        *_resources(preview),
    ]
    return fitted(sections, LIMIT)


def _verdict(preview: Preview) -> Iterator[str]:
    if not preview.ended:
        began = "cut off: what follows may be incomplete" if preview.stack else "not begun"
        yield bold(f"The preview was {began}.") + " The job's log says more."
    elif preview.failed:
        yield bold("The preview failed:") + " an update would stop."
    elif _is_quiet(preview):
        drift = "nothing has drifted" if preview.refreshed else "nobody has looked for drift"
        yield f"Nothing changes, and {drift}."
    if preview.errors:
        yield block(preview.errors)


def _is_quiet(preview: Preview) -> bool:
    is_same = all(step.op == "same" for step in preview.steps.values())
    return is_same and not changes.drift(preview)


def _split(split: Split) -> str:
    title = f"{bold(_name(split.prefix))} in table {_name(split.table)}"
    columns = [("now", split.live)]
    if split.drifted:
        title += ", " + bold(_by(split.unsaved))
        columns = [("deployed", split.deployed), ("live", split.live)]
    if split.after is not None:
        columns.append(("after", split.after))
    rows = [_weights(branch, [weights for _, weights in columns]) for branch in split.branches]
    return f"{title}\n\n{table(['branch', *(name for name, _ in columns)], rows)}"


def _weights(branch: str, times: list[Weights]) -> list[str]:
    cells = [_percent(weights.get(branch)) for weights in times]
    # The new value stands out.
    if len(cells) > 1 and cells[-1] != cells[-2]:
        cells[-1] = bold(cells[-1])
    return [_name(branch), *cells]


def _percent(weight: object) -> str:
    if weight is None:
        return "–"
    if isinstance(weight, (int, float)):
        return f"{weight:g} %"
    return "secret" if weight == "[secret]" else "not known yet"


def _entries(found: Entries) -> str:
    by = bold(_by(found.unsaved)) if found.by_drift else "changed"
    lines = [f"- {entry}" for entry in found.removed] + [f"+ {entry}" for entry in found.added]
    return f"Entries of table {_name(found.table)}, {by}:\n\n{block(lines, 'diff')}"


_UNFINISHED = "an update of this stack that is under way, or did not come to its end"


def _by(unsaved: bool) -> str:
    return f"written by {_UNFINISHED}" if unsaved else "changed by somebody else"


def _traffic(preview: Preview) -> Iterator[str]:
    """What a table that reads as declared does not tell."""
    for name, lines in changes.lags(preview):
        listed = bullets([code(line) for line in lines])
        yield f"{bold('Not followed everywhere')}: table {_name(name)}\n\n{listed}"
    for name, keeper in changes.keepers(preview):
        yield f"Table {_name(name)} is {bold('kept by another')}: the {code(keeper)}"


def _drift(preview: Preview) -> Iterator[str]:
    unsaved: list[str] = []
    drifted: list[str] = []
    for found in changes.drift(preview):
        line = _changed(found) if found[0].new is not None else f"{_resource(found[0])} is gone"
        (unsaved if changes.is_unsaved(found) else drifted).append(line)
    if unsaved:
        yield f"{bold('Not in the state')}: written by {_UNFINISHED}\n\n{bullets(unsaved)}"
    if drifted:
        yield f"{bold('Drift')}: changed outside of Pulumi\n\n{bullets(drifted)}"


def _policies(preview: Preview) -> Iterator[str]:
    if not preview.packs:
        return
    broken = {violation.rule for violation in preview.violations}
    counts = [f"{len(preview.rules - broken)} kept"]
    if broken:
        counts.append(bold(f"{len(broken)} broken"))
    lines = [
        f"{violation.level if violation.level == 'advisory' else bold(violation.level)} "
        f"{_name(violation.rule)} by {_name(violation.name)}: {code(violation.message)}"
        for violation in sorted(preview.violations, key=_by_weight)
    ]
    yield f"{bold('Policies')}: {', '.join(counts)}"
    if lines:
        yield bullets(lines)


def _by_weight(violation: Violation) -> tuple[bool, str, str]:
    """What stops an update comes first."""
    return violation.level == "advisory", violation.rule, violation.name


_Shown = Callable[[str], str]

_KINDS: tuple[tuple[str, str, _Shown], ...] = (
    ("replace", "replaced", bold),
    ("delete", "deleted", bold),
    ("update", "changed", str),
    ("create", "made", str),
    ("import", "imported", str),
)
"""Operations, what they are called here, and how they are shown."""


def _resources(preview: Preview) -> Iterator[str]:
    found = [(word, shown, changes.resources(preview, op)) for op, word, shown in _KINDS]
    counts = [shown(f"{len(listed)} {word}") for word, shown, listed in found if listed]
    if not counts:
        return
    if same := len(changes.resources(preview, "same")):
        counts.append(f"{same} unchanged")
    yield f"{bold('Resources')}: {', '.join(counts)}"
    for word, shown, listed in found:
        # A new or deleted one needs no list of all its inputs.
        line = _changed if word in ("replaced", "changed") else _only_name
        if listed:
            yield bullets([f"{shown(word)} {line(each)}" for each in listed])


def _only_name(found: Changed) -> str:
    return _resource(found[0])


def _changed(found: Changed) -> str:
    step, paths = found
    shown = ", ".join(map(_name, paths[:_PATHS])) or "only what is secret"
    more = f" and {len(paths) - _PATHS} more" if len(paths) > _PATHS else ""
    return f"{_resource(step)}: {shown}{more}"


def _resource(step: Step) -> str:
    return f"{_name(step.type.rpartition(':')[2])} {_name(step.name)}"


def _name(text: str) -> str:
    return code(text, _LONGEST_NAME)
