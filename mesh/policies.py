"""Who may speak to whom: NetworkPolicies for the mesh's pods and the apps'.

What comes in is restricted, what goes out is not: linkerd and the apps need DNS, the API server and
hosts outside, whose addresses no selector of Kubernetes can name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pulumi
import pulumi_kubernetes as k8s

from mesh import edge_pods, linkerd, namerd, routers

NODES = linkerd.LABELS
EDGE = edge_pods.LABELS
EVERY_POD: Mapping[str, str] = {}

APP_PORT = "http"
"""The name of the port on which each app takes requests."""

Labels: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Shape:
    """Which linkerds a stack has, and by which ports they take what others have drawn."""

    mesh: str
    """The namespace of namerd and of linkerds that are not beside an app."""
    apps: str
    """The apps' namespace."""
    incoming: Mapping[str, int]
    """The open ports of the router `incoming`, by their names."""
    on_nodes: bool = True
    beside_apps: bool = False


@dataclass(frozen=True)
class Flow:
    """What some pods take: one NetworkPolicy. Several for the same pods add up."""

    name: str
    namespace: str
    to: Labels
    ports: Sequence[int | str]
    sources: Sequence[tuple[str, Labels]] | None
    """Namespaces, and labels of pods there; None for everything inside the cluster and outside."""

    def spec(self) -> dict[str, Any]:
        """The spec of the NetworkPolicy."""
        ports = [{"protocol": "TCP", "port": port} for port in self.ports]
        rule: dict[str, Any] = {"ports": ports}
        if self.sources is not None:
            rule["from"] = [_peer(namespace, labels) for namespace, labels in self.sources]
        selector = {"matchLabels": dict(self.to)} if self.to else {}
        return {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [rule]}


def _peer(namespace: str, labels: Labels) -> dict[str, Any]:
    by_name = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    peer: dict[str, Any] = {"namespaceSelector": by_name}
    if labels:
        peer["podSelector"] = {"matchLabels": dict(labels)}
    return peer


def flows(shape: Shape) -> list[Flow]:
    """All that a stack's pods may be sent.

    Each way is a policy by itself: when a stack goes over to another topology or to TLS, the new
    way's is made before its pods, and the former one's deleted after them.
    """
    return [*_to_namerd(shape), *_to_nodes(shape), *_to_apps(shape)]


def _to_namerd(shape: Shape) -> Iterator[Flow]:
    thrift, admin = namerd.PORTS["thrift"], namerd.ADMIN_PORT
    # Asked through the API server, by whoever RBAC lets do so, and by Prometheus. The API server's
    # requests come from outside the pod network, or from an agent that differs from cloud to cloud.
    # By a GET that port changes nothing, and no other method has an effect (decision 12).
    yield Flow("namerd-admin", shape.mesh, namerd.LABELS, [admin], None)
    if shape.on_nodes:
        sources = [(shape.mesh, NODES)]
        yield Flow("namerd-from-nodes", shape.mesh, namerd.LABELS, [thrift], sources)
    if shape.beside_apps:
        sources = [(shape.apps, EVERY_POD), (shape.mesh, EDGE)]
        yield Flow("namerd-from-sidecars", shape.mesh, namerd.LABELS, [thrift], sources)


def _to_nodes(shape: Shape) -> Iterator[Flow]:
    """To the linkerds that are not beside an app."""
    open_to_all = [routers.EXTERNAL, routers.ADMIN]
    if shape.beside_apps:
        yield Flow("l5d-edge", shape.mesh, EDGE, open_to_all, None)
    if not shape.on_nodes:
        return
    # A load balancer and a NodePort keep a caller's address or put a node's in its place.
    yield Flow("l5d-open", shape.mesh, NODES, open_to_all, None)
    from_apps = [(shape.apps, EVERY_POD)]
    yield Flow("l5d-outgoing", shape.mesh, NODES, [routers.OUTGOING], from_apps)
    for name, port in shape.incoming.items():
        yield Flow(f"l5d-{name}", shape.mesh, NODES, [port], [(shape.mesh, NODES)])


def _to_apps(shape: Shape) -> Iterator[Flow]:
    if shape.on_nodes:
        # Of that of the pod's own node: no selector tells nodes apart.
        by_node = [(shape.mesh, NODES)]
        yield Flow("apps-from-nodes", shape.apps, EVERY_POD, [APP_PORT], by_node)
    if not shape.beside_apps:
        return
    yield Flow("apps-admin", shape.apps, EVERY_POD, [routers.ADMIN], None)
    senders = [(shape.apps, EVERY_POD), (shape.mesh, EDGE)]
    for name, port in shape.incoming.items():
        yield Flow(f"apps-{name}", shape.apps, EVERY_POD, [port], senders)


class Policies(pulumi.ComponentResource):
    """The NetworkPolicies of a stack; without an engine in the cluster they have no effect."""

    def __init__(self, shape: Shape, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("linkerd-canary:mesh:Policies", "policies", {}, opts)
        for flow in flows(shape):
            k8s.networking.v1.NetworkPolicy(
                flow.name,
                metadata={"name": flow.name, "namespace": flow.namespace},
                spec=flow.spec(),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
