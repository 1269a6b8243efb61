"""A new AKS cluster: its resource group, itself, and the way to it."""

from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_azure_native import containerservice, resources

from infra import aks_credentials
from infra.cluster import Cluster, provider

if TYPE_CHECKING:
    from settings import Aks

_POOL = "system"
_SERVICES_POOL = "services"
_SYSTEM_PODS_ONLY = "CriticalAddonsOnly=true:NoSchedule"


def aks_cluster(identifier: str, aks: "Aks") -> Cluster:
    """A cluster in Azure, made by this program.

    Raises ClusterError, before anything is made, where a program is missing that it takes.
    """
    if not aks.local_accounts:
        aks_credentials.require_kubelogin()
    made = AksCluster(f"{pulumi.get_project()}-{pulumi.get_stack()}", aks)
    # Through the cluster's name, so that another cluster under the same name is another one.
    name = made.cluster.name.apply(lambda _: identifier)
    return Cluster(name, made.kubeconfig, provider(name, made.kubeconfig), made.cluster)


class AksCluster(pulumi.ComponentResource):
    """A managed cluster in a resource group, and a registry that its nodes may pull from."""

    cluster: containerservice.ManagedCluster
    kubeconfig: pulumi.Output[str]
    """A secret, not known before the cluster exists."""

    def __init__(
        self, default_name: str, aks: "Aks", opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("linkerd-canary:infra:AksCluster", "aks", {}, opts)
        self._aks = aks
        self._kept = pulumi.ResourceOptions(parent=self, protect=aks.protect)
        group = self._group(aks.resource_group_name or default_name)
        self.cluster = self._cluster(group, aks.cluster_name or default_name)
        if aks.container_registry:
            self._registry(group)
        self.kubeconfig = self._kubeconfig(group)
        self.register_outputs({})

    def _group(self, name: str) -> pulumi.Input[str]:
        if self._aks.existing_resource_group:
            return name
        group = resources.ResourceGroup(
            "group",
            resource_group_name=name,
            location=self._aks.location,
            tags=dict(self._aks.tags),
            opts=self._kept,
        )
        made: pulumi.Output[str] = group.name
        return made

    def _cluster(self, group: pulumi.Input[str], name: str) -> containerservice.ManagedCluster:
        aks = self._aks
        return containerservice.ManagedCluster(
            "cluster",
            resource_group_name=group,
            resource_name_=name,
            **_properties(aks, name),
            opts=pulumi.ResourceOptions.merge(
                self._kept, pulumi.ResourceOptions(ignore_changes=_moved_by_azure(aks))
            ),
        )

    def _registry(self, group: pulumi.Input[str]) -> None:
        # Here, so that a stack without a registry does not load what a registry takes.
        from infra import registry  # noqa: PLC0415

        given, child = self._aks.container_registry, pulumi.ResourceOptions(parent=self)
        exists = given.startswith("/")
        tags = dict(self._aks.tags)
        id_ = (
            given
            if exists
            else registry.registry(given, group, self._aks.location, tags, self._kept)
        )
        kubelet = self.cluster.identity_profile.apply(_kubelet_of)
        registry.let_pull(id_, kubelet, child)

    def _kubeconfig(self, group: pulumi.Input[str]) -> pulumi.Output[str]:
        child = pulumi.InvokeOutputOptions(parent=self)
        of = {"resource_group_name": group, "resource_name": self.cluster.name}
        if self._aks.local_accounts:
            found = containerservice.list_managed_cluster_admin_credentials_output(**of, opts=child)
            text = found.apply(lambda them: aks_credentials.decoded(them.kubeconfigs))
        else:
            found = containerservice.list_managed_cluster_user_credentials_output(
                **of, format="exec", opts=child
            )
            text = found.apply(
                lambda them: aks_credentials.without_questions(
                    aks_credentials.decoded(them.kubeconfigs)
                )
            )
        return pulumi.Output.secret(text)


def _properties(aks: "Aks", name: str) -> dict[str, Any]:
    """What makes up the cluster, beside its name and group."""
    properties: dict[str, Any] = {
        "location": aks.location,
        "sku": {"name": "Base", "tier": aks.cluster_tier},
        "identity": {"type": "SystemAssigned"},
        "kubernetes_version": aks.kubernetes_version,
        "dns_prefix": name.replace("_", "-")[:54].rstrip("-"),
        "enable_rbac": True,
        "disable_local_accounts": not aks.local_accounts,
        "aad_profile": {
            "managed": True,
            "enable_azure_rbac": True,
            "admin_group_object_ids": list(aks.admin_group_object_ids),
        },
        "oidc_issuer_profile": {"enabled": True},
        "security_profile": {"workload_identity": {"enabled": True}},
        "api_server_access_profile": {"authorized_ip_ranges": list(aks.authorized_ip_ranges)},
        "auto_upgrade_profile": {
            "upgrade_channel": aks.upgrade_channel,
            "node_os_upgrade_channel": aks.node_os_upgrade_channel,
        },
        # An overlay gives the pods of a node a /24 of their own, by which linkerd's transformers
        # tell the nodes apart.
        "network_profile": {
            "network_plugin": "azure",
            "network_plugin_mode": "overlay",
            "network_dataplane": "cilium",
            "network_policy": "cilium",
            "load_balancer_sku": "standard",
            "outbound_type": "loadBalancer",
        },
        "agent_pool_profiles": _pools(aks),
        "tags": dict(aks.tags),
    }
    if aks.cluster_tier == "Premium":
        properties["support_plan"] = "AKSLongTermSupport"
    return properties


def _pools(aks: "Aks") -> list[dict[str, Any]]:
    """One pool for all, or one for the system's pods and one for the mesh and the services."""
    scaled = {
        "count": aks.node_count_min,
        "enable_auto_scaling": True,
        "min_count": aks.node_count_min,
        "max_count": aks.node_count_max,
    }
    if not aks.system_node_count:
        return [_pool(aks, _POOL, "System", scaled)]
    fixed = {"count": aks.system_node_count, "node_taints": [_SYSTEM_PODS_ONLY]}
    return [_pool(aks, _POOL, "System", fixed), _pool(aks, _SERVICES_POOL, "User", scaled)]


def _pool(aks: "Aks", name: str, mode: str, size: dict[str, Any]) -> dict[str, Any]:
    zones = {"availability_zones": list(aks.node_zones)} if aks.node_zones else {}
    return {
        "name": name,
        "mode": mode,
        "type": "VirtualMachineScaleSets",
        "os_type": "Linux",
        "vm_size": aks.node_vm_size,
        **zones,
        **size,
    }


def _moved_by_azure(aks: "Aks") -> list[str]:
    """What is only a beginning: the autoscaler's count, and a version that Azure moves on."""
    pool = 1 if aks.system_node_count else 0
    version = ["kubernetesVersion"] if aks.upgrades_minor_versions else []
    return [f"agentPoolProfiles[{pool}].count", *version]


def _kubelet_of(identities: Any) -> str:
    """The object id of the nodes' identity, which Azure makes with the cluster."""
    return str(identities["kubeletidentity"].object_id)
