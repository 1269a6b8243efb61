"""The resources that this Azure has: their names, their ids, and what makes a new one of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi import _types
from pulumi_azure_native import authorization, containerregistry, containerservice, resources

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"

Object = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One type of resource."""

    type_: str
    """As the SDK names it: `azure-native:containerservice:ManagedCluster`."""
    resource: type
    args: type
    name: str
    """The input that is the resource's name."""
    form: str
    """What a name looks like, as a pattern."""
    provider: str
    """As ARM names it: `Microsoft.ContainerService/managedClusters`."""
    replaced_by: tuple[str, ...]
    """The inputs of which a change needs a new resource."""

    @property
    def short(self) -> str:
        """The last word of its type."""
        return self.type_.rpartition(":")[2]

    def id_of(self, inputs: Object) -> str:
        """The resource id."""
        name = inputs[self.name]
        if self.short == "ResourceGroup":
            return f"{SUBSCRIPTION}/resourceGroups/{name}"
        if self.short == "RoleAssignment":
            return f"{inputs['scope']}/providers/{self.provider}/{name}"
        return f"{group_id(inputs)}/providers/{self.provider}/{name}"

    def has_form(self, name: str) -> bool:
        """Whether Azure takes a name."""
        return re.fullmatch(self.form, name) is not None

    @property
    def outputs(self) -> list[str]:
        """The names of all its outputs."""
        return list(_types.resource_pulumi_to_py_names(self.resource))


def group_id(inputs: Object) -> str:
    """The id of the group that a resource is in."""
    return f"{SUBSCRIPTION}/resourceGroups/{inputs['resourceGroupName']}"


GROUP = Kind(
    "azure-native:resources:ResourceGroup",
    resources.ResourceGroup,
    resources.ResourceGroupArgs,
    "resourceGroupName",
    r"[\w.()-]{0,89}[\w()-]",
    "Microsoft.Resources/resourceGroups",
    ("resourceGroupName", "location"),
)
CLUSTER = Kind(
    "azure-native:containerservice:ManagedCluster",
    containerservice.ManagedCluster,
    containerservice.ManagedClusterArgs,
    "resourceName",
    r"[a-zA-Z0-9]([\w-]{0,61}[a-zA-Z0-9])?",
    "Microsoft.ContainerService/managedClusters",
    ("resourceGroupName", "resourceName", "location", "dnsPrefix", "nodeResourceGroup"),
)
REGISTRY = Kind(
    "azure-native:containerregistry:Registry",
    containerregistry.Registry,
    containerregistry.RegistryArgs,
    "registryName",
    r"[a-zA-Z0-9]{5,50}",
    "Microsoft.ContainerRegistry/registries",
    ("resourceGroupName", "registryName", "location"),
)
ROLE_ASSIGNMENT = Kind(
    "azure-native:authorization:RoleAssignment",
    authorization.RoleAssignment,
    authorization.RoleAssignmentArgs,
    "roleAssignmentName",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "Microsoft.Authorization/roleAssignments",
    ("scope", "roleAssignmentName", "roleDefinitionId", "principalId"),
)
KINDS: Mapping[str, Kind] = {
    kind.type_: kind for kind in (GROUP, CLUSTER, REGISTRY, ROLE_ASSIGNMENT)
}
