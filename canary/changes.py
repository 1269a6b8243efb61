"""What a preview means for who reviews it: splits, tables, drift, resources.

Inputs are compared here: for dynamic resources the engine does not say what changes. Of other
values than routes only the names are told.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from canary.events import Inputs, Preview, Step

DTAB = "pulumi-python:dynamic/namerd:Dtab"

_INTERNAL = "__"
"""What an input's name begins with that the SDK keeps for itself."""

_UNSAVED = "unsaved"
"""What a refresh says of a table that an update wrote and the state does not have."""

_TOLD = ("kept_by", "lagging", _UNSAVED)
"""What a refresh says of a table beside its entries, and no program gives."""

_LIVE = ("dentries", "splits")
"""The inputs of a table that a refresh reads. The others say how to change it, and where a new one
changed nothing the refresh still finds the former in the state."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Weights = Mapping[str, Any]
"""Percents by branch; a value that is not told is a text: not known yet, or `[secret]`."""

Changed = tuple[Step, list[str]]
"""A resource and the paths of its inputs that differ."""


@dataclass(frozen=True)
class Split:
    """The percents of one prefix; empty where the prefix is not split."""

    table: str
    prefix: str
    deployed: Weights
    """As of the last update."""
    live: Weights
    """As they are now."""
    after: Weights | None
    """As they will be; None where the preview does not tell."""
    unsaved: bool = False
    """Whether an update of the stack has set those in force, and its state does not have them."""

    @property
    def branches(self) -> list[str]:
        """All branches of any time, sorted."""
        return sorted({*self.deployed, *self.live, *(self.after or ())})

    @property
    def drifted(self) -> bool:
        """Whether it is not as the state has it."""
        return self.deployed != self.live

    @property
    def changes(self) -> bool:
        """Whether it differs between any two times."""
        return self.drifted or self.after not in (None, self.live)


@dataclass(frozen=True)
class Entries:
    """Entries of a table's base that come and go."""

    table: str
    removed: list[str]
    added: list[str]
    by_drift: bool
    """Whether the live table has that, and not the program."""
    unsaved: bool = False
    """Of drift, whether an update of the stack did that, which its state does not have."""


def splits(preview: Preview) -> list[Split]:
    """The splits of all tables, by table and prefix."""
    found = []
    for table in _tables(preview):
        deployed, live = _splits(table.deployed), _splits(table.live)
        after = None if table.after is None else _splits(table.after, live)
        for prefix in sorted({*deployed, *live, *(after or ())}):
            then = None if after is None else after.get(prefix, {})
            before, now = deployed.get(prefix, {}), live.get(prefix, {})
            found.append(Split(table.name, prefix, before, now, then, table.unsaved))
    return found


def entries(preview: Preview) -> list[Entries]:
    """What changes in the bases of the tables that stay, by drift or by the program."""
    found = []
    for table in _tables(preview):
        deployed, live = _entries(table.deployed), _entries(table.live)
        after = live if table.after is None else _entries(table.after)
        for before, then, by_drift in ((deployed, live, True), (live, after, False)):
            removed, added = _lines(before, then)
            if before and then and (removed or added):
                unsaved = by_drift and table.unsaved
                found.append(Entries(table.name, removed, added, by_drift, unsaved))
    return found


def _lines(before: list[str], then: list[str]) -> tuple[list[str], list[str]]:
    """What goes and what comes; an entry that moves does both, as order decides in a table."""
    removed, added = [], []
    for _, i, j, k, m in SequenceMatcher(None, before, then, autojunk=False).get_opcodes():
        if before[i:j] != then[k:m]:
            removed += before[i:j]
            added += then[k:m]
    return removed, added


def drift(preview: Preview) -> list[Changed]:
    """The resources that are not as the state has them; those that are gone have no paths.

    What the program leaves as it is, such as nodes that a cluster's autoscaler made, is no drift.
    """
    return [
        (step, paths)
        for step in _in_order(preview.refreshed)
        if step.old is not None and not _is_default_provider(step)
        if not _is_left_alone(step, preview.steps.get(step.urn))
        for paths in [_live_paths(step) if step.new is not None else []]
        if paths or step.new is None
    ]


