"""One service whose traffic is split between versions, in every table that splits it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from canary.analysis.limits import Limits
from canary.errors import CanaryError
from canary.stack.deployed import Deployed, DeployedTable
from dynamic import guard
from dynamic.grammar import Dtab

DEFAULTS = Limits()

Weights = Mapping[str, float]
"""Percents by version."""


@dataclass(frozen=True)
class Way:
    """A table that splits the service, and the prefix that it does so at."""

    table: DeployedTable
    prefix: str

    @property
    def weights(self) -> Weights:
        """As of the last update."""
        return by_version(self.table.splits[self.prefix])


@dataclass(frozen=True)
class Split:
    """A service with versions."""

    service: str
    versions: tuple[str, ...]
    """The baseline first, then by name."""
    ways: tuple[Way, ...]
    """One, or two where requests from outside go to the service as well."""
    limits: Limits = DEFAULTS
    """What the canary is judged by, and where its counters are read."""

    @property
    def baseline(self) -> str:
        """The version that traffic goes back to."""
        return self.versions[0]

    @property
    def canary(self) -> str:
        """The version that is tried: the last one."""
        return self.versions[-1]


def by_version(branches: Mapping[str, float]) -> dict[str, float]:
    """Percents by version of percents by branch: `/srv/world-v1` is world-v1."""
    return {version_of(branch): percent for branch, percent in branches.items()}


def version_of(branch: str) -> str:
    """The version that a branch or a bound name leads to: its last label."""
    return branch.rpartition("/")[2]


def all_of(deployed: Deployed) -> list[Split]:
    """The splits between versions, by service."""
    ways: dict[tuple[str, ...], list[Way]] = {}
    for table in sorted(deployed.tables, key=lambda table: table.namespace, reverse=True):
        for prefix, branches in table.splits.items():
            if len(branches) > 1:
                ways.setdefault(tuple(sorted(by_version(branches))), []).append(Way(table, prefix))
    found = [_split(versions, each) for versions, each in ways.items()]
    return sorted(found, key=lambda split: split.service)


def _split(versions: tuple[str, ...], ways: list[Way]) -> Split:
    """The table between services comes first, and its prefix says the service's name."""
    first = ways[0]
    baseline = version_of(first.table.baseline.get(first.prefix, versions[0]))
    others = [version for version in versions if version != baseline]
    return Split(version_of(first.prefix), (baseline, *others), tuple(ways))


def chosen(deployed: Deployed, service: str | None) -> Split:
    """The split of a service, or the only one. Raises CanaryError."""
    splits = all_of(deployed)
    names = [split.service for split in splits]
    if not splits:
        raise CanaryError(f"the stack {deployed.stack} splits no traffic between versions")
    if service is None:
        if len(splits) > 1:
            raise CanaryError(f"the stack splits {_listed(names)}: say which with --service NAME")
        return splits[0]
    if service not in names:
        raise CanaryError(f"the stack splits no service {service!r}, only {_listed(names)}")
    return splits[names.index(service)]


def bound_names(way: Way, table: Dtab) -> dict[str, str]:
    """The version by the name that a branch is bound to, as linkerd's counters have it."""
    found = {}
    for branch in way.table.splits[way.prefix]:
        for path in (branch, *guard.way(table, branch)[1]):
            if path.startswith(("/#/", "/$/")):
                found[path] = version_of(branch)
    return found


def leads_through(way: Way, table: Dtab, path: str) -> bool:
    """Whether a name comes by the split, and not straight to one of the versions."""
    return any(entry.prefix == way.prefix for entry in guard.reached(table, path))


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
