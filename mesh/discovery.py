"""The right to look services up, which namerd and linkerd share."""

import pulumi
import pulumi_kubernetes as k8s

NAME = "linkerd-endpoints-reader"


def cluster_wide_name(namespace: str) -> str:
    """What the role and its binding are called in the cluster: each mesh has its own."""
    return f"{NAME}-{namespace}"


class Discovery(pulumi.ComponentResource):
    """Lets the service accounts `namerd` and `l5d` of `namespace` read endpoints everywhere.

    Cluster-wide, because a routing table may name a service of any namespace.
    """

    def __init__(self, namespace: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("linkerd-canary:mesh:Discovery", "discovery", {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        name = cluster_wide_name(namespace)
        role = k8s.rbac.v1.ClusterRole(
            NAME,
            metadata={"name": name},
            rules=[
                {
                    "apiGroups": [""],
                    "resources": ["endpoints", "services", "pods"],
                    "verbs": ["get", "list", "watch"],
                }
            ],
            opts=child,
        )
        k8s.rbac.v1.ClusterRoleBinding(
            NAME,
            metadata={"name": name},
            role_ref={
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": name,
            },
            subjects=[
                {"kind": "ServiceAccount", "name": account, "namespace": namespace}
                for account in ("namerd", "l5d")
            ],
            # The API server looks at what the role gives, unless one may bind any.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        self.register_outputs({})
