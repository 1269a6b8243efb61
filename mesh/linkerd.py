"""linkerd on every node: takes requests, and draws a version for each by the weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from kube import pods
from mesh import edge, kubectl_proxy, namerd, workload

OUTGOING, INCOMING, EXTERNAL, ADMIN = 4140, 4141, 4142, 9990
PORTS: Mapping[str, int] = {
    "outgoing": OUTGOING,
    "incoming": INCOMING,
    "external": EXTERNAL,
    "admin": ADMIN,
}
LABELS: Mapping[str, str] = {"app": "l5d"}

CHOSEN = "l5d-dst-client"
"""The header in which a linkerd tells the next one which version it has drawn. It overwrites what a
caller put there."""

RETRY: Mapping[str, int] = {"baseSeconds": 1, "maxSeconds": 5}
"""How long linkerd waits before it asks a namerd again that it has lost. By default the waits grow
from 5 s to 10 min and answers do not reset them, so a new weight could be minutes late."""

WINDOW_FLAG = "-io.buoyant.telemetry.admin.histogramSnapshotInterval=10.seconds"
"""Latencies are shown for windows of this length instead of a minute."""


def config(namespace: str) -> dict[str, Any]:
    """linkerd's config file.

    An app's request enters the linkerd of its own node at `outgoing`. That draws a version by the
    weights and passes the request to the linkerd of a node where the version has pods. There it
    enters at `incoming`, which draws nothing but follows `outgoing`'s choice (decision 10), and
    reaches a pod. Requests from outside the cluster enter at `external`.
    """
    api = {"k8sHost": "localhost", "k8sPort": kubectl_proxy.PORT}
    to_the_pods_node = {
        "kind": "io.l5d.k8s.daemonset",
        "namespace": namespace,
        "port": "incoming",
        "service": "l5d",
        **api,
    }
    only_this_node = {"kind": "io.l5d.k8s.localnode"}
    outgoing = _router("outgoing", namespace, "internal", OUTGOING, [to_the_pods_node])
    outgoing["service"] = {"responseClassifier": {"kind": "io.l5d.http.retryableRead5XX"}}
    incoming = _router("incoming", namespace, "internal", INCOMING, [only_this_node])
    incoming["identifier"] = {"kind": "io.l5d.header", "header": CHOSEN}
    # The header holds the name that `outgoing` has bound, behind the prefix of its transformer.
    incoming["dtab"] = f"/svc/%/io.l5d.k8s.daemonset/{namespace}/incoming/l5d => / ;"
    external = _router("external", namespace, "external", EXTERNAL, [])
    # At the edge nobody may choose his own route: this drops `l5d-dtab` and its kin.
    external["servers"][0]["clearContext"] = True
    return {
        # Without control nobody can end it, or change its log, by the admin port.
        "admin": {"ip": "0.0.0.0", "port": ADMIN, "security": {"controlEnabled": False}},
        "usage": {"enabled": False},
        "telemetry": [
            {"kind": "io.l5d.prometheus"},
            {"kind": "io.l5d.recentRequests", "sampleRate": 0.25},
        ],
        "routers": [outgoing, incoming, external],
    }


def _router(
    label: str, namespace: str, table: str, port: int, transformers: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    interpreter: dict[str, Any] = {
        "kind": "io.l5d.namerd",
        "dst": f"/$/inet/namerd.{namespace}.svc.cluster.local/{namerd.PORTS['thrift']}",
        "namespace": table,
        "retry": dict(RETRY),
    }
    if transformers:
        interpreter["transformers"] = list(transformers)
    return {
        "protocol": "http",
        "label": label,
        "interpreter": interpreter,
        "servers": [{"ip": "0.0.0.0", "port": port}],
    }


class Linkerd(pulumi.ComponentResource):
    """The DaemonSet `l5d`, its service inside the cluster, and `l5d-external` for the outside.

    Apps reach the linkerd of their own node at `host_port` of the node. `kubeconfig` and
    `node_address` serve to tell the `url` of a NodePort.
    """

    url: pulumi.Output[str]
    """Where hello answers; how far that reaches depends on `exposure`."""

    def __init__(
        self,
        namespace: str,
        image: str,
        kubectl_image: str,
        exposure: str,
        source_ranges: pulumi.Input[Sequence[str]],
        kubeconfig: pulumi.Input[str],
        node_address: pulumi.Input[str] = "",
        host_port: int = OUTGOING,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("linkerd-canary:mesh:Linkerd", "linkerd", {}, opts)
        self._namespace = namespace
        child = pulumi.ResourceOptions(parent=self)
        account = k8s.core.v1.ServiceAccount(
            "l5d", metadata={"name": "l5d", "namespace": namespace}, opts=child
        )
        text = workload.config_text(config(namespace))
        config_map = k8s.core.v1.ConfigMap(
            "l5d-config",
            metadata={"name": "l5d-config", "namespace": namespace},
            data={workload.CONFIG_FILE: text},
            opts=child,
        )
        # The services first: linkerd finds its peers on other nodes through `l5d`.
        _internal_service(namespace, child)
        containers = [_container(image, host_port), kubectl_proxy.container(kubectl_image)]
        spec: Any = {
            "selector": {"matchLabels": dict(LABELS)},
            "template": workload.pod_template(LABELS, "l5d", "l5d-config", text, containers),
        }
        daemons = k8s.apps.v1.DaemonSet(
            "l5d",
            metadata={"name": "l5d", "namespace": namespace},
            spec=spec,
            # Two of them cannot be on a node at once: both want the same port of it.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[account, config_map], delete_before_replace=True
            ),
        )
        external = edge.service(
            namespace,
            LABELS,
            EXTERNAL,
            exposure,
            source_ranges,
            pulumi.ResourceOptions(parent=self, depends_on=[daemons]),
        )
        self.url = edge.url(namespace, LABELS, external, exposure, kubeconfig, node_address)
        self.register_outputs({"url": self.url})

    def followers(self, router: str) -> dict[str, str]:
        """Which linkerds follow the table of a router, for a Dtab to ask them."""
        return {
            "namespace": self._namespace,
            "selector": pods.selector(LABELS),
            "router": router,
            "port": str(ADMIN),
        }


def _container(image: str, host_port: int) -> dict[str, Any]:
    container = workload.container("l5d", image, PORTS, ADMIN)
    container["args"] = [WINDOW_FLAG, *container["args"]]
    for port in container["ports"]:
        if port["containerPort"] == OUTGOING:
            # On every node's own address, so that an app reaches the linkerd beside it.
            port["hostPort"] = host_port
    return container


def _internal_service(namespace: str, opts: pulumi.ResourceOptions) -> k8s.core.v1.Service:
    return k8s.core.v1.Service(
        "l5d",
        metadata={"name": "l5d", "namespace": namespace, "labels": dict(LABELS)},
        spec={
            "type": "ClusterIP",
            "selector": dict(LABELS),
            "ports": [
                {"name": name, "port": PORTS[name]} for name in ("outgoing", "incoming", "admin")
            ],
        },
        opts=opts,
    )
