"""What namerd answers when it is asked where a path leads, delegated or bound: a tree of JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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

    @property
    def ends(self) -> list[Leaf]:
        """The leaves that traffic goes to: of alternatives, those of the first that is not neg."""
        return _ends(self) or []

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
        return Delegation(kind, tuple(map(parse, _members(tree, kind))))
    if kind == "neg" or kind in _ENDS:
        return Delegation(kind, complaint=" ".join(str(tree.get("message") or "").split()))
    raise MalformedError(f"an unknown type {kind!r}")


def _leaf(bound: Any) -> Leaf:
    if not isinstance(bound, Mapping) or not isinstance(bound.get("id"), str):
        raise MalformedError("a leaf without an id")
    addr = bound.get("addr")
    return Leaf(bound["id"], isinstance(addr, Mapping) and bool(addr.get("addrs")))


def _members(tree: Mapping[str, Any], kind: str) -> list[Any]:
    members = tree.get(kind)
    if not isinstance(members, list):
        raise MalformedError(f"{kind} without a list")
    if kind == "alt":
        return members
    if not all(isinstance(each, Mapping) for each in members):
        raise MalformedError("a branch without a tree")
    return [each.get("tree") for each in members]


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
