"""What namerd answers when it is asked where a path leads, delegated or bound: a tree of JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

_STEPS = {"delegate": "delegate", "transformation": "tree"}
"""Under which key a step holds the one that follows it."""

_GROUPS = ("alt", "union")
_ENDS = ("fail", "empty", "exception")
"""What a path ends at without an address and without looking further, as at `!` and `$`."""


class MalformedError(Exception):
    """JSON that is no such tree."""


@dataclass(frozen=True)
class Leaf:
    """A name that namerd follows the addresses of."""

    name: str
    """Its id: `/#/io.l5d.k8s/hello-world/http/world-v1`."""
    has_endpoints: bool
    """Whether it has an address now; a bound tree does not say."""


@dataclass(frozen=True)
class Delegation:
    """One step on a path's way; `kind` is leaf, neg, delegate, alt, union, fail or its like."""

    kind: str
    below: tuple["Delegation", ...] = ()
    leaf: Leaf | None = None
    complaint: str = field(default="")
    """What namerd says of an exception."""
    weight: float = 1.0
    """As a branch of a union; only the ratio of the weights counts."""

    @property
    def ends(self) -> list[Leaf]:
        """The leaves that traffic goes to: of alternatives, those of the first that is not neg."""
        return _ends(self) or []

    @property
    def shares(self) -> dict[str, float]:
        """Share of the traffic by bound name; branches without endpoints have none."""
        return {name: share for name, share in (_shares(self) or {}).items() if name}

    @property
    def complaints(self) -> list[str]:
        """What namerd says of the exceptions on the way."""
        own = [self.complaint] if self.complaint else []
        return own + [said for each in self.below for said in each.complaints]


def parse(tree: object) -> Delegation:
    """A delegation from its JSON. Raises MalformedError for what is none."""
    if not isinstance(tree, Mapping) or not isinstance(tree.get("type"), str):
        raise MalformedError("no type")
    kind = tree["type"]
    if kind == "leaf":
        return Delegation(kind, leaf=_leaf(tree.get("bound")))
    if kind in _STEPS:
        return Delegation(kind, (parse(tree.get(_STEPS[kind])),))
    if kind in _GROUPS:
        return Delegation(kind, tuple(_members(tree, kind)))
    if kind == "neg" or kind in _ENDS:
        return Delegation(kind, complaint=" ".join(str(tree.get("message") or "").split()))
    raise MalformedError(f"an unknown type {kind!r}")


def _leaf(bound: Any) -> Leaf:
    if not isinstance(bound, Mapping) or not isinstance(bound.get("id"), str):
        raise MalformedError("a leaf without an id")
    addr = bound.get("addr")
    return Leaf(bound["id"], isinstance(addr, Mapping) and bool(addr.get("addrs")))


def _members(tree: Mapping[str, Any], kind: str) -> Iterator[Delegation]:
    members = tree.get(kind)
    if not isinstance(members, list):
        raise MalformedError(f"{kind} without a list")
    for each in members:
        yield parse(each) if kind == "alt" else _branch(each)


def _branch(given: Any) -> Delegation:
    if not isinstance(given, Mapping):
        raise MalformedError("a branch without a tree")
    weight = given.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise MalformedError("a branch with a weight that is no number")
    return replace(parse(given.get("tree")), weight=float(weight))


def _ends(step: Delegation) -> list[Leaf] | None:
    """None where it is neg: there is no such name, and an alternative may be looked at."""
    if step.kind == "neg":
        return None
    if step.leaf:
        return [step.leaf]
    if step.kind in _ENDS:
        return []
    found = [ends for ends in map(_ends, step.below) if ends is not None]
    if not found:
        return None
    return found[0] if step.kind == "alt" else [leaf for ends in found for leaf in ends]


def _shares(step: Delegation) -> dict[str, float] | None:
    """None where it is neg or has no endpoints; "" stands for what ends without an address."""
    if step.kind == "neg":
        return None
    if step.leaf:
        return {step.leaf.name: 1.0} if step.leaf.has_endpoints else None
    if step.kind in _ENDS:
        return {"": 1.0}
    found = [(each.weight, shares) for each in step.below if (shares := _shares(each)) is not None]
    if not found:
        return None
    if step.kind != "union":
        return found[0][1]
    whole, summed = sum(weight for weight, _ in found), dict[str, float]()
    for weight, shares in found if whole else []:
        for name, share in shares.items():
            summed[name] = summed.get(name, 0.0) + share * weight / whole
    return summed
