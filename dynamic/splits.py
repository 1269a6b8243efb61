"""Splits: percents for the branches of a prefix, to a table's entries and back.

{"/host/world": {"/srv/world-v1": 99.5, "/srv/world-v2": 0.5}}

A percent has at most two decimals, as namerd keeps no more of a weight. It is an int where it is
whole and else a float, as in JSON; everything is reckoned in hundredths.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import TypeAlias

from dynamic import grammar
from dynamic.grammar import Alt, Dentry, Dtab, Tree, Union, Weighted

Weights: TypeAlias = Mapping[str, float]
"""Percent by branch, adding up to 100."""

Splits: TypeAlias = Mapping[str, Weights]
"""Weights by the prefix they split."""

WHOLE = 100_00
"""All the traffic, in hundredths of a percent."""

_NOISE = 1e-6
"""How far a float may be from hundredths: `100 - 99.9` is 0.09999999999999432."""


def hundredths(weight: object) -> int | None:
    """A percent from 0 to 100 in hundredths; None where it is no number of at most two decimals."""
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        return None
    if not -1 < weight < 101:  # neither NaN nor infinite
        return None
    found = round(weight * 100)
    is_exact = abs(weight * 100 - found) < _NOISE
    return found if is_exact and 0 <= found <= WHOLE else None


def percent(in_hundredths: int) -> float:
    """The percent as people write it: 10, 0.5, 33.33."""
    whole, rest = divmod(in_hundredths, 100)
    return in_hundredths / 100 if rest else whole


def rest(weight: float) -> float:
    """What a percent leaves of 100."""
    return percent(WHOLE - round(weight * 100))


def table(base: Iterable[Dentry], splits: Splits) -> Dtab:
    """The table to write: the base, then one entry a split, prefixes and branches sorted.

    A branch of weight 0 is left out, one at 100 stands alone.
    """
    return (*base, *(Dentry(prefix, _tree(splits[prefix])) for prefix in sorted(splits)))


def _tree(weights: Weights) -> Tree:
    branches = [Weighted(float(weights[path]), path) for path in sorted(weights) if weights[path]]
    return branches[0].tree if len(branches) == 1 else Union(tuple(branches))


def recognise(live: Dtab, known: Splits) -> tuple[Dtab, dict[str, dict[str, float]]]:
    """A table as a base and splits: the inputs that come nearest to what it does.

    A prefix of `known` that the table has an entry for is a split, whatever the entry: who leaves
    the splits to somebody else (`ignore_changes`) must never lose one. Ratios become percents that
    add up to 100, and a branch that is known but not in the table is 0.

    An entry belongs to the splits alone where it is a plain union of paths, none of which rounds to
    0, and stands where `table` would put it. Every other entry is in the base too, as it is: to
    write what was read then is a change.
    """
    trees: dict[str, list[Tree]] = {prefix: [] for prefix in known}
    for prefix, dst in live:
        if prefix in trees:
            trees[prefix].append(dst)
    # Of two entries for one prefix the later one is asked first.
    percents = {prefix: _percents(found[-1]) for prefix, found in trees.items() if found}
    plain = {
        prefix
        for prefix, of in percents.items()
        if len(trees[prefix]) == 1 and _is_plain(trees[prefix][0], of)
    }
    own = _in_place(live, plain)
    splits = {
        prefix: {**dict.fromkeys(known[prefix], 0), **(of or known[prefix])}
        for prefix, of in percents.items()
    }
    return tuple(dentry for dentry in live if dentry.prefix not in own), splits


def _in_place(live: Dtab, plain: set[str]) -> set[str]:
    """The prefixes at the end of a table that `table` could have put there: sorted ones."""
    found: list[str] = []
    for prefix, _ in reversed(live):
        if prefix not in plain or (found and prefix > found[-1]):
            break
        found.append(prefix)
    return set(found)


def _is_plain(tree: Tree, percents: Weights) -> bool:
    """Whether its percents by branch are the whole meaning of a tree.

    They are not where a branch has the weight 0: unlike one left out, it takes all the traffic once
    the others have no endpoints.
    """
    branches = tree.branches if isinstance(tree, Union) else (Weighted(1.0, tree),)
    return (
        len(percents) == len(branches)
        and all(percents.values())
        and all(branch.tree in percents for branch in branches)
        and all(grammar.hundredths(branch.weight) for branch in branches)
    )


def _percents(tree: Tree) -> dict[str, float]:
    """Percents by path that add up to 100, nothing where the tree leads to no path.

    By largest remainder: of equal ones the first path's is rounded up.
    """
    if isinstance(tree, Union) and (whole := _written_percents(tree)):
        return whole
    exact = {path: share * WHOLE for path, share in sorted(_shares(tree).items())}
    parts = {path: int(share) for path, share in exact.items()}
    lacking = WHOLE - sum(parts.values()) if parts else 0
    for path in sorted(exact, key=lambda path: parts[path] - exact[path])[:lacking]:
        parts[path] += 1
    return {path: percent(part) for path, part in parts.items()}


def _written_percents(union: Union) -> dict[str, float] | None:
    """The weights of paths where they are percents already, as in every table of our own."""
    found: dict[str, float] = {}
    total = 0
    for weight, path in union.branches:
        if not isinstance(path, str) or not path.startswith("/") or path in found:
            return None
        part = grammar.hundredths(weight)
        total += part
        found[path] = percent(part)
    return found if total == WHOLE else None


def _shares(tree: Tree) -> dict[str, Fraction]:
    """The traffic that each path gets where all have endpoints; nothing where there is no path.

    The first of alternatives counts. `!` and `~` leave their share to the others, `$` fails it,
    which no percent can say.
    """
    if isinstance(tree, Alt):
        return next(filter(None, map(_shares, tree.trees)), {})
    if isinstance(tree, str):
        return {tree: Fraction(1)} if tree.startswith("/") else {}
    found: dict[str, Fraction] = {}
    for weight, branch in tree.branches:
        for path, share in _shares(branch).items():
            found[path] = found.get(path, Fraction(0)) + share * grammar.hundredths(weight)
    total = sum(found.values())
    if found and not total:  # namerd draws evenly where every weight is 0
        return {path: Fraction(1, len(found)) for path in found}
    return {path: share / total for path, share in found.items()}


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
