"""All that is known of a split at a moment: its weights by every account, its traffic, its rollout.

What the stack knows is asked of Pulumi and git by commands that run at the same time; what the
cluster knows by requests that do. The two are separate, as a watch asks the cluster more often.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from canary import endpoints, lease
from canary.analysis.limits import Limits
from canary.counters import prometheus, reading
from canary.counters.page import Expression
from canary.counters.reading import Seen
from canary.endpoints import Endpoints
from canary.errors import CanaryError
from canary.lease import Lease
from canary.stack import configured, deployed, history, split
from canary.stack.cli import Cli
from canary.stack.configured import Values
from canary.stack.deployed import Deployed
from canary.stack.history import Update
from canary.stack.split import Split, Way, Weights
from dynamic import splits
from dynamic.objects import Objects
from dynamic.tables import Table, entries_of
from kube.api import Api
from kube.connection import Connection, to_cluster
from kube.errors import OneLineError

_AT_ONCE = 16


@dataclass(frozen=True)
class StackView:
    """What Pulumi and git know of a split."""

    deployed: Deployed
    split: Split
    values: Values
    updates: list[Update]
    configured: Weights | None
    """None where the config cannot be used; `problem` says why."""
    problem: str
    committed: Weights | None
    """None where git has no such file, or its secrets cannot be compared."""
    committed_values: Values | None
    is_uncommitted: bool
    """Whether git should have the stack's settings and does not."""
    others: Sequence[str] = ()
    """Other services of the table whose weights in the config are not those of the last update."""

    def refuse_others(self) -> None:
        """Raise CanaryError where an update of the table would move other services too."""
        if self.others:
            raise CanaryError(
                f"{self.deployed.settings} has weights of {' and '.join(self.others)} that are not "
                f"deployed, and the table of {self.split.service} has them too: run `pulumi up` "
                "first, or take them back"
            )

    @property
    def weights(self) -> Weights:
        """As of the last update."""
        return self.split.ways[0].weights

    @property
    def limits(self) -> Limits:
        """What the canary is judged by; the defaults where the config cannot be used."""
        return self.split.limits

    @property
    def last(self) -> Update | None:
        """The update that set the weights."""
        return history.of_weights(self.updates, self.split)


@dataclass(frozen=True)
class Tables:
    """The tables that split a service, as they are in force."""

    by_way: Sequence[Weights | None]
    """Of each of the split's ways: None where there is no such table, or it does not split the
    service any more."""
    agrees: bool
    """Whether every table is what the last update that succeeded wrote."""
    is_own: bool
    """Whether an update of this stack wrote every table: the last one that succeeded, or one that
    failed, or was killed, after it had written."""
    changed_by: str
    """Who changed the table last, with what and when."""
    versions: Sequence[str]
    """Of each way's table, another after every write; empty where there is none."""

    @property
    def in_force(self) -> Weights | None:
        """Those of the first way, by which requests between services go."""
        return self.by_way[0]

    def weights_of(self, version: str) -> list[float]:
        """A version's percents, by each way: an update that failed may have written one alone."""
        return [(weights or {}).get(version, 0) for weights in self.by_way]

    def weight_of(self, version: str) -> float:
        """A version's percent, by the way that gives it most."""
        return max(self.weights_of(version))


@dataclass(frozen=True)
class ClusterView(Tables):
    """What the cluster knows of a split."""

    endpoints: Mapping[str, Endpoints]
    """By version; without those that are no Kubernetes services."""
    names: Mapping[str, str]
    """The version by bound name."""
    seen: Seen
    rollout: Lease | None


@dataclass(frozen=True)
class Known:
    """What Pulumi and git know of a stack, whichever split it is of."""

    deployed: Deployed
    values: Values
    updates: list[Update]
    committed: Values | None
    is_uncommitted: bool

    def of(self, chosen: Split) -> StackView:
        """What of it is about a split."""
        weights, problem = _weights(self.values, chosen)
        chosen = replace(chosen, limits=configured.limits(self.values))
        committed = self.committed
        return StackView(
            deployed=self.deployed,
            split=chosen,
            values=self.values,
            updates=self.updates,
            configured=weights,
            problem=problem,
            committed=_weights(committed, chosen)[0] if committed else None,
            committed_values=committed,
            is_uncommitted=self.is_uncommitted,
            others=_others(self.values, chosen),
        )


def of_stack(cli: Cli, folder: Path, service: str | None) -> StackView:
    """What Pulumi and git know of one split. Raises CanaryError."""
    found = known(cli, folder)
    return found.of(split.chosen(found.deployed, service))


def known(cli: Cli, folder: Path) -> Known:
    """What Pulumi and git know. Raises CanaryError."""
    asked = {show: cli.start(*show) for show in (deployed.SHOW, configured.SHOW, history.SHOW)}
    found = deployed.read(asked[deployed.SHOW].result())
    committed = configured.committed(folder, found.settings, found.project)
    missing = committed is None and configured.is_repository(folder)
    return Known(
        found,
        configured.read(asked[configured.SHOW].result(), found.project),
        history.read(asked[history.SHOW].result(), found.project),
        committed,
        missing and not configured.is_ignored(folder, found.settings),
    )


