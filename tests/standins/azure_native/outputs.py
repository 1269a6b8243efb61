"""What Azure answers with beside what it was given."""

import uuid
from typing import Any

from tests.standins.azure_native.kinds import CLUSTER, GROUP, REGISTRY, SUBSCRIPTION, Kind
from tests.standins.azure_native.rules import node_group

Object = dict[str, Any]

API_VERSIONS = {
    "ResourceGroup": "2025-04-01",
    "ManagedCluster": "2025-09-01",
    "Registry": "2025-11-01",
    "RoleAssignment": "2022-04-01",
}


def of(kind: Kind, inputs: Object, before: Object | None) -> Object:
    """A resource's outputs, of which those that tell one cluster from another stay as they were."""
    found = {
        **inputs,
        "name": inputs[kind.name],
        "type": kind.provider,
        "azureApiVersion": API_VERSIONS[kind.short],
    }
    if kind in (GROUP, CLUSTER, REGISTRY):
        found["provisioningState"] = "Succeeded"
    if kind is CLUSTER:
        found.update(_cluster(inputs, before))
    if kind is REGISTRY:
        found["loginServer"] = f"{inputs['registryName'].lower()}.azurecr.io"
    return found


def _cluster(inputs: Object, before: Object | None) -> Object:
    name, own = inputs["resourceName"], node_group(inputs)
    stays = before or {
        "resourceUID": uuid.uuid4().hex[:24],
        "identity": {
            **inputs["identity"],
            "principalId": str(uuid.uuid4()),
            "tenantId": str(uuid.uuid4()),
        },
        "identityProfile": {
            "kubeletidentity": {
                "clientId": str(uuid.uuid4()),
                "objectId": str(uuid.uuid4()),
                "resourceId": f"{SUBSCRIPTION}/resourceGroups/{own}/providers"
                f"/Microsoft.ManagedIdentity/userAssignedIdentities/{name}-agentpool",
            }
        },
    }
    return {
        "resourceUID": stays["resourceUID"],
        "identity": stays["identity"],
        "identityProfile": stays["identityProfile"],
        "fqdn": f"{inputs['dnsPrefix']}-0a1b2c3d.hcp.{inputs['location']}.azmk8s.io",
        "nodeResourceGroup": own,
        "currentKubernetesVersion": f"{inputs['kubernetesVersion']}.0",
        "powerState": {"code": "Running"},
        "agentPoolProfiles": [_pool(pool, before) for pool in inputs["agentPoolProfiles"]],
    }


def _pool(pool: Object, before: Object | None) -> Object:
    """A pool as the autoscaler and Azure's defaults make it."""
    last: Object = next(
        (
            each
            for each in (before or {}).get("agentPoolProfiles", ())
            if each["name"] == pool["name"]
        ),
        {},
    )
    found = {**pool, "osDiskSizeGB": 128, "maxPods": 250, "provisioningState": "Succeeded"}
    if pool.get("enableAutoScaling"):
        count = last.get("count", pool["count"])
        found["count"] = min(max(count, pool["minCount"]), pool["maxCount"])
    return found
