"""One HTTP service: its pods, and the headless service that linkerd finds them by."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_kubernetes as k8s

from mesh import hardening, sidecar, workload
from mesh.sidecar import Sidecar

if TYPE_CHECKING:
    from settings.services import Deployment

STOPS_AFTER = 8
"""Seconds that a pod serves on when it is to go, until every linkerd has heard of it."""

FIRST_UNPRIVILEGED_PORT = 1024


class HttpService(pulumi.ComponentResource):
    """A Deployment, its PodDisruptionBudget and a headless Service of one name, and the config of
    the linkerd in each pod.

    The Service's port is called `http`, which is part of the name that linkerd looks up:
    `/#/io.l5d.k8s/<namespace>/http/<service>`. Requests that the pods make through `$http_proxy` go
    to `proxy`, a URL, but for those to the hosts in `no_proxy`. `beside` is the linkerd in each
    pod, if any. `hidden` is applied to what may be secret: image, arguments, variables.
    """

    def __init__(
        self,
        deployment: "Deployment",
        namespace: str,
        proxy: str,
        no_proxy: str,
        beside: Sidecar,
        hidden: Callable[[Any], Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        name = deployment.name
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
                "ports": [{"name": "http", "port": deployment.port}],
            },
            opts=child,
        )
        container = _container(deployment, proxy, no_proxy, hidden)
        spec: Any = {
            "replicas": deployment.replicas,
            "selector": {"matchLabels": labels},
            **workload.rolled_without_a_gap(),
            "template": {
                "metadata": _template_metadata(labels, beside),
                "spec": _pod(deployment, container, beside),
            },
        }
        first = [sidecar.config_map(name, namespace, beside, child)] if beside.files else []
        k8s.apps.v1.Deployment(
            name,
            metadata=metadata,
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=first),
        )
        # Or a drained node gives up all of them at once, where all are on it.
        workload.disruption_budget(name, namespace, labels, child)
        self.register_outputs({})


def _template_metadata(labels: Mapping[str, str], beside: Sidecar) -> dict[str, Any]:
    metadata: dict[str, Any] = {"labels": {**labels, **beside.labels}}
    if beside.annotations:
        metadata["annotations"] = dict(beside.annotations)
    return metadata


def _pod(deployment: "Deployment", container: Mapping[str, Any], beside: Sidecar) -> dict[str, Any]:
    context = hardening.pod(deployment.run_as_user)
    if deployment.port < FIRST_UNPRIVILEGED_PORT:
        # Without capabilities not even root may listen there, unless the pod's own network says so.
        context["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    return {
        "automountServiceAccountToken": False,
        "securityContext": context,
        "terminationGracePeriodSeconds": workload.GRACE_SECONDS,
        "containers": [dict(each) for each in (container, *beside.containers)],
        "volumes": [dict(each) for each in (hardening.tmp_volume(), *beside.volumes)],
    }


def _container(
    deployment: "Deployment", proxy: str, no_proxy: str, hidden: Callable[[Any], Any]
) -> dict[str, Any]:
    # A service that knows its hosts itself may say so in a variable of its own.
    env = {"no_proxy": no_proxy, **{name: hidden(each) for name, each in deployment.env.items()}}
    args = [hidden(each) for each in deployment.args]
    return {
        "name": "service",
        "image": hidden(deployment.image),
        # An empty list is dropped by the API server: another manager's apply would then conflict.
        **({"args": args} if args else {}),
        "env": [
            workload.from_pod("POD_IP", "status.podIP"),
            workload.from_pod("NODE_NAME", "spec.nodeName"),
            workload.from_pod("HOST_IP", "status.hostIP"),
            {"name": "http_proxy", "value": proxy},
            *({"name": name, "value": value} for name, value in env.items()),
        ],
        "ports": [{"name": "http", "containerPort": deployment.port}],
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1},
        "lifecycle": hardening.stops_after(STOPS_AFTER),
        "resources": hardening.resources("10m", 16, deployment.memory_mb),
        "securityContext": hardening.container(deployment.writable_root),
        "volumeMounts": [hardening.tmp_mount()],
    }
