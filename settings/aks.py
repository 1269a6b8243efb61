"""The config keys of `platform: aks`: what a new AKS cluster is to be.

Their defaults stand here a second time, beside Pulumi.yaml's, because the engine fills them in and
the program could not tell a key that somebody set for a cluster that is not AKS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from settings import azure, readers
from settings.errors import SettingsError

EVERY_ADDRESS = "0.0.0.0/0"


@dataclass(frozen=True)
class Aks:
    """A checked AKS cluster, its resource group, and its registry."""

    location: str
    """An Azure region's name, such as westeurope."""
    resource_group_name: str
    """Empty for one named after project, stack and location."""
    existing_resource_group: bool
    """Whether the group is there already, and stays when the stack goes."""
    cluster_name: str
    """Empty for one named after project, stack and location."""
    kubernetes_version: str
    """A minor version, such as 1.36; a patch only where nothing upgrades it."""
    cluster_tier: str
    """Free, Standard (with an uptime SLA) or Premium (with long-term support)."""
    node_vm_size: str
    node_count_min: int
    node_count_max: int
    """The bounds that the cluster autoscaler keeps to, 1–1000."""
    node_zones: tuple[str, ...]
    """Availability zones that the nodes are spread over; empty for none."""
    system_node_count: int
    """Nodes of a pool for the cluster's own pods alone; 0: they share the one pool."""
    authorized_ip_ranges: tuple[str, ...]
    """CIDRs that may call the API server; never empty."""
    admin_group_object_ids: tuple[str, ...]
    """Object ids of the Entra groups whose members administer the cluster."""
    local_accounts: bool
    """Whether the cluster has an administrator whose key is in the kubeconfig."""
    upgrade_channel: str
    """none, patch, stable, rapid or node-image."""
    node_os_upgrade_channel: str
    """None, Unmanaged, NodeImage or SecurityPatch."""
    tags: Mapping[str, str]
    """On the resource group, the cluster and the registry."""
    container_registry: str
    """Name of a registry to make, the resource id of one that exists, or empty."""
    protect: bool
    """Whether what is made in Azure can be neither deleted nor replaced."""
    secret: frozenset[str] = frozenset()
    """The keys whose values must not be shown."""

    @property
    def upgrades_minor_versions(self) -> bool:
        """Whether Azure moves the cluster on to minor versions by itself."""
        return self.upgrade_channel in ("stable", "rapid")


KEYS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "location": ("westeurope", azure.location),
    "resourceGroupName": ("", readers.optional(azure.resource_group)),
    "existingResourceGroup": ("false", readers.boolean),
    "clusterName": ("", readers.optional(azure.cluster)),
    "kubernetesVersion": ("1.36", azure.kubernetes_version),
    "clusterTier": ("Standard", readers.one_of("Free", "Standard", "Premium")),
    "nodeVmSize": ("Standard_D2s_v5", azure.vm_size),
    "nodeCountMin": ("3", readers.integer(1, 1000)),
    "nodeCountMax": ("6", readers.integer(1, 1000)),
    "nodeZones": ('["1", "2", "3"]', azure.zones),
    "systemNodeCount": ("0", readers.integer(0, 100)),
    "authorizedIpRanges": ("[]", azure.authorized_ranges),
    "adminGroupObjectIds": ("[]", azure.object_ids),
    "localAccounts": ("false", readers.boolean),
    "upgradeChannel": (
        "patch",
        readers.one_of("none", "patch", "stable", "rapid", "node-image"),
    ),
    "nodeOsUpgradeChannel": (
        "NodeImage",
        readers.one_of("None", "Unmanaged", "NodeImage", "SecurityPatch"),
    ),
    "tags": ("{}", azure.tags),
    "containerRegistry": ("", readers.optional(azure.registry)),
    "protect": ("true", readers.boolean),
}
"""Of each key the default, as the engine hands it over, and the reader."""


def refuse_on_other_platforms(values: Mapping[str, Any], platform: str) -> None:
    """Raise SettingsError where a key of AKS is set for a cluster that exists.

    `values` are read values by key.
    """
    for key, (default, reader) in KEYS.items():
        if values[key] != reader(default):
            raise SettingsError(
                f"config {key} is for platform aks, and platform is {platform!r}: set platform to "
                f"aks, or remove it with `pulumi config rm {key}`"
            )


def refuse_what_does_not_fit(aks: Aks) -> None:
    """Raise SettingsError where two values do not go together, or one that must be set is not."""
    if aks.node_count_min > aks.node_count_max:
        raise SettingsError(
            f"config nodeCountMin is {aks.node_count_min}, more than nodeCountMax, "
            f"{aks.node_count_max}"
        )
    if not aks.authorized_ip_ranges:
        raise SettingsError(
            "config authorizedIpRanges is empty, which Azure takes for every address there is: "
            "name who may call the API server, with `pulumi config set --path "
            f"'authorizedIpRanges[0]' ADDRESS/32` ({EVERY_ADDRESS} for really everybody)"
        )
    if aks.kubernetes_version.count(".") > 1 and aks.upgrade_channel != "none":
        minor = aks.kubernetes_version.rpartition(".")[0]
        raise SettingsError(
            f"config kubernetesVersion is {aks.kubernetes_version!r}, a patch, which "
            f"upgradeChannel {aks.upgrade_channel!r} moves on from: give it as {minor!r}, or set "
            "upgradeChannel to none"
        )
    if aks.upgrade_channel == "node-image" and aks.node_os_upgrade_channel != "NodeImage":
        raise SettingsError(
            f"config nodeOsUpgradeChannel is {aks.node_os_upgrade_channel!r}, which Azure does not "
            "take with upgradeChannel 'node-image': set it to NodeImage, or upgradeChannel to "
            "another one"
        )
    if aks.existing_resource_group and not aks.resource_group_name:
        raise SettingsError(
            "config existingResourceGroup is true, but resourceGroupName is empty: name the group"
        )
