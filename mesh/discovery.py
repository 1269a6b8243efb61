"""The rights to look endpoints up, each in one namespace: namerd's among the apps, linkerd's among
its peers.

Measured on the real programs: neither ever lists, and neither reads services or pods.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

NAMERD, LINKERD = "namerd-endpoints", "l5d-endpoints"
"""The names of the roles and of their bindings."""

RULES: Sequence[Mapping[str, Any]] = (
    {"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "watch"]},
)


class Discovery(pulumi.ComponentResource):
    """Lets namerd find the pods of the apps, and the linkerd of a node those of the others.

    A table that leads to a service of another namespace needs namerd's role there too
    (docs/dtab.md).
    """

    def __init__(
        self,
        mesh_namespace: str,
        apps_namespace: str,
        on_nodes: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("linkerd-canary:mesh:Discovery", "discovery", {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        grant(NAMERD, apps_namespace, RULES, "namerd", mesh_namespace, child)
        if on_nodes:  # beside an app it asks Kubernetes for nothing
            grant(LINKERD, mesh_namespace, RULES, "l5d", mesh_namespace, child)
        self.register_outputs({})


def grant(
    name: str,
    namespace: str,
    rules: Sequence[Mapping[str, Any]],
    account: str,
    account_namespace: str,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """A Role in a namespace and its binding to a service account of this or another one."""
    metadata: Any = {"name": name, "namespace": namespace}
    role = k8s.rbac.v1.Role(
        name, metadata=metadata, rules=[dict(rule) for rule in rules], opts=opts
    )
    binding = k8s.rbac.v1.RoleBinding(
        name,
        metadata=metadata,
        role_ref={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": account_namespace}],
        # The API server looks at what the role gives, unless one may bind any.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role])),
    )
    return [role, binding]
