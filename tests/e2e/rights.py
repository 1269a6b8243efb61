"""Which rights the pipeline's identities are granted, and which of them they use."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from local.node.identity import FIRST
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

    namespace: str
    """Empty for the whole cluster."""
    group: str
    resource: str
    verb: str


def _of_role(role: dict[str, Any]) -> set[Right]:
    return {
        Right(role["metadata"].get("namespace", ""), group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def granted(identity: str) -> set[Right]:
    """What `ci/rights` gives an identity, whatever the names that it is limited to."""
    roles = yaml.safe_load_all((RIGHTS / f"{identity}.yaml").read_text())
    return set[Right]().union(*map(_of_role, roles))


def given_away(cluster: Cluster) -> set[Right]:
    """What the mesh's own roles give: only who has it may create them."""
    roles = [
        role
        for namespace in ("linkerd", "hello-world")
        for role in cluster.get("roles", "-n", namespace)["items"]
        if not role["metadata"]["name"].startswith("linkerd-canary-")
    ]
    return set[Right]().union(*map(_of_role, roles))


def used(identity: str, since: datetime) -> set[Right]:
    """What an identity has asked for since a moment and got, or was told is not there."""
    rights: set[Right] = set()
    for event in _events(f"system:serviceaccount:{NAMESPACE}:{identity}", since):
        about, status = event.get("objectRef"), event["responseStatus"]["code"]
        if not about or status in (401, 403):
            continue
        kind = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        # A namespace is in itself, as the API server sees it.
        namespace = "" if kind == "namespaces" else about.get("namespace", "")
        group = about.get("apiGroup", "")
        rights.add(Right(namespace, group, kind, event["verb"]))
        if (event["verb"], status) == ("patch", 201):  # a server-side apply of a new object
            rights.add(Right(namespace, group, kind, "create"))
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
