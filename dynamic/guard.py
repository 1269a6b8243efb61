"""Whether branches lead to endpoints, asked of namerd itself.

namerd drops a branch that has none, and the rest takes all: a canary without pods silently gets no
traffic, and a baseline without pods leaves the canary everything. One whose pods are all unready
keeps its share instead, and that fails; the guard lets neither take more.
"""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from dynamic import grammar, rewriters
from dynamic.client import Client
from dynamic.delegation import Delegation
from dynamic.errors import NoEndpointsError, NotServedError
from dynamic.grammar import Dtab, Tree
from dynamic.tables import Store
from dynamic.waiting import UNANSWERED, Deadline
from kube.errors import DeniedError

ENDPOINTS_SECONDS = 30.0
"""How long a branch may take to get its first endpoint."""

WAY_BACK_SECONDS = 2.0
"""How long a way back waits for a namerd that is not up."""

BOUND_SECONDS = 10.0
"""How long namerd may take to bind the branches of a table that it serves."""


MAX_TABLE_IN_URL = 3000
"""Characters. namerd's HTTP server takes a first line of 4096 bytes (Finagle's default)."""


BoundNames = dict[str, set[str]]
"""The bound names of branches, by the prefix that they serve."""


def endpoints(store: Store, rising: Iterable[tuple[str, str]], table: Dtab) -> BoundNames:
    """The bound names of the branches, by the prefix they are to serve.

    `rising` are pairs of prefix and branch; `table` is the table that is to be written.
    Raises NoEndpointsError, naming the branch, where one gets no endpoint in time.
    """
    deadline = Deadline(ENDPOINTS_SECONDS)
    found: BoundNames = {}
    for prefix, branch in rising:
        asked = for_url(table, branch)
        found.setdefault(prefix, set()).update(_endpoints_of(store, branch, asked, deadline))
    return found


def way_back(store: Store, rising: Iterable[tuple[str, str]], table: Dtab) -> None:
    """The same where only baselines rise: a way back waits for no namerd that cannot be asked.

    Raises NoEndpointsError where namerd says that a baseline leads nowhere.
    """
    lacking = []
    for prefix, branch in rising:
        try:
            reached = store.delegate(branch, for_url(table, branch), WAY_BACK_SECONDS)
        except (*UNANSWERED, DeniedError):
            return
        if not _with_endpoints(reached):
            lacking.append((prefix, branch))
    endpoints(store, lacking, table)


def kept(store: Store, staying: Iterable[tuple[str, str]], former: Dtab, table: Dtab) -> BoundNames:
    """The same of branches that keep their weights under other entries of the base.

    One that has endpoints by neither table is not in the way: the new table takes nothing from it.
    Raises NoEndpointsError, naming the branch, where one would lose them.
    """
    deadline = Deadline(ENDPOINTS_SECONDS)
    found: BoundNames = {}
    for prefix, branch in staying:
        asked = for_url(table, branch)
        names = _with_endpoints(store.delegate(branch, asked))
        if not names and _with_endpoints(store.delegate(branch, for_url(former, branch))):
            names = _endpoints_of(store, branch, asked, deadline)
        found.setdefault(prefix, set()).update(names)
    return found


def for_url(table: Dtab, path: str) -> str:
    """The table's text, or where that is too long only the entries that the path can come by."""
    text = grammar.show(table)
    return text if len(quote(text)) <= MAX_TABLE_IN_URL else grammar.show(reached(table, path))


def reached(table: Dtab, path: str) -> Dtab:
    """The entries that a path can come by, in the table's order."""
    return way(table, path)[0]


def way(table: Dtab, path: str) -> tuple[Dtab, tuple[str, ...]]:
    """The entries that a path can come by, in the table's order, and the paths it is rewritten to.

    Paths of one way lead to the same: `/svc/a` and `/svc/b` do by `/svc/* => /host`.
    """
    prefixes = [grammar.labels(dentry.prefix) for dentry in table]
    paths, kept = [grammar.labels(path)], set[int]()
    for labels in paths:  # which grows as it is gone through
        for after in _steps(labels, table, prefixes, kept):
            if after not in paths and len(after) < 64 and len(paths) < 1000:
                paths.append(after)
    rewritten = tuple("/" + "/".join(labels) for labels in paths[1:])
    return tuple(table[i] for i in sorted(kept)), rewritten


def _steps(
    labels: list[str], table: Dtab, prefixes: Iterable[list[str]], kept: set[int]
) -> Iterator[list[str]]:
    """What a path is rewritten to in one step; the entries that do so are added to `kept`."""
    if by_namer := rewriters.rewritten(labels):
        yield by_namer
    for i, prefix in enumerate(prefixes):
        if len(prefix) > len(labels) or not all(
            own in ("*", other) for own, other in zip(prefix, labels, strict=False)
        ):
            continue
        kept.add(i)
        for leaf in _paths(table[i].dst):
            yield grammar.labels(leaf) + labels[len(prefix) :]


def _paths(tree: Tree) -> Iterator[str]:
    if isinstance(tree, str):
        if tree.startswith("/"):
            yield tree
    elif isinstance(tree, grammar.Alt):
        for each in tree.trees:
            yield from _paths(each)
    else:
        for branch in tree.branches:
            yield from _paths(branch.tree)


def _endpoints_of(store: Store, branch: str, table: str, deadline: Deadline) -> set[str]:
    for _ in deadline.attempts(first=0.1):
        reached = store.delegate(branch, table)
        names = _with_endpoints(reached)
        if names:
            return names
    said = "; namerd says: " + "; ".join(reached.complaints) if reached.complaints else ""
    raise NoEndpointsError(
        f"{branch} has no endpoints, so it cannot take more traffic: no pod is ready behind it, or "
        f"no such service or port; waited {deadline.seconds:g} s, nothing was changed{said}"
    )


def _with_endpoints(reached: Delegation) -> set[str]:
    return {leaf.name for leaf in reached.ends if leaf.has_endpoints}


def still(store: Store, rising: Iterable[tuple[str, str]], table: Dtab) -> None:
    """Make sure that the branches have endpoints after the write as before it.

    One may be without for a moment. Raises NotServedError.
    """
    deadline = Deadline(BOUND_SECONDS)
    for _, branch in rising:
        asked = for_url(table, branch)
        for _ in deadline.attempts():
            if _with_endpoints(store.delegate(branch, asked)):
                break
        else:
            raise NotServedError(
                f"{branch} has lost its endpoints since it was written, so it gets no traffic; "
                f"waited {deadline.seconds:g} s"
            )


def bound(client: Client, namespace: str, expected: Mapping[str, set[str]]) -> None:
    """Wait until namerd binds every prefix to all the names expected of it.

    Raises NotServedError for one that stays incomplete.
    """
    deadline = Deadline(BOUND_SECONDS)
    for prefix, names in expected.items():
        if "*" in prefix.split("/"):
            continue  # no path of its own to ask for
        for _ in deadline.attempts():
            missing = names - {leaf.name for leaf in client.bind(namespace, prefix).ends}
            if not missing:
                break
        else:
            raise NotServedError(
                f"{client.where} serves the new table but does not bind {prefix} to "
                f"{', '.join(sorted(missing))}, waited {deadline.seconds:g} s"
            )