def _live_paths(step: Step) -> list[str]:
    """The inputs that are not as deployed."""
    found = _paths(step)
    if step.type != DTAB:
        return found
    # What an earlier refresh has told and is over is no drift.
    told = [path for path in _TOLD if (step.new or {}).get(path)]
    return [path for path in found if path in (*_LIVE, *told)]


def _is_left_alone(found: Step, planned: Step | None) -> bool:
    # Of a table a reviewer wants to see what somebody has changed, even if nothing undoes it.
    is_same = planned is not None and planned.op == "same"
    return is_same and found.new is not None and found.type != DTAB


def keepers(preview: Preview) -> list[tuple[str, str]]:
    """Tables that another resource keeps by now, and which one."""
    return [
        (step.name, str(step.new["kept_by"]))
        for step in _in_order(preview.refreshed)
        if step.type == DTAB and step.new and step.new.get("kept_by")
    ]


def lags(preview: Preview) -> list[tuple[str, list[str]]]:
    """Tables that linkerds do not follow, and a line for each of those linkerds."""
    return [
        (step.name, list(map(str, step.new["lagging"])))
        for step in _in_order(preview.refreshed)
        if step.type == DTAB and step.new and step.new.get("lagging")
    ]


def is_unsaved(found: Changed) -> bool:
    """Whether a resource is as an update of the stack left it, and the state does not have that."""
    step, _ = found
    return step.type == DTAB and bool((step.new or {}).get(_UNSAVED))


def tables_drifted(preview: Preview) -> list[Changed]:
    """The tables that are others than those deployed."""
    return [found for found in drift(preview) if found[0].type == DTAB]


def resources(preview: Preview, op: str) -> list[Changed]:
    """The resources that the program does this to, and the inputs that differ."""
    return [
        (step, list(step.keys) or _paths(step) or list(step.paths))
        for step in _in_order(preview.steps)
        if step.op == op and not _is_default_provider(step)
    ]


def _in_order(steps: Mapping[str, Step]) -> list[Step]:
    """By type and name: the engine's own order changes from one preview to the next."""
    return sorted(steps.values(), key=lambda step: (step.type, step.name, step.urn))


def _paths(step: Step) -> list[str]:
    found = list(_differences(step.old or {}, step.new or {}))
    if step.type != DTAB:
        return found
    # What changes in splits and entries is told apart, with its values.
    return list(dict.fromkeys(re.split(r"[.\[]", path)[0] for path in found))


def _differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """The paths at which two inputs differ: `spec.replicas`, `data["a.b"]`, `spec.ports[0]`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            if not key.startswith(_INTERNAL):
                yield from _differences(old.get(key), new.get(key), _below(path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif old != new:
        yield path


def _below(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def _is_default_provider(step: Step) -> bool:
    return step.type.startswith("pulumi:providers:") and step.name.startswith("default")


@dataclass(frozen=True)
class _Table:
    """A table's inputs; {} where there is no table, None for what the preview does not tell."""

    name: str
    deployed: Inputs
    live: Inputs
    after: Inputs | None

    @property
    def unsaved(self) -> bool:
        return bool(self.live.get(_UNSAVED))


def _tables(preview: Preview) -> Iterable[_Table]:
    urns = {**preview.refreshed, **preview.steps}
    for urn in sorted(urn for urn, step in urns.items() if step.type == DTAB):
        refreshed, step = preview.refreshed.get(urn), preview.steps.get(urn)
        seen = refreshed or step
        deployed = (seen.old if seen else None) or {}
        live = (refreshed.new or {}) if refreshed else deployed
        # A refresh by itself plans nothing, and a failed preview may not have come to this table.
        yield _Table(urns[urn].name, deployed, live, (step.new or {}) if step else None)


def _splits(inputs: Inputs, known: Mapping[str, Weights] | None = None) -> Mapping[str, Weights]:
    """The weights by prefix; where a whole is not told, that of each branch that is known."""
    found, known = inputs.get("splits"), known or {}
    given = dict.fromkeys(known, found) if isinstance(found, str) else found or {}
    return {
        prefix: dict.fromkeys(known.get(prefix, ()), of) if isinstance(of, str) else of
        for prefix, of in given.items()
        if isinstance(of, (str, Mapping))
    }


def _entries(inputs: Inputs) -> list[str]:
    found = inputs.get("dentries")
    return [str(entry) for entry in found] if isinstance(found, list) else []
