"""Splits: whole percents for the branches of a prefix, to a table's entries and back.

{"/host/world": {"/srv/world-v1": 90, "/srv/world-v2": 10}}
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import TypeAlias

from dynamic import grammar
from dynamic.grammar import Dentry, Dtab, Tree, Union, Weighted

Weights: TypeAlias = Mapping[str, int]
"""Percent by branch, adding up to 100."""

Splits: TypeAlias = Mapping[str, Weights]
"""Weights by the prefix they split."""


def table(base: Iterable[Dentry], splits: Splits) -> Dtab:
    """The table to write: the base, then one entry a split, prefixes and branches sorted.

    A branch of weight 0 is left out, one at 100 stands alone.
    """
    return (*base, *(Dentry(prefix, _tree(splits[prefix])) for prefix in sorted(splits)))


def _tree(weights: Weights) -> Tree:
    branches = [Weighted(float(weights[path]), path) for path in sorted(weights) if weights[path]]
    return branches[0].tree if len(branches) == 1 else Union(tuple(branches))


def recognise(live: Dtab, known: Splits) -> tuple[Dtab, dict[str, dict[str, int]]]:
    """A table as a base and splits: the inputs that say what it does.

    An entry for a prefix of `known` is a split again where it is a plain union of paths in whole
    percents and stands where `table` would put it. Ratios become percents, and a branch that is
    known but not in the table is 0. Every other entry belongs to the base.
    """
    splits = {}
    for prefix, weights in known.items():
        found = [dentry.dst for dentry in live if dentry.prefix == prefix]
        percents = _percents(found[0]) if len(found) == 1 else None
        if percents is not None:
            splits[prefix] = {**dict.fromkeys(weights, 0), **percents}
    while splits and not _in_place(live, splits):
        # The first one is what keeps the rest of the table from being base, then splits.
        del splits[next(prefix for prefix, _ in live if prefix in splits)]
    return tuple(dentry for dentry in live if dentry.prefix not in splits), splits


def _in_place(live: Dtab, splits: Splits) -> bool:
    return [dentry.prefix for dentry in live[-len(splits) :]] == sorted(splits)


def _percents(tree: Tree) -> dict[str, int] | None:
    """The percent of each branch, or None where that is not the whole meaning of the tree.

    A branch written with weight 0 counts as that: unlike one left out, it takes all the traffic
    once the others have no endpoints.
    """
    branches = tree.branches if isinstance(tree, Union) else (Weighted(1, tree),)
    hundredths: dict[str, int] = {}
    for weight, branch in branches:
        if not isinstance(branch, str) or not branch.startswith("/") or branch in hundredths:
            return None
        hundredths[branch] = round(weight * 100)
    if not all(hundredths.values()):
        return None
    whole = sum(hundredths.values())
    percents = {path: Fraction(100 * part, whole) for path, part in hundredths.items()}
    if any(percent.denominator != 1 for percent in percents.values()):
        return None
    return {path: int(percent) for path, percent in percents.items()}


def rising(before: Splits, after: Splits) -> list[tuple[str, str]]:
    """Prefix and branch of every weight that `after` raises, sorted."""
    return sorted(
        (prefix, path)
        for prefix, weights in after.items()
        for path, weight in weights.items()
        if weight > before.get(prefix, {}).get(path, 0)
    )


def staying(before: Splits, after: Splits) -> list[tuple[str, str]]:
    """Prefix and branch of every weight that `after` keeps or lowers, but not to 0, sorted."""
    up = rising(before, after)
    return sorted(
        (prefix, path)
        for prefix, weights in after.items()
        for path, weight in weights.items()
        if weight and (prefix, path) not in up
    )


class Prefixes:
    """Prefixes by their labels, to find those that a path may lie under together with another."""

    def __init__(self) -> None:
        self._here: list[str] = []
        self._below: dict[str, Prefixes] = {}

    def add(self, prefix: str) -> None:
        """Take in a canonical prefix."""
        node = self
        for label in grammar.labels(prefix):
            node = node._below.setdefault(label, Prefixes())
        node._here.append(prefix)

    def overlapping(self, prefix: str) -> list[str]:
        """Those that some path lies under too, `*` standing for any one label; sorted."""
        found, nodes = [], [self]
        for label in grammar.labels(prefix):
            found += [shorter for node in nodes for shorter in node._here]
            nodes = [below for node in nodes for below in node._matching(label)]
        return sorted(found + [longer for node in nodes for longer in node._all()])

    def _matching(self, label: str) -> Iterator["Prefixes"]:
        if label == "*":
            yield from self._below.values()
        else:
            yield from (self._below[each] for each in (label, "*") if each in self._below)

    def _all(self) -> Iterator[str]:
        yield from self._here
        for below in self._below.values():
            yield from below._all()
