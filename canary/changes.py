"""What a preview means for who reviews it: splits, tables, drift, resources.

Inputs are compared here: for dynamic resources the engine does not say what changes. Of other
values than routes, only the names are told.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary.events import Inputs, Preview, Step

DTAB = "pulumi-python:dynamic/namerd:Dtab"
_SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105  # marks a value that is left out
_INTERNAL = "__"
"""What an input's name begins with that the SDK keeps for itself."""


@dataclass(frozen=True)
class Split:
    """The percents of one prefix by branch: as last deployed, as they are, as they will be.

    None where the prefix is not split, or not by whole percents, at that time.
    """

    table: str
    prefix: str
    deployed: Mapping[str, Any] | None
    live: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def branches(self) -> list[str]:
        """All branches of any time, sorted."""
        return sorted({*(self.deployed or ()), *(self.live or ()), *(self.after or ())})

    @property
    def drifted(self) -> bool:
        """Whether somebody else has changed it."""
        return self.deployed != self.live

    @property
    def changes(self) -> bool:
        """Whether it differs between any two times."""
        return self.drifted or self.live != self.after


@dataclass(frozen=True)
class Entries:
    """Entries of a table's base that come and go."""

    table: str
    removed: list[str]
    added: list[str]
    by_drift: bool
    """Whether somebody else did that, and not the program."""


def splits(preview: Preview) -> list[Split]:
    """The splits of all tables, by table and prefix."""
    return [
        Split(_table(urn), prefix, deployed.get(prefix), live.get(prefix), after.get(prefix))
        for urn in _tables(preview)
        for deployed, live, after in [[_splits(inputs) for inputs in _times(preview, urn)]]
        for prefix in sorted({*deployed, *live, *after})
    ]


def entries(preview: Preview) -> list[Entries]:
    """What changes in the bases of all tables, by drift or by the program."""
    found = []
    for urn in _tables(preview):
        deployed, live, after = (_entries(inputs) for inputs in _times(preview, urn))
        for before, then, by_drift in ((deployed, live, True), (live, after, False)):
            removed = [entry for entry in before if entry not in then]
            added = [entry for entry in then if entry not in before]
            if before and then and (removed or added):
                found.append(Entries(_table(urn), removed, added, by_drift))
    return found


def drift(preview: Preview) -> list[tuple[Step, list[str]]]:
    """The resources that are not as the state has them, and the inputs that differ."""
    return [
        (step, paths)
        for step in preview.refreshed.values()
        if _counts(step) and step.old is not None
        for paths in [list(changed(step.old, step.new or {})) if step.new is not None else []]
        if paths or step.new is None
    ]


def resources(preview: Preview, op: str) -> list[tuple[Step, list[str]]]:
    """The resources that the program does this to, and the inputs that change."""
    return [
        (step, _changed_by(step))
        for step in preview.steps.values()
        if step.op == op and _counts(step)
    ]


def _changed_by(step: Step) -> list[str]:
    if step.keys:
        return list(step.keys)
    return list(changed(step.old or {}, step.new or {})) or list(step.paths)


def changed(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """The paths at which two inputs differ: `spec.replicas`, `spec.ports[0].name`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping) and not _is_hidden(old, new):
        for key in sorted({*old, *new}):
            if not key.startswith(_INTERNAL):
                below = f"{path}.{key}" if path else key
                yield from changed(old.get(key), new.get(key), below)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from changed(one, other, f"{path}[{index}]")
    elif old != new:
        yield path


def _is_hidden(*values: Mapping[str, Any]) -> bool:
    return any(_SECRET in value for value in values)


def _counts(step: Step) -> bool:
    is_default = step.type.startswith("pulumi:providers:") and step.name.startswith("default")
    return not is_default


def _tables(preview: Preview) -> Iterable[str]:
    urns = {**preview.refreshed, **preview.steps}
    return sorted(urn for urn, step in urns.items() if step.type == DTAB)


def _table(urn: str) -> str:
    return urn.rpartition("::")[2]


def _times(preview: Preview, urn: str) -> tuple[Inputs, Inputs, Inputs]:
    """A table's inputs as last deployed, as it is, and as it will be; {} where it is not."""
    refreshed, step = preview.refreshed.get(urn), preview.steps.get(urn)
    if refreshed:
        deployed, live = refreshed.old or {}, refreshed.new or {}
    else:
        deployed = live = (step.old if step else None) or {}
    # A refresh by itself plans nothing, and a failed preview may not have come to this table.
    return deployed, live, (step.new or {}) if step else live


def _splits(inputs: Inputs) -> Mapping[str, Any]:
    found = inputs.get("splits")
    return found if isinstance(found, Mapping) and not _is_hidden(found) else {}


def _entries(inputs: Inputs) -> list[str]:
    found = inputs.get("dentries")
    return [str(entry) for entry in found] if isinstance(found, list) else []
