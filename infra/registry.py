"""A container registry that the nodes of an AKS cluster pull from."""

import pulumi
from pulumi_azure_native import authorization, containerregistry

ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
"""The role AcrPull (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles)."""


def registry(
    name: str,
    group: pulumi.Input[str],
    location: str,
    tags: pulumi.Input[dict[str, str]],
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """A registry in a resource group; its resource id."""
    made = containerregistry.Registry(
        "registry",
        registry_name=name,
        resource_group_name=group,
        location=location,
        sku={"name": "Basic"},
        # Its nodes and its people are known to Entra: there is no password to keep.
        admin_user_enabled=False,
        tags=tags,
        opts=opts,
    )
    found: pulumi.Output[str] = made.id
    return found


def let_pull(
    registry_id: pulumi.Input[str], kubelet: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> None:
    """Give the nodes' identity, by its object id, the right to pull from a registry."""
    authorization.RoleAssignment(
        "acr-pull",
        scope=registry_id,
        role_definition_id=pulumi.Output.from_input(registry_id).apply(_role_in),
        principal_id=kubelet,
        # Said, so that Azure does not look for an identity that it made a moment ago.
        principal_type="ServicePrincipal",
        opts=opts,
    )


def _role_in(resource_id: str) -> str:
    """The role's own id in the subscription of a resource."""
    subscription = resource_id.split("/")[2]
    roles = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions"
    return f"{roles}/{ACR_PULL}"
