"""The linkerds at the edge: with sidecars, what comes from outside enters the mesh by them."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from mesh import linkerd, routers, workload
from mesh.encryption import Mounted
from mesh.routers import ADMIN, EXTERNAL, Routing
from mesh.workload import Memory

NAME = "l5d-edge"
LABELS: Mapping[str, str] = {"app": NAME}
PORTS: Mapping[str, int] = {"external": EXTERNAL, "admin": ADMIN}


def deployment(
    routing: Routing,
    image: str,
    memory: Memory,
    replicas: int,
    mounted: Mounted,
    opts: pulumi.ResourceOptions,
) -> k8s.apps.v1.Deployment:
    """The Deployment `l5d-edge`, spread over nodes. Like a sidecar it has no token."""
    namespace = routing.namespace
    text = workload.config_text(routers.edge_config(routing))
    config_map = k8s.core.v1.ConfigMap(
        "l5d-edge-config",
        metadata={"name": "l5d-edge-config", "namespace": namespace},
        data={workload.CONFIG_FILE: text},
        opts=opts,
    )
    workload.disruption_budget(NAME, namespace, LABELS, opts)
    containers = [linkerd.container(image, PORTS, memory, mounted)]
    template = workload.pod_template(
        LABELS, None, "l5d-edge-config", text, containers, mounted.volumes, mounted.annotations
    )
    template["spec"]["topologySpreadConstraints"] = workload.spread(LABELS)
    spec: Any = {
        "replicas": replicas,
        "selector": {"matchLabels": dict(LABELS)},
        **workload.rolled_without_a_gap(),
        "template": template,
    }
    return k8s.apps.v1.Deployment(
        NAME,
        metadata={"name": NAME, "namespace": namespace},
        spec=spec,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[config_map])),
    )