def _others(values: Values, chosen: Split) -> list[str]:
    """What `StackView.others` says."""
    first = chosen.ways[0]
    try:
        wanted = configured.branches(values)
    except CanaryError:
        return []
    return [
        split.version_of(prefix)
        for prefix, branches in first.table.splits.items()
        if prefix != first.prefix and prefix in wanted and wanted[prefix] != dict(branches)
    ]


def _weights(values: Values, chosen: Split) -> tuple[Weights | None, str]:
    try:
        return configured.weights(values, chosen), ""
    except CanaryError as error:
        return None, str(error)


@contextmanager
def api_of(found: Split) -> Iterator[Api]:
    """The API server that the split's tables are kept by. Raises CanaryError."""
    target = found.ways[0].table.target
    try:
        with ExitStack() as opened:

            def connect() -> Connection:
                return opened.enter_context(to_cluster(target.kubeconfig, target.context))

            # A rollout may go on for longer than a token lasts.
            yield Api(connect(), connect)
    except OneLineError as error:
        raise CanaryError(str(error)) from None


def of_cluster(api: Api, found: Split) -> ClusterView:
    """What the cluster knows: everything is asked at the same time.

    Raises CanaryError for a cluster that cannot be asked, or does not let them who ask.
    """
    names, expression = what_is_counted(found)
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            seen = pool.submit(look, api, found, expression)
            rollout = pool.submit(lease.read, api, mesh_namespace(found), found.service)
            behind = {name: pool.submit(endpoints.read, api, name) for name in names}
            tables = _tables(api, found, pool)
            ready = {names[name]: asked.result() for name, asked in behind.items()}
            return ClusterView(
                tables.by_way,
                tables.agrees,
                tables.is_own,
                tables.changed_by,
                tables.versions,
                endpoints={version: each for version, each in ready.items() if each is not None},
                names=names,
                seen=seen.result(),
                rollout=rollout.result(),
            )
    except OneLineError as error:
        raise CanaryError(str(error)) from None


def of_tables(api: Api, found: Split) -> Tables:
    """The tables alone. Raises CanaryError."""
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return _tables(api, found, pool)
    except OneLineError as error:
        raise CanaryError(str(error)) from None


def _tables(api: Api, found: Split, pool: ThreadPoolExecutor) -> Tables:
    live = list(pool.map(lambda way: _table(api, way), found.ways))
    return Tables(
        [_in_force(way, table) for way, table in zip(found.ways, live, strict=True)],
        agrees=all(map(_agrees, found.ways, live)),
        is_own=all(map(_is_own, found.ways, live)),
        changed_by=next((each.changed_by for each in live if each is not None), ""),
        versions=[each.version if each else "" for each in live],
    )


def look(api: Api, found: Split, expression: Expression) -> Seen:
    """The counters of the linkerds of all tables of a split. Raises OneLineError."""
    linkerds, limits = [way.table.linkerds for way in found.ways], found.limits
    if limits.prometheus:
        where = (limits.prometheus, limits.prometheus_selector)
        return prometheus.read(api, linkerds, expression, *where)
    return reading.read(api, linkerds, expression)


def mesh_namespace(found: Split) -> str:
    """The Kubernetes namespace of the mesh: namerd's."""
    return str(found.ways[0].table.target.service).partition("/")[0]


def what_is_counted(found: Split) -> tuple[dict[str, str], Expression]:
    """The version by bound name, and what finds their counters.

    By the tables as they were written: after somebody's change they may lead elsewhere.
    """
    tables = {way.table.linkerds.router: entries_of(way.table.dtab) for way in found.ways}
    ways = {way.table.linkerds.router: way for way in found.ways}
    names: dict[str, str] = {}
    for router, way in ways.items():
        names.update(split.bound_names(way, tables[router]))

    def is_counted(router: str, service: str) -> bool:
        return split.leads_through(ways[router], tables[router], f"/{service}")

    return names, Expression(ways, names, is_counted)


def _table(api: Api, way: Way) -> Table | None:
    return Objects(api, str(way.table.target.service)).read(way.table.namespace)


def _in_force(way: Way, table: Table | None) -> Weights | None:
    if table is None:
        return None
    found = splits.recognise(table.entries, way.table.splits)[1].get(way.prefix)
    return None if found is None else split.by_version(found)


def _is_own(way: Way, table: Table | None) -> bool:
    if _agrees(way, table):
        return True
    mark = table.mark if table else None
    return (
        table is not None
        and mark is not None
        and mark.claim == way.table.claim
        and mark.is_of(table.entries)
    )


def _agrees(way: Way, table: Table | None) -> bool:
    """Whether a table means what the last update wrote."""
    if table is None:
        return False
    written = splits.recognise(entries_of(way.table.dtab), way.table.splits)
    return splits.recognise(table.entries, way.table.splits) == written
