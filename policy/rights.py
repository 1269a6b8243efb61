"""Who decides where the mesh's traffic goes, by the roles that a stack declares.

Whoever may write a `dtabs.l5d.io` object does, and so does whoever may write endpoints, which are
where linkerd sends requests, or may give himself either right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from policy.rule import Options, Seen, StackRule, Unknown, at, items, judged, object_type, shown

_RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
_ROLES = (f"{_RBAC}Role", f"{_RBAC}ClusterRole")
_BINDINGS = (f"{_RBAC}RoleBinding", f"{_RBAC}ClusterRoleBinding")

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection", "*"})

_ALL_POWERFUL = "cluster-admin"


@dataclass(frozen=True)
class _Power:
    """What decides where traffic goes, and the rules of a role that give it."""

    what: str
    groups: frozenset[str]
    resources: frozenset[str]
    verbs: frozenset[str]
    may_be_given: bool
    """Whether the accounts of the option `writers` may have it."""


_POWERS = (
    _Power(
        "write routing tables",
        frozenset({"l5d.io", "*"}),
        frozenset({"dtabs", "*", "*/*"}),
        _WRITES,
        may_be_given=True,
    ),
    _Power(
        "write endpoints",
        frozenset({"", "*"}),
        frozenset({"endpoints", "*"}),
        _WRITES,
        may_be_given=True,
    ),
    _Power(
        "give itself any right (bind, escalate)",
        frozenset({"rbac.authorization.k8s.io", "*"}),
        frozenset({"roles", "clusterroles", "*"}),
        frozenset({"bind", "escalate", "*"}),
        may_be_given=False,
    ),
    _Power(
        "act as others (impersonate)",
        frozenset({"", "*"}),
        frozenset({"users", "groups", "serviceaccounts", "*"}),
        frozenset({"impersonate", "*"}),
        may_be_given=False,
    ),
)

_WAY_OUT = (
    "the mesh's own accounts only read tables and endpoints; name fewer rights, or the account in "
    "the option `writers` if it is to write these two"
)


def _violations(stack: Sequence[Seen], options: Options) -> Iterator[tuple[Seen, str]]:
    bindings = [seen for seen in stack if object_type(seen.type) in _BINDINGS]
    writers = frozenset(options.get("writers", []))
    for binding in bindings:
        if _role_of(binding) == ("ClusterRole", "", _ALL_POWERFUL):
            yield (
                binding,
                f"it gives {_subjects(binding)} every right ({_ALL_POWERFUL}): name fewer",
            )
    for role in stack:
        powers = _powers(role) if object_type(role.type) in _ROLES else []
        if powers and object_type(role.type).endswith(":ClusterRole"):
            what = _what(powers)
            yield role, f"it lets whoever has it {what} in all namespaces: use a Role; {_WAY_OUT}"
            continue
        for binding in bindings:
            if _role_of(binding) == _named(role):
                yield from _by_binding(binding, powers, writers)


def _by_binding(
    binding: Seen, powers: Sequence[_Power], writers: frozenset[str]
) -> Iterator[tuple[Seen, str]]:
    namespace = shown(binding.at("metadata", "namespace"))
    for subject in items(binding.at("subjects")):
        account = _account(subject)
        too_much = [each for each in powers if not each.may_be_given or account not in writers]
        if account is not None and too_much:
            who = _shown_subject(subject)
            yield binding, f"it lets {who} {_what(too_much)} in {namespace}: {_WAY_OUT}"


def _powers(role: Seen) -> list[_Power]:
    return [
        power
        for power in _POWERS
        if any(
            _any_of(rule, "apiGroups", power.groups)
            and _any_of(rule, "resources", power.resources)
            and _any_of(rule, "verbs", power.verbs)
            for rule in items(role.at("rules"))
        )
    ]


def _what(powers: Sequence[_Power]) -> str:
    return " and ".join(power.what for power in powers)


def _any_of(rule: Any, key: str, wanted: frozenset[str]) -> bool:
    return any(judged(each) in wanted for each in items(at(rule, key)) if _is_text(each))


def _is_text(value: Any) -> bool:
    return isinstance(judged(value), str)


def _named(role: Seen) -> tuple[Any, ...]:
    """Kind, namespace and name."""
    kind = object_type(role.type).rpartition(":")[2]
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
    description="No role lets a service account decide where traffic goes.",
    violations=_violations,
    options={
        "writers": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z0-9-]+/[a-z0-9.-]+$"},
            "description": "Service accounts that may write tables and endpoints: namespace/name.",
        }
    },
)
