"""One HTTP service: its pods, and the headless service that linkerd finds them by."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from mesh import workload


class HttpService(pulumi.ComponentResource):
    """A Deployment and a headless Service of one name, with a port called `http`.

    The port's name is part of the name that linkerd looks up:
    `/#/io.l5d.k8s/<namespace>/http/<service>`. Requests that the pods make through `$http_proxy` go
    by their own node's linkerd, at `host_port` of the node.
    """

    def __init__(
        self,
        name: str,
        namespace: str,
        image: pulumi.Input[str],
        port: int,
        replicas: int,
        host_port: int,
        args: Sequence[pulumi.Input[str]] = (),
        env: Mapping[str, pulumi.Input[str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("linkerd-canary:apps:HttpService", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = {"app": name}
        metadata: Any = {"name": name, "namespace": namespace, "labels": labels}
        k8s.core.v1.Service(
            name,
            metadata=metadata,
            spec={
                "clusterIP": "None",
                "selector": labels,
                "ports": [{"name": "http", "port": port}],
            },
            opts=child,
        )
        spec: Any = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [_container(image, port, host_port, args, env or {})]},
            },
        }
        k8s.apps.v1.Deployment(name, metadata=metadata, spec=spec, opts=child)
        self.register_outputs({})


def _container(
    image: pulumi.Input[str],
    port: int,
    host_port: int,
    args: Sequence[pulumi.Input[str]],
    env: Mapping[str, pulumi.Input[str]],
) -> dict[str, Any]:
    return {
        "name": "service",
        "image": image,
        # An empty list is dropped by the API server: another manager's apply would then conflict.
        **({"args": list(args)} if args else {}),
        "env": [
            workload.from_pod("POD_IP", "status.podIP"),
            workload.from_pod("NODE_NAME", "spec.nodeName"),
            # The node's address, not its name: that needs no DNS record for nodes.
            workload.from_pod("HOST_IP", "status.hostIP"),
            {"name": "http_proxy", "value": f"$(HOST_IP):{host_port}"},
            *({"name": name, "value": value} for name, value in env.items()),
        ],
        "ports": [{"name": "http", "containerPort": port}],
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False},
    }
