"""What Azure does to a cluster by itself; tests say when."""

from typing import Any

from tests.standins.azure_native.cloud import Cloud
from tests.standins.azure_native.kinds import CLUSTER

Object = dict[str, Any]

PATCH, MINOR = "patch", "minor"
CHANNELS = {"patch": (PATCH,), "stable": (PATCH, MINOR), "rapid": (PATCH, MINOR)}
"""What each upgrade channel moves; the others leave versions alone
(https://learn.microsoft.com/azure/aks/auto-upgrade-cluster)."""


def upgrade(cloud: Cloud, version: str) -> None:
    """Move the one cluster to a version such as 1.36.3, control plane and nodes.

    Afterwards Azure says the patch where an alias such as 1.36 was asked for. An AssertionError for
    what the cluster's channel does not do.
    """
    with cloud.changing() as resources:
        cluster = _cluster(resources)
        before = cluster["currentKubernetesVersion"]
        step = PATCH if _minor(before) == _minor(version) else MINOR
        channel = cluster["autoUpgradeProfile"]["upgradeChannel"]
        assert step in CHANNELS.get(channel, ()), f"{channel} does not move {before} to {version}"
        assert _ordered(before) < _ordered(version)
        cluster.update(kubernetesVersion=version, currentKubernetesVersion=version)
        for pool in cluster["agentPoolProfiles"]:
            pool.update(orchestratorVersion=version, currentOrchestratorVersion=version)


def scale(cloud: Cloud, count: int) -> None:
    """Have the autoscaler bring its pool to so many nodes, within the bounds."""
    with cloud.changing() as resources:
        for pool in _cluster(resources)["agentPoolProfiles"]:
            if pool.get("enableAutoScaling"):
                assert pool["minCount"] <= count <= pool["maxCount"]
                pool["count"] = count


def _cluster(resources: dict[str, Object]) -> Object:
    (id_,) = [each for each in resources if f"/{CLUSTER.provider}/" in each]
    return resources[id_]


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _ordered(version: str) -> list[int]:
    return list(map(int, version.split(".")))
