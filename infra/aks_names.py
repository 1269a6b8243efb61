"""Names that Azure takes, where the ones by default are none.

A stack may have dots in its name and be 100 characters long; a cluster's name may have neither.
(https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules)
"""

import hashlib
import re
from collections.abc import Callable

from settings import azure

_LONGEST_GROUP = 90
_LONGEST_CLUSTER = 63
_LONGEST_DNS_PREFIX = 54
_LONGEST_NODE_GROUP = 80
"""Characters of a name."""


def group(default: str) -> str:
    """The name of the resource group: the one by default, or a shorter one that is its alone."""
    if _is_taken(azure.resource_group, default):
        return default
    return _with_digest(default, default, _LONGEST_GROUP)


def cluster(default: str) -> str:
    """The name of the cluster: the one by default, or one like it that is its alone."""
    if _is_taken(azure.cluster, default):
        return default
    return _with_digest(re.sub("[^a-zA-Z0-9_-]", "-", default), default, _LONGEST_CLUSTER)


def dns_prefix(name: str) -> str:
    """What the API server's name begins with, by the cluster's."""
    return name.replace("_", "-")[:_LONGEST_DNS_PREFIX].rstrip("-")


def node_group(group: str, name: str, location: str) -> dict[str, str]:
    """A name for the group of the nodes, where Azure's own would be too long for Azure."""
    usual = f"MC_{group}_{name}_{location}"
    if len(usual) <= _LONGEST_NODE_GROUP:
        return {}
    return {"node_resource_group": f"{name[:60]}-nodes-{_digest(usual.lower())}"}


def _is_taken(read: Callable[[str], str], name: str) -> bool:
    try:
        read(name)
    except ValueError:
        return False
    return True


def _with_digest(name: str, of: str, longest: int) -> str:
    digest = _digest(of)
    short = name[: longest - len(digest) - 1].strip("-_.")
    return f"{short}-{digest}".lstrip("-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
