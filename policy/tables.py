"""Routing tables lead to services that are there.

namerd drops a branch that leads nowhere, in silence, and the others take its share.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dynamic import grammar, splits
from policy.rule import Options, Seen, StackRule, Unknown, at, items, judged

DTAB = "pulumi-python:dynamic/namerd:Dtab"
_SERVICE = "kubernetes:core/v1:Service"
_NAMER = ["#", "io.l5d.k8s"]
_MOST_PATHS = 1000
"""How far a path is followed in a table that goes round in circles."""

Ports = Mapping[tuple[str, str], set[str] | None]
"""Names of ports by a service's namespace and name; None where any will do."""


def _violations(stack: Sequence[Seen], options: Options) -> Iterator[tuple[Seen, str]]:
    declared = {_name(seen): _port_names(seen) for seen in stack if seen.type == _SERVICE}
    if any(isinstance(each, Unknown) for name in declared for each in name):
        return  # it may be the one that a table leads to: the update, which knows it, looks again
    for text in options.get("elsewhere", []):
        namespace, _, name = text.partition("/")
        declared[namespace, name] = None
    for seen in stack:
        if seen.type == DTAB:
            for line in table_violations(seen.properties, declared):
                yield seen, line


def _name(service: Seen) -> tuple[Any, Any]:
    """Namespace and name."""
    namespace = judged(service.at("metadata", "namespace")) or "default"
    return namespace, judged(service.at("metadata", "name"))


def _port_names(service: Seen) -> set[str] | None:
    ports = service.at("spec", "ports")
    names = [judged(at(port, "name")) for port in items(ports)]
    are_known = not any(isinstance(each, Unknown) for each in (ports, *names))
    return {str(name or "") for name in names} if are_known else None


def table_violations(properties: Mapping[str, Any], declared: Ports) -> Iterator[str]:
    """A line for each branch of a table that no declared service stands behind."""
    table = _table(properties)
    split = properties.get("splits") or {}
    for prefix, dst in table:
        for branch in _paths(dst):
            reasons = _reasons(branch, table, declared)
            nowhere = reasons == [] and prefix in split
            if nowhere or (reasons and all(reasons)):
                why = "no entry of the table takes it any further" if nowhere else reasons[0]
                yield (
                    f"{prefix} has the branch {branch}, but {why}: correct the branch, or declare "
                    "the service in this stack"
                )


def _table(properties: Mapping[str, Any]) -> grammar.Dtab:
    """The table that is written; nothing of one that is not known yet, or that `check` refuses."""
    try:
        base = tuple(map(grammar.parse_dentry, properties.get("dentries") or []))
        weights = {
            prefix: {path: float(weight) for path, weight in branches.items()}
            for prefix, branches in (properties.get("splits") or {}).items()
        }
        return splits.table(base, weights)
    except (TypeError, ValueError, AttributeError):
        return ()


def _paths(tree: grammar.Tree) -> Iterator[str]:
    if isinstance(tree, grammar.Union):
        for branch in tree.branches:
            yield from _paths(branch.tree)
    elif isinstance(tree, grammar.Alt):
        for each in tree.trees:
            yield from _paths(each)
    elif tree.startswith("/"):
        yield tree


def _reasons(path: str, table: grammar.Dtab, declared: Ports) -> list[str | None]:
    """Why each end that a path can lead to is no declared service; None for one that is good."""
    ends = list(_ends(path, table))
    return [_missing(end, declared) for end in ends]


def _ends(path: str, table: grammar.Dtab) -> Iterator[str]:
    """Where a path ends by all entries that match it: namerd tries one after another."""
    seen, waiting = {path}, [path]
    while waiting and len(seen) < _MOST_PATHS:
        path = waiting.pop()
        if path.startswith(("/#/", "/$/")):
            yield path
            continue
        # The last entry of the table is tried first: it goes on top.
        for prefix, dst in table:
            rest = _rest(path, prefix)
            if rest is not None:
                steps = [step + rest for step in _paths(dst)]
                waiting += [step for step in steps if step not in seen]
                seen.update(steps)


def _rest(path: str, prefix: str) -> str | None:
    """What of a path comes after a prefix, whose `*` stands for any one label."""
    labels, wanted = path.split("/")[1:], [each for each in prefix.split("/") if each]
    if len(labels) < len(wanted):
        return None
    if any(want not in ("*", have) for want, have in zip(wanted, labels, strict=False)):
        return None
    return "".join(f"/{label}" for label in labels[len(wanted) :])


def _missing(end: str, declared: Ports) -> str | None:
    labels = end.split("/")[1:]
    if labels[:2] != _NAMER or len(labels) < 5:
        return None  # an address, another namer, or a name whose end the request brings
    namespace, port, service = labels[2:5]
    if (namespace, service) not in declared:
        return f"the stack declares no service {service!r} in namespace {namespace!r}"
    ports = declared[namespace, service]
    if ports is not None and port not in ports:
        return f"service {service!r} in namespace {namespace!r} has no port called {port!r}"
    return None


DECLARED_BRANCHES = StackRule(
    name="declared-branches",
    description="A routing table leads to services that the stack declares.",
    violations=_violations,
    options={
        "elsewhere": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z0-9-]+/[a-z0-9-]+$"},
            "description": "Services of other stacks that tables may lead to: namespace/name.",
        }
    },
)
