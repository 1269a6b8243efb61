"""Whose a table is: what its object says of the resource that wrote it, and of who changed it last.

namerd's own API replaces the whole object, and with it drops these annotations.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dynamic import grammar
from dynamic.grammar import Dtab

FIELD_MANAGER = "linkerd-canary"
"""By this name the API server notes our writes in `managedFields`."""

_PREFIX = "linkerd-canary"
CLAIM = f"{_PREFIX}/claim"
RESOURCE = f"{_PREFIX}/resource"
WRITTEN = f"{_PREFIX}/written"


@dataclass(frozen=True)
class Mark:
    """What a resource puts on the object that it writes."""

    claim: str
    """Chosen at random when the resource is created or takes a table over; the state keeps it.

    Two resources never have the same one, whatever they are called, and a renamed stack keeps it.
    """
    resource: str
    """The resource that is declared to keep the table, as `resource_of` writes it."""
    written: str
    """Digest of the table that was written. Another one's edit leaves it as it was."""

    @property
    def keeper(self) -> str:
        """What a message calls the resource."""
        return described(self.resource)

    def is_of(self, entries: Dtab) -> bool:
        """Whether the entries are the ones that were written together with this mark."""
        return self.written == digest(entries)

    def annotations(self) -> dict[str, str]:
        """The mark as annotations."""
        return {CLAIM: self.claim, RESOURCE: self.resource, WRITTEN: self.written}

    @classmethod
    def of(cls, annotations: Mapping[str, str]) -> "Mark | None":
        """The mark among an object's annotations, if there is a whole one."""
        found = [annotations.get(key) for key in (CLAIM, RESOURCE, WRITTEN)]
        return cls(*map(str, found)) if all(found) else None


def digest(entries: Dtab) -> str:
    """Of a table's canonical text."""
    return hashlib.sha256(grammar.show(entries).encode()).hexdigest()[:32]


def resource_of(organization: str, urn: str, owner: str = "") -> str:
    """A resource for good and all: `organization/urn:pulumi:dev::shop::type::internal#owner`."""
    return f"{organization}/{urn}#{owner}" if owner else f"{organization}/{urn}"


def described(resource: str) -> str:
    """`organization/urn:pulumi:dev::shop::type::internal` as a person says it."""
    organization, _, urn = resource.partition("#")[0].partition("/")
    parts = urn.split("::")
    if len(parts) < 4:
        return f"resource {resource!r}"
    stack = parts[0].rpartition(":")[2]
    return f"resource {'::'.join(parts[3:])!r} of the stack {organization}/{parts[1]}/{stack}"


def last_change(metadata: Mapping[str, Any]) -> str:
    """Who changed the entries of an object last, with what and when, by its `managedFields`."""
    last = _last(metadata)
    if not last:
        return "somebody else"
    manager, operation = str(last.get("manager", "")), str(last.get("operation", ""))
    when = f" at {last['time']}" if last.get("time") else ""
    if (manager, operation) == ("kubectl", "Update"):
        # namerd's pod reaches the API server through `kubectl proxy`; kubectl itself names its
        # commands: kubectl-edit, kubectl-replace.
        return f"namerd's own API (its kubectl proxy){when}"
    if manager == FIELD_MANAGER:
        return f"another stack{when}"
    return f"{manager or 'somebody else'}{when}"


def last_changed_at(metadata: Mapping[str, Any]) -> str:
    """When that was, `2026-11-26T05:17:55Z`; empty where the object does not say."""
    return str(_last(metadata).get("time") or "")


def _last(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry of `managedFields` for the last change of the entries; {} where there is none."""
    fields = [each for each in metadata.get("managedFields") or [] if isinstance(each, Mapping)]
    own = [each for each in fields if "f:dentries" in (each.get("fieldsV1") or {})] or fields
    return max(own, key=lambda each: str(each.get("time", "")), default={})
