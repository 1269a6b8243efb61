"""namerd: keeps the routing tables, and tells each linkerd where a name leads."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from mesh import discovery, kubectl_proxy, workload
from mesh.workload import Memory

ADMIN_PORT = 9991
PORTS: Mapping[str, int] = {"thrift": 4100, "mesh": 4321, "admin": ADMIN_PORT}
HTTP_PORT = 4180
"""Of the API that writes tables, which nobody but namerd's own pod can reach (decision 12)."""
LABELS: Mapping[str, str] = {"app": "namerd"}

_TEXT = {"type": "string"}
_DENTRY = {"type": "object", "properties": {"prefix": _TEXT, "dst": _TEXT}}

DEFINITION: Any = {
    "group": "l5d.io",
    "scope": "Namespaced",
    "names": {"kind": "DTab", "plural": "dtabs", "singular": "dtab"},
    "versions": [
        {
            "name": "v1alpha1",
            "served": True,
            "storage": True,
            # `dentries` lies at the top of the object; what is not declared is pruned.
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "properties": {"dentries": {"type": "array", "items": _DENTRY}},
                }
            },
        }
    ],
}
"""The spec of the CustomResourceDefinition that namerd keeps its tables by."""


def config(namespace: str) -> dict[str, Any]:
    """namerd's config file: names from Kubernetes, tables in `dtabs` objects of `namespace`."""
    api = {"host": "localhost", "port": kubectl_proxy.PORT}
    return {
        # Without control nobody can end it, or change its log, by the admin port.
        "admin": {"ip": "0.0.0.0", "port": ADMIN_PORT, "security": {"controlEnabled": False}},
        "namers": [{"kind": "io.l5d.k8s", **api}],
        "storage": {"kind": "io.l5d.k8s", **api, "namespace": namespace},
        "interfaces": [
            {"kind": "io.l5d.thriftNameInterpreter", "ip": "0.0.0.0", "port": PORTS["thrift"]},
            {"kind": "io.l5d.httpController", "ip": "127.0.0.1", "port": HTTP_PORT},
            {"kind": "io.l5d.mesh", "ip": "0.0.0.0", "port": PORTS["mesh"]},
        ],
    }


def container(image: str) -> dict[str, Any]:
    """The container spec of a namerd."""
    return workload.container("namerd", image, PORTS, ADMIN_PORT, Memory())


class Namerd(pulumi.ComponentResource):
    """namerd in `namespace`: its storage, its rights, its pods, and a service inside the cluster.

    Who may change the tables is decided by the API server, whose objects they are: no port of its
    pods changes anything for those outside. Its replicas serve the same tables, and each linkerd
    keeps to one of them.
    """

    def __init__(
        self,
        namespace: str,
        image: str,
        kubectl_image: str,
        replicas: int = 2,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("linkerd-canary:mesh:Namerd", "namerd", {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        crd = dtab_definition(child)
        account = k8s.core.v1.ServiceAccount(
            "namerd", metadata={"name": "namerd", "namespace": namespace}, opts=child
        )
        rights = _storage_rights(namespace, child)
        text = workload.config_text(config(namespace))
        config_map = k8s.core.v1.ConfigMap(
            "namerd-config",
            metadata={"name": "namerd-config", "namespace": namespace},
            data={workload.CONFIG_FILE: text},
            opts=child,
        )
        containers = [
            container(image),
            kubectl_proxy.container(kubectl_image),
        ]
        template = workload.pod_template(
            LABELS, "namerd", "namerd-config", text, containers, [kubectl_proxy.volume()]
        )
        template["spec"]["topologySpreadConstraints"] = workload.spread(LABELS)
        spec: Any = {
            "replicas": replicas,
            "selector": {"matchLabels": dict(LABELS)},
            **workload.rolled_without_a_gap(),
            "template": template,
        }
        deployment = k8s.apps.v1.Deployment(
            "namerd",
            metadata={"name": "namerd", "namespace": namespace},
            spec=spec,
            # The CRD first: namerd's storage looks for it once, at its start.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[crd, account, config_map, *rights]
            ),
        )
        workload.disruption_budget("namerd", namespace, LABELS, child)
        self.service = k8s.core.v1.Service(
            "namerd",
            metadata={"name": "namerd", "namespace": namespace, "labels": dict(LABELS)},
            spec={
                "type": "ClusterIP",
                "selector": dict(LABELS),
                "ports": [{"name": name, "port": port} for name, port in PORTS.items()],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        self.register_outputs({})


def dtab_definition(
    opts: pulumi.ResourceOptions,
) -> k8s.apiextensions.v1.CustomResourceDefinitionPatch:
    """The CustomResourceDefinition of the tables, which all stacks of a cluster share.

    Deleting it would delete every table in the cluster, so a destroy leaves it (decision 14).
    """
    # As a Patch it may exist already, and is made where it does not. Former releases declared the
    # definition itself: the alias turns that into this one without a delete.
    former = pulumi.Alias(type_="kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition")
    shared = pulumi.ResourceOptions(retain_on_delete=True, aliases=[former])
    return k8s.apiextensions.v1.CustomResourceDefinitionPatch(
        "dtabs",
        metadata={"name": "dtabs.l5d.io"},
        spec=DEFINITION,
        opts=pulumi.ResourceOptions.merge(opts, shared),
    )


def _storage_rights(namespace: str, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    rule = {
        "apiGroups": ["l5d.io"],
        "resources": ["dtabs"],
        # It writes none: the API server does, for the stack (decision 12).
        "verbs": ["list", "watch"],
    }
    return discovery.grant("namerd-dtab-storage", namespace, [rule], "namerd", namespace, opts)
