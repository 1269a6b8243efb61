"""What a stack has beside its claim that other stacks could meet: rights and the definition.

RELEASE=former declares them as releases did for which a cluster had room for one stack.
"""

import os
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from mesh import namerd
from mesh.discovery import Discovery

NAME = "linkerd-endpoints-reader"
namespace = os.environ["NAMESPACE"]
former = os.environ["RELEASE"] == "former"
provider = k8s.Provider(
    "cluster", kubeconfig=os.environ["KUBECONFIG_CONTENT"], cluster_identifier="test"
)
parent = pulumi.ComponentResource(
    "linkerd-canary:mesh:Namerd", "namerd", {}, pulumi.ResourceOptions(providers=[provider])
)
child = pulumi.ResourceOptions(parent=parent)


def rights_of_former_releases() -> None:
    mesh = pulumi.ResourceOptions(providers=[provider])
    discovery = pulumi.ComponentResource(
        "linkerd-canary:mesh:Discovery", "discovery", {}, opts=mesh
    )
    of_discovery = pulumi.ResourceOptions(parent=discovery)
    rule = {"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "list", "watch"]}
    role = k8s.rbac.v1.ClusterRole(NAME, metadata={"name": NAME}, rules=[rule], opts=of_discovery)
    k8s.rbac.v1.ClusterRoleBinding(
        NAME,
        metadata={"name": NAME},
        role_ref={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
        subjects=[
            {"kind": "ServiceAccount", "name": account, "namespace": namespace}
            for account in ("namerd", "l5d")
        ],
        opts=pulumi.ResourceOptions(parent=discovery, depends_on=[role]),
    )


if former:
    spec: Any = namerd.DEFINITION
    k8s.apiextensions.v1.CustomResourceDefinition(
        "dtabs", metadata={"name": "dtabs.l5d.io"}, spec=spec, opts=child
    )
    rights_of_former_releases()
else:
    namerd.dtab_definition(child)
    Discovery(
        namespace, namespace, on_nodes=True, opts=pulumi.ResourceOptions(providers=[provider])
    )
