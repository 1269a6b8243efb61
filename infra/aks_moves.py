"""What Azure moves of a cluster by itself: the autoscaler's count and, by the channel, versions.

None of that is the program's to set back. An update sends the whole cluster, and `ignore_changes`
alone would send what the state last saw, which without a refresh may be nodes too few or a version
that Azure has left behind. So Azure is asked what the cluster is like. Where nothing else is to
change, what it moves is ignored, and nothing is sent; where something is, it is sent as it is.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_azure_native import containerservice

from infra.cluster import ClusterError

if TYPE_CHECKING:
    from settings import Aks

Properties = dict[str, Any]
"""A cluster's inputs, by the SDK's names."""


def live_cluster(group: str, name: str, opts: pulumi.InvokeOptions) -> Any:
    """The cluster as Azure has it; None where there is none. Raises ClusterError."""
    try:
        return containerservice.get_managed_cluster(group, name, opts=opts)
    except Exception as error:  # Pulumi has no class of its own for a refused question
        if "NotFound" in str(error):
            return None
        reason = str(error).rpartition("returned an error: ")[2]
        raise ClusterError(f"Azure does not tell what the cluster is like: {reason}") from None


def as_moved(wanted: Properties, live: Any, aks: "Aks") -> tuple[Properties, list[str]]:
    """The inputs with what Azure has moved as it is, and the paths to ignore changes of."""
    properties, paths = _with_live(wanted, live, aks)
    is_to_change = live is not None and not _agrees(properties, live)
    return properties, [] if is_to_change else paths


def _with_live(wanted: Properties, live: Any, aks: "Aks") -> tuple[Properties, list[str]]:
    pools = {pool.name: pool for pool in (live.agent_pool_profiles or ())} if live else {}
    moves_version = _moves_version(wanted["kubernetes_version"], live, aks)
    found: list[Properties] = []
    paths = ["kubernetesVersion"] if moves_version else []
    for i, pool in enumerate(wanted["agent_pool_profiles"]):
        own, moved = pools.get(pool["name"]), {}
        if pool.get("enable_auto_scaling"):
            paths.append(f"agentPoolProfiles[{i}].count")
            if own and own.count:
                # Other bounds may leave it no room.
                moved["count"] = min(max(own.count, pool["min_count"]), pool["max_count"])
        if moves_version:
            paths.append(f"agentPoolProfiles[{i}].orchestratorVersion")
            if own and own.orchestrator_version:
                moved["orchestrator_version"] = own.orchestrator_version
        found.append({**pool, **moved})
    version = live.kubernetes_version if live and moves_version else None
    return {
        **wanted,
        "kubernetes_version": version or wanted["kubernetes_version"],
        "agent_pool_profiles": found,
    }, paths


def _moves_version(wanted: str, live: Any, aks: "Aks") -> bool:
    """Whether the version is Azure's to move: with `patch`, the minor one stays the program's."""
    if aks.upgrades_minor_versions:
        return True
    if aks.upgrade_channel != "patch":
        return False
    return live is None or _minor(live.kubernetes_version or wanted) == _minor(wanted)


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _agrees(wanted: Any, live: Any) -> bool:
    """Whether Azure has what is wanted; what it has besides is its own."""
    if isinstance(wanted, Mapping):
        return all(_agrees(value, _value(live, key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        others = sorted(live or (), key=_name)
        pairs = zip(sorted(wanted, key=_name), others, strict=False)
        return len(wanted) == len(others) and all(_agrees(*pair) for pair in pairs)
    if isinstance(wanted, str) and isinstance(live, str):
        return wanted.lower() == live.lower()
    return bool(wanted == live or not (wanted or live))


def _name(item: Any) -> str:
    """What to tell a list's items by: order is Azure's own in ranges, zones and pools."""
    return item.lower() if isinstance(item, str) else str(_value(item, "name"))


def _value(live: Any, key: str) -> Any:
    # The SDK's objects are dicts too, by Azure's names; tags are nothing else.
    return live.get(key) if type(live) is dict else getattr(live, key, None)
