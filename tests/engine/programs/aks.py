"""An AKS cluster by the config keys in the environment, and a ConfigMap on it."""

import os

import pulumi
import pulumi_kubernetes as k8s

from infra.aks import aks_cluster
from infra.cluster import ClusterError
from settings.aks import KEYS, Aks

values = {key: reader(os.environ.get(key, default)) for key, (default, reader) in KEYS.items()}
aks = Aks(
    location=values["location"],
    resource_group_name=values["resourceGroupName"],
    existing_resource_group=values["existingResourceGroup"],
    cluster_name=values["clusterName"],
    kubernetes_version=values["kubernetesVersion"],
    cluster_tier=values["clusterTier"],
    node_vm_size=values["nodeVmSize"],
    node_count_min=values["nodeCountMin"],
    node_count_max=values["nodeCountMax"],
    node_zones=values["nodeZones"],
    system_node_count=values["systemNodeCount"],
    authorized_ip_ranges=("203.0.113.0/24",),
    admin_group_object_ids=values["adminGroupObjectIds"],
    local_accounts=values["localAccounts"],
    upgrade_channel=values["upgradeChannel"],
    node_os_upgrade_channel=values["nodeOsUpgradeChannel"],
    tags=values["tags"],
    container_registry=values["containerRegistry"],
    protect=values["protect"],
)
try:
    cluster = aks_cluster("here", aks)
except ClusterError as error:
    raise pulumi.RunError(str(error)) from None
k8s.core.v1.ConfigMap(
    "settings",
    metadata={"name": os.environ["NAME"], "namespace": "default"},
    data={"weight": "10"},
    opts=pulumi.ResourceOptions(provider=cluster.provider, deleted_with=cluster.made),
)
