"""All linkerds of a stack but those beside apps: on nodes, at the edge, and what leads to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from kube import pods
from mesh import edge, edge_pods, linkerd, sidecar, topology
from mesh.encryption import Mounted
from mesh.routers import ADMIN, EXTERNAL, Routing
from mesh.workload import Memory


@dataclass(frozen=True)
class Programs:
    """What linkerds run."""

    image: str
    kubectl_image: str
    memory: Memory
    edge_replicas: int
    """How many are at the edge where there are sidecars."""
    mounted: Mounted
    """What TLS takes."""


@dataclass(frozen=True)
class Exposure:
    """How requests from outside reach the mesh; `kubeconfig` and `node_address` tell the URL."""

    kind: str
    """LoadBalancer, NodePort or ClusterIP."""
    source_ranges: pulumi.Input[Sequence[str]]
    kubeconfig: pulumi.Input[str]
    node_address: pulumi.Input[str]


class Linkerd(pulumi.ComponentResource):
    """The DaemonSet `l5d` or, where apps send by sidecars, the Deployment `l5d-edge`, and the
    service `l5d-external` in front.

    `after` are what must be up before any of these is touched.
    """

    url: pulumi.Output[str]
    """Where hello answers; how far that reaches depends on the exposure."""

    def __init__(
        self,
        routing: Routing,
        where: str,
        programs: Programs,
        exposure: Exposure,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("linkerd-canary:mesh:Linkerd", "linkerd", {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        ready: list[pulumi.Resource] = []
        if topology.on_nodes(where):
            ready.append(
                linkerd.daemon_set(
                    routing,
                    programs.image,
                    programs.kubectl_image,
                    programs.memory,
                    programs.mounted,
                    topology.beside_apps(where),
                    after,
                    child,
                )
            )
        if topology.sends_by_sidecar(where):
            ready.append(
                edge_pods.deployment(
                    routing,
                    programs.image,
                    programs.memory,
                    programs.edge_replicas,
                    programs.mounted,
                    pulumi.ResourceOptions(parent=self, depends_on=list(after)),
                )
            )
        # It moves from the one to the other once that is there. Clients keep connections to the
        # former one until that is deleted, last of all, and what it sends to is there still.
        external = self._external(
            routing, where, exposure, pulumi.ResourceOptions(parent=self, depends_on=ready)
        )
        self.url = edge.url(
            routing.namespace,
            routing.cluster_domain,
            entry_labels(where),
            external,
            exposure.kind,
            exposure.kubeconfig,
            exposure.node_address,
        )
        self.register_outputs({"url": self.url})

    def _external(
        self, routing: Routing, where: str, exposure: Exposure, opts: pulumi.ResourceOptions
    ) -> k8s.core.v1.Service:
        return edge.service(
            routing.namespace,
            entry_labels(where),
            EXTERNAL,
            exposure.kind,
            exposure.source_ranges,
            opts,
        )


def entry_labels(where: str) -> Mapping[str, str]:
    """Of the pods by which requests from outside enter."""
    return edge_pods.LABELS if topology.sends_by_sidecar(where) else linkerd.LABELS


def follow_external(where: str, mesh_namespace: str) -> dict[str, str]:
    """Which linkerds follow the table of requests from outside, for a Dtab to ask them."""
    return _followers(mesh_namespace, entry_labels(where), "external")


def follow_internal(where: str, mesh_namespace: str, apps_namespace: str) -> dict[str, str]:
    """Which follow the table of apps' requests: those that these are sent by."""
    if topology.sends_by_sidecar(where):
        return _followers(apps_namespace, sidecar.LABELS, "outgoing")
    return _followers(mesh_namespace, linkerd.LABELS, "outgoing")


def admin(where: str, mesh_namespace: str, apps_namespace: str, app: str) -> str:
    """What makes kubectl bring the admin page of a linkerd here: one that `app` sends by."""
    if topology.sends_by_sidecar(where):
        return f"-n {apps_namespace} port-forward deployment/{app} {ADMIN}"
    return f"-n {mesh_namespace} port-forward svc/l5d {ADMIN}"


def _followers(namespace: str, labels: Mapping[str, str], router: str) -> dict[str, str]:
    return {
        "namespace": namespace,
        "selector": pods.selector(labels),
        "router": router,
        "port": str(ADMIN),
    }
