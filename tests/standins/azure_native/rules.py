"""What Azure Resource Manager refuses, as far as this program can come across it.

AKS's rules are those of https://learn.microsoft.com/azure/aks/ and of refusals that people
reported, such as pulumi/pulumi-azure-nextgen#168.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from tests.standins.azure_native.errors import ArmError
from tests.standins.azure_native.kinds import (
    CLUSTER,
    GROUP,
    REGISTRY,
    ROLE_ASSIGNMENT,
    Kind,
    group_id,
)

Object = dict[str, Any]

VERSIONS = ("1.34", "1.35", "1.36", "1.37")
"""Minor versions of Kubernetes that a new cluster can have (November 2026)."""

LOCATIONS = (
    *("westeurope", "northeurope", "eastus", "eastus2", "germanywestcentral", "swedencentral"),
)


def refuse(kind: Kind, inputs: Object, exists: Mapping[str, Object]) -> None:
    """Raise ArmError where Azure would not make, or change, a resource to these inputs."""
    if not kind.has_form(inputs[kind.name]):
        raise ArmError(
            400,
            "InvalidResourceName",
            f"The name '{inputs[kind.name]}' is not valid for {kind.provider}.",
        )
    if kind in (CLUSTER, REGISTRY):
        _refuse_missing_group(inputs, exists)
    if kind in (CLUSTER, REGISTRY, GROUP):
        _refuse_location(inputs)
    if kind is CLUSTER:
        _refuse_cluster(inputs)
        before = exists.get(kind.id_of(inputs))
        if before:
            _refuse_change(before, inputs)
    if kind is ROLE_ASSIGNMENT and inputs["scope"] not in exists:
        raise ArmError(404, "ResourceNotFound", f"The Resource '{inputs['scope']}' was not found.")


def _refuse_missing_group(inputs: Object, exists: Mapping[str, Object]) -> None:
    if group_id(inputs) not in exists:
        name = inputs["resourceGroupName"]
        raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def _refuse_location(inputs: Object) -> None:
    if inputs.get("location") not in LOCATIONS:
        raise ArmError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{inputs.get('location')}' is not available for resource type.",
        )


def _refuse_cluster(inputs: Object) -> None:
    if not re.fullmatch(
        r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,52}[a-zA-Z0-9])?", inputs.get("dnsPrefix", "")
    ):
        raise _bad("dnsPrefix", inputs.get("dnsPrefix"))
    version = inputs.get("kubernetesVersion", VERSIONS[-1])
    if ".".join(version.split(".")[:2]) not in VERSIONS:
        raise ArmError(
            400,
            "K8sVersionNotSupported",
            f"Version {version} is not supported in this region. Please use [az aks get-versions] "
            "command to get the supported version list in this region.",
        )
    if len(node_group(inputs)) > 80:
        raise ArmError(
            400,
            "InvalidParameter",
            "The length of the node resource group name is too long. The maximum length is 80 and "
            f"the length of the value provided is {len(node_group(inputs))}.",
        )
    if inputs.get("disableLocalAccounts") and not inputs.get("aadProfile", {}).get("managed"):
        raise _bad("disableLocalAccounts", True)
    for text in inputs.get("apiServerAccessProfile", {}).get("authorizedIPRanges", []):
        try:
            is_right = ipaddress.ip_network(text).version == 4
        except ValueError:
            is_right = False
        if not is_right:
            raise _bad("apiServerAccessProfile.authorizedIPRanges", text)
    channels = inputs.get("autoUpgradeProfile", {})
    node_os = channels.get("nodeOSUpgradeChannel", "NodeImage")
    if channels.get("upgradeChannel") == "node-image" and node_os != "NodeImage":
        raise _bad("autoUpgradeProfile.nodeOSUpgradeChannel", node_os)
    if inputs.get("supportPlan") == "AKSLongTermSupport" and inputs["sku"]["tier"] != "Premium":
        raise _bad("supportPlan", "AKSLongTermSupport")
    _refuse_pools(inputs.get("agentPoolProfiles", []), inputs)


def node_group(inputs: Object) -> str:
    """The resource group of a cluster's nodes."""
    parts = (inputs["resourceGroupName"], inputs["resourceName"], inputs["location"])
    return str(inputs.get("nodeResourceGroup") or "_".join(("MC", *parts)))


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def _refuse_pools(pools: list[Object], inputs: Object) -> None:
    if not any(pool.get("mode") == "System" for pool in pools):
        raise ArmError(
            400, "InvalidParameter", "There must be at least one system agent pool in the cluster."
        )
    for i, pool in enumerate(pools):
        at = f"agentPoolProfiles[{i}]"
        version = pool.get("orchestratorVersion")
        if version and _minor(version) > _minor(inputs.get("kubernetesVersion", VERSIONS[-1])):
            raise _bad(f"{at}.orchestratorVersion", version)
        if not re.fullmatch(r"[a-z][a-z0-9]{0,11}", pool["name"]):
            raise _bad(f"{at}.name", pool["name"])
        if pool.get("enableAutoScaling"):
            if not 1 <= pool["minCount"] <= pool["maxCount"] <= 1000:
                raise _bad(f"{at}.minCount", pool["minCount"])
        elif "minCount" in pool or "maxCount" in pool or not 1 <= pool.get("count", 0) <= 1000:
            raise _bad(f"{at}.count", pool.get("count"))


def _refuse_change(before: Object, inputs: Object) -> None:
    if before["provisioningState"] == "Updating":
        raise ArmError(409, "OperationNotAllowed", "Another operation is in progress.")
    pools = {pool["name"]: pool for pool in before["agentPoolProfiles"]}
    for i, pool in enumerate(inputs["agentPoolProfiles"]):
        if pool["name"] not in pools:
            raise ArmError(
                400,
                "BadRequest",
                "A new agent pool was introduced. Adding agent pools to an existing cluster is "
                "not allowed through managed cluster operations. For agent pool specific change, "
                "please use per agent pool operations: https://aka.ms/agent-pool-rest-api",
            )
        for fixed in ("vmSize", "availabilityZones", "type"):
            if pool.get(fixed) != pools[pool["name"]].get(fixed):
                raise ArmError(
                    409,
                    "PropertyChangeNotAllowed",
                    f"Changing property 'properties.agentPoolProfiles[{i}].{fixed}' is not "
                    "allowed.",
                )
    minors = [_minor(each["kubernetesVersion"]) for each in (before, inputs)]
    if minors[1] not in (minors[0], minors[0] + 1):
        raise ArmError(
            400,
            "OperationNotAllowed",
            f"Upgrading Kubernetes version {before['kubernetesVersion']} to "
            f"{inputs['kubernetesVersion']} is not allowed. Upgrade one minor version at a time.",
        )


def _bad(name: str, value: object) -> ArmError:
    return ArmError(
        400, "InvalidParameter", f"The value of parameter {name} is invalid: {value!r}."
    )
