"""Which rights the pipeline's identities are granted, and which of them they use."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from local.node.identity import FIRST
from mesh import discovery
from tests.e2e.cluster import Cluster
from tests.e2e.pipeline import NAMESPACE, RIGHTS

AUDIT_LOGS = "audit*.log"
"""What the identities have asked of the local API server (local/node/config/first/audit.yaml).

At 20 MB the log gets another name, and the one that had it before is deleted.
"""

FOR_ALL = "authorization.k8s.io"
"""Anybody may ask what he may do."""


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one kind of object."""

    group: str
    resource: str
    verb: str


def _of_rules(rules: list[dict[str, list[str]]]) -> set[Right]:
    return {
        Right(group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def granted(identity: str) -> set[Right]:
    """What `ci/rights` gives an identity, whatever the names that it is limited to."""
    return _of_rules(yaml.safe_load((RIGHTS / f"{identity}.yaml").read_text())["rules"])


def given_away(cluster: Cluster) -> set[Right]:
    """What the mesh's own roles give: only who has it may create them."""
    roles = (
        ("linkerd", "namerd-dtab-storage"),
        ("linkerd", discovery.LINKERD),
        ("hello-world", discovery.NAMERD),
    )
    found = [cluster.get("role", name, "-n", namespace) for namespace, name in roles]
    return _of_rules([rule for role in found for rule in role["rules"]])


def used(identity: str, since: datetime) -> set[Right]:
    """What an identity has asked for since a moment and got, or was told is not there."""
    rights: set[Right] = set()
    for event in _events(f"system:serviceaccount:{NAMESPACE}:{identity}", since):
        about, status = event.get("objectRef"), event["responseStatus"]["code"]
        if not about or status in (401, 403):
            continue
        kind = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        group = about.get("apiGroup", "")
        rights.add(Right(group, kind, event["verb"]))
        if (event["verb"], status) == ("patch", 201):  # a server-side apply of a new object
            rights.add(Right(group, kind, "create"))
    return {right for right in rights if right.group != FOR_ALL}


def _events(user: str, since: datetime) -> Iterator[dict[str, Any]]:
    for log in FIRST.logs.glob(AUDIT_LOGS):
        for line in log.read_text().splitlines(keepends=True):
            if user not in line or not line.endswith("\n"):  # the last is being written
                continue
            event = json.loads(line)
            received = datetime.fromisoformat(event["requestReceivedTimestamp"])
            if event["user"]["username"] == user and received >= since:
                yield event
