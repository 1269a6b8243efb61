"""A new AKS cluster: its resource group, itself, and the way to it."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_azure_native import containerservice, resources

from dynamic.first_name import first_name
from infra import aks_credentials, aks_moves, aks_names
from infra.cluster import Cluster, ClusterError, identified

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
    first = first_name()
    made = AksCluster(f"{pulumi.get_project()}-{first}-{aks.location}", aks)
    name = made.cluster.id.apply(lambda id_: _identity(identifier or first, id_))
    # A protected cluster stays when a destroy is tried, and so must what is on it.
    return identified(name, made.kubeconfig, made=None if aks.protect else made.cluster)


def _identity(identifier: str, resource_id: str) -> str:
    """A name that a cluster has for good, and that the one in its place has not."""
    # Azure is not of one mind about capitals in ids.
    digest = hashlib.sha256(resource_id.lower().encode()).hexdigest()
    return f"{identifier}-{digest[:8]}"


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
        self._asked = pulumi.InvokeOptions(parent=self)
        # What takes the place of a cluster is made first: the old one serves until it is there.
        self._child = pulumi.ResourceOptions(parent=self, delete_before_replace=False)
        self._kept = pulumi.ResourceOptions.merge(
            self._child, pulumi.ResourceOptions(protect=aks.protect)
        )
        hidden = ["tags"] if "tags" in aks.secret else None
        self._tagged = pulumi.ResourceOptions.merge(
            self._kept, pulumi.ResourceOptions(additional_secret_outputs=hidden)
        )
        group_name = aks.resource_group_name or aks_names.group(default_name)
        name = aks.cluster_name or aks_names.cluster(default_name)
        group = self._group(group_name)
        self.cluster = self._cluster(group, group_name, name)
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
            tags=_tags(self._aks),
            opts=self._tagged,
        )
        made: pulumi.Output[str] = group.name
        return made

    def _cluster(
        self, group: pulumi.Input[str], group_name: str, name: str
    ) -> containerservice.ManagedCluster:
        aks = self._aks
        live = aks_moves.live_cluster(group_name, name, self._asked)
        properties, moved = aks_moves.as_moved(_properties(aks, name), live, aks)
        return containerservice.ManagedCluster(
            "cluster",
            resource_group_name=group,
            resource_name_=name,
            **_with_secrets(aks, properties),
            **aks_names.node_group(group_name, name, aks.location),
            opts=pulumi.ResourceOptions.merge(
                self._kept,
                pulumi.ResourceOptions(
                    ignore_changes=moved,
                    additional_secret_outputs=[_HOLDERS[key] for key in sorted(aks.secret)],
                ),
            ),
        )

    def _registry(self, group: pulumi.Input[str]) -> None:
        # Here, so that a stack without a registry does not load what a registry takes.
        from infra import registry  # noqa: PLC0415

        given, tags = self._aks.container_registry, _tags(self._aks)
        id_: pulumi.Input[str] = given
        if not given.startswith("/"):
            id_ = registry.registry(given, group, self._aks.location, tags, self._tagged)
        registry.let_pull(id_, self._kubelet(group), self._child)

    def _kubelet(self, group: pulumi.Input[str]) -> pulumi.Output[str]:
        """The object id of the nodes' identity, which Azure makes with the cluster.

        Asked for by the cluster's name: that is known in a preview of an update, in which the
        cluster's own outputs are not, and the right to pull would seem to be replaced.
        """

        def ask(name: str, in_group: str) -> str:
            found = containerservice.get_managed_cluster(in_group, name, opts=self._asked)
            return str(found.identity_profile["kubeletidentity"].object_id)

        return self._told("the identity of the cluster's nodes", group, ask)

    def _kubeconfig(self, group: pulumi.Input[str]) -> pulumi.Output[str]:
        def of_administrator(name: str, in_group: str) -> Any:
            try:
                found = containerservice.list_managed_cluster_admin_credentials(
                    resource_group_name=in_group, resource_name=name, opts=self._asked
                )
            except Exception as error:  # Pulumi has no class of its own for a refused question
                # In a preview, the update that allows them is still to come.
                if pulumi.runtime.is_dry_run() and _WITHOUT_LOCAL_ACCOUNTS in str(error):
                    return pulumi.UNKNOWN
                raise
            return aks_credentials.decoded(found.kubeconfigs)

        def of_user(name: str, in_group: str) -> str:
            found = containerservice.list_managed_cluster_user_credentials(
                format="exec", resource_group_name=in_group, resource_name=name, opts=self._asked
            )
            return aks_credentials.without_questions(aks_credentials.decoded(found.kubeconfigs))

        ask = of_administrator if self._aks.local_accounts else of_user
        return pulumi.Output.secret(self._told("the cluster's credentials", group, ask))

    def _told(
        self,
        what: str,
        group: pulumi.Input[str],
        ask: Callable[[str, str], Any],
    ) -> pulumi.Output[str]:
        """What Azure tells of the cluster, by its name and group, once it is there."""

        def asked(names: Sequence[str]) -> Any:
            try:
                return ask(*names)
            except ClusterError as error:
                raise pulumi.RunError(str(error)) from None
            except Exception as error:  # Pulumi has no class of its own for a refused question
                raise _refused(what, error) from None

        return pulumi.Output.all(self.cluster.name, group).apply(asked)


def _refused(what: str, error: Exception) -> Exception:
    """One line for what Azure does not tell; an error that is not Azure's as it is."""
    _, is_azures, reason = str(error).rpartition("returned an error: ")
    if not is_azures:
        return error
    return pulumi.RunError(str(ClusterError(f"Azure does not tell {what}: {reason}")))


_WITHOUT_LOCAL_ACCOUNTS = "disable local accounts"
"""In what Azure says to who asks such a cluster for its administrator's credentials."""


_HOLDERS = {
    "authorizedIpRanges": "api_server_access_profile",
    "adminGroupObjectIds": "aad_profile",
    "tags": "tags",
}
"""The property of a cluster that holds what was set as a secret."""


def _with_secrets(aks: "Aks", properties: dict[str, Any]) -> dict[str, Any]:
    hidden = {_HOLDERS[key] for key in aks.secret}
    return {
        key: pulumi.Output.secret(value) if key in hidden else value
        for key, value in properties.items()
    }


def _tags(aks: "Aks") -> pulumi.Input[dict[str, str]]:
    tags = dict(aks.tags)
    return pulumi.Output.secret(tags) if "tags" in aks.secret else tags


def _properties(aks: "Aks", name: str) -> dict[str, Any]:
    """What makes up the cluster, beside its name and group."""
    properties: dict[str, Any] = {
        "location": aks.location,
        "sku": {"name": "Base", "tier": aks.cluster_tier},
        "identity": {"type": "SystemAssigned"},
        "kubernetes_version": aks.kubernetes_version,
        "dns_prefix": aks_names.dns_prefix(name),
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
        # Left out, the nodes would stay behind when the cluster goes to another version.
        "orchestrator_version": aks.kubernetes_version,
        **zones,
        **size,
    }
