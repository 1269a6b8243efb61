"""Who may write routing tables, by the roles that a stack declares.

Whoever may write a `dtabs.l5d.io` object decides where the mesh's traffic goes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from policy.rule import Options, Seen, StackRule, Unknown, at, items, judged, shown

_RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
_ROLES = (f"{_RBAC}Role", f"{_RBAC}ClusterRole")
_BINDINGS = (f"{_RBAC}RoleBinding", f"{_RBAC}ClusterRoleBinding")

_WRITES = {"create", "update", "patch", "delete", "deletecollection", "*"}
_TABLES = {"dtabs", "*", "*/*"}
_GROUPS = {"l5d.io", "*"}

_ALL_POWERFUL = "cluster-admin"

_WAY_OUT = "namerd's own service account needs that, in its namespace, and no other one does"


def _violations(stack: Sequence[Seen], options: Options) -> Iterator[tuple[Seen, str]]:
    bindings = [seen for seen in stack if seen.type in _BINDINGS]
    others = set(options.get("writers", []))
    for binding in bindings:
        if _role_of(binding) == ("ClusterRole", "", _ALL_POWERFUL):
            yield (
                binding,
                f"it gives {_subjects(binding)} every right ({_ALL_POWERFUL}): name fewer",
            )
    for role in stack:
        if role.type not in _ROLES or not _writes_tables(role):
            continue
        if role.type.endswith(":ClusterRole"):
            yield role, f"it may write the routing tables of all namespaces: {_WAY_OUT}; use a Role"
            continue
        for binding in bindings:
            if _role_of(binding) == _named(role):
                yield from _by_binding(binding, others)


def _by_binding(binding: Seen, others: set[str]) -> Iterator[tuple[Seen, str]]:
    namespace = judged(binding.at("metadata", "namespace"))
    for subject in items(binding.at("subjects")):
        account = _account(subject)
        if account is not None and account not in {f"{namespace}/namerd", *others}:
            who = _shown_subject(subject)
            yield binding, f"it lets {who} write the routing tables of {namespace}: {_WAY_OUT}"


def _writes_tables(role: Seen) -> bool:
    return any(
        _any_of(rule, "apiGroups", _GROUPS)
        and _any_of(rule, "resources", _TABLES)
        and _any_of(rule, "verbs", _WRITES)
        for rule in items(role.at("rules"))
    )


def _any_of(rule: Any, key: str, wanted: set[str]) -> bool:
    return any(judged(each) in wanted for each in items(at(rule, key)) if _is_text(each))


def _is_text(value: Any) -> bool:
    return isinstance(judged(value), str)


def _named(role: Seen) -> tuple[Any, ...]:
    """Kind, namespace and name."""
    kind = role.type.rpartition(":")[2]
    namespace = judged(role.at("metadata", "namespace")) if kind == "Role" else ""
    return kind, namespace, judged(role.at("metadata", "name"))


def _role_of(binding: Seen) -> tuple[Any, ...]:
    """Kind, namespace and name of the role that a binding gives."""
    kind = judged(binding.at("roleRef", "kind"))
    namespace = judged(binding.at("metadata", "namespace")) if kind == "Role" else ""
    return kind, namespace, judged(binding.at("roleRef", "name"))


def _account(subject: Any) -> str | None:
    """namespace/name of a service account, "" of another subject, None where it is not known."""
    if isinstance(judged(subject), Unknown):
        return None
    name, namespace = judged(at(subject, "name")), judged(at(subject, "namespace"))
    if isinstance(name, Unknown) or isinstance(namespace, Unknown):
        return None
    is_account = judged(at(subject, "kind")) == "ServiceAccount"
    return f"{namespace}/{name}" if is_account else ""


def _subjects(binding: Seen) -> str:
    return " and ".join(map(_shown_subject, items(binding.at("subjects")))) or "nobody yet"


def _shown_subject(subject: Any) -> str:
    if isinstance(judged(subject), Unknown):
        return "somebody"
    return f"{shown(at(subject, 'kind'))} {shown(at(subject, 'name'))}"


TABLE_RIGHTS = StackRule(
    name="table-rights",
    description="Only namerd's own service account may write routing tables.",
    violations=_violations,
    options={
        "writers": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z0-9-]+/[a-z0-9.-]+$"},
            "description": "Service accounts that may write tables too: namespace/name.",
        }
    },
)
