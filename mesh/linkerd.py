"""linkerd on every node: takes requests, and draws a version for each by the weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from mesh import dns, kubectl_proxy, routers, workload
from mesh.encryption import Mounted
from mesh.routers import ADMIN, OUTGOING, Routing
from mesh.workload import Memory

LABELS: Mapping[str, str] = {"app": "l5d"}

OWN_NODES = "l5d-node"
"""The service by which an app reaches the linkerd of its own node, and no other."""

NOT_AWAITED: Mapping[str, str] = {"pulumi.com/skipAwait": "true"}
"""The annotation of a service whose pods come later: Pulumi would wait for them."""

WINDOW_FLAG = "-io.buoyant.telemetry.admin.histogramSnapshotInterval=10.seconds"
"""Latencies are shown for windows of this length instead of a minute."""


def proxy_url(namespace: str, cluster_domain: str) -> str:
    """Where an app finds the linkerd of its own node: the value of its `http_proxy`.

    A name and not the service's address: it is known before the service is there, and stays right
    when the service is made anew. The dot at its end spares each new connection the search through
    the pod's DNS suffixes.
    """
    return f"http://{dns.service(OWN_NODES, namespace, cluster_domain)}.:{OUTGOING}"


def own_nodes_service(
    namespace: str, opts: pulumi.ResourceOptions | None = None
) -> k8s.core.v1.Service:
    """The service `l5d-node`, which each node leads to its own linkerd.

    It comes before the apps, and they before the DaemonSet: the first update of a stack whose
    linkerd had a port of its node (hostPort) so moves the apps to the service while linkerd has
    that port still.
    """
    metadata: Any = {
        "name": OWN_NODES,
        "namespace": namespace,
        "labels": dict(LABELS),
        "annotations": dict(NOT_AWAITED),
    }
    return k8s.core.v1.Service(
        OWN_NODES,
        metadata=metadata,
        spec={
            "type": "ClusterIP",
            "internalTrafficPolicy": "Local",
            "selector": dict(LABELS),
            "ports": [{"name": "outgoing", "port": OUTGOING}],
        },
        opts=opts,
    )


def daemon_set(
    routing: Routing,
    image: str,
    kubectl_image: str,
    memory: Memory,
    mounted: Mounted,
    is_leaving: bool,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> k8s.apps.v1.DaemonSet:
    """The DaemonSet `l5d`, with its account, its config, and its service inside the cluster.

    `after` are what must be up before the DaemonSet is touched. With `is_leaving` linkerds find one
    another until the last has stopped, so that the next update may delete them all at once.
    """
    namespace = routing.namespace
    account = k8s.core.v1.ServiceAccount(
        "l5d", metadata={"name": "l5d", "namespace": namespace}, opts=opts
    )
    text = workload.config_text(routers.node_config(routing))
    config_map = k8s.core.v1.ConfigMap(
        "l5d-config",
        metadata={"name": "l5d-config", "namespace": namespace},
        data={workload.CONFIG_FILE: text},
        opts=opts,
    )
    # linkerd finds its peers by this service, so that comes before it and goes after it.
    peers = _internal_service(routing, is_leaving, opts)
    first = pulumi.ResourceOptions(depends_on=[account, config_map, peers, *after])
    return k8s.apps.v1.DaemonSet(
        "l5d",
        metadata={"name": "l5d", "namespace": namespace},
        spec=_spec(routing, text, image, kubectl_image, memory, mounted),
        opts=pulumi.ResourceOptions.merge(opts, first),
    )


def _spec(
    routing: Routing,
    config: str,
    image: str,
    kubectl_image: str,
    memory: Memory,
    mounted: Mounted,
) -> Any:
    containers = [
        container(image, routers.node_ports(routing.way), memory, mounted),
        kubectl_proxy.container(kubectl_image),
    ]
    volumes = [kubectl_proxy.volume(), *mounted.volumes]
    return {
        "selector": {"matchLabels": dict(LABELS)},
        "minReadySeconds": workload.MIN_READY_SECONDS,
        # Two of them are on a node for a while: the former one stops once the new one is ready.
        "updateStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
        "template": workload.pod_template(
            LABELS, "l5d", "l5d-config", config, containers, volumes, mounted.annotations
        ),
    }


def container(
    image: str, ports: Mapping[str, int], memory: Memory, mounted: Mounted
) -> dict[str, Any]:
    """The container spec of a linkerd."""
    found = workload.container("l5d", image, ports, ADMIN, memory)
    found["args"] = [WINDOW_FLAG, *found["args"]]
    found["volumeMounts"] += mounted.mounts
    return found


def _internal_service(
    routing: Routing, lists_all: bool, opts: pulumi.ResourceOptions
) -> k8s.core.v1.Service:
    ports = routers.node_ports(routing.way)
    del ports["external"]  # which has a service of its own
    metadata: Any = {
        "name": routers.PEERS,
        "namespace": routing.namespace,
        "labels": dict(LABELS),
        "annotations": dict(NOT_AWAITED),
    }
    return k8s.core.v1.Service(
        routers.PEERS,
        metadata=metadata,
        spec={
            "type": "ClusterIP",
            # Endpoints else lose all pods of a DaemonSet the moment that it is deleted. They go on
            # for some seconds, by connections that clients keep, and would reach no other.
            **({"publishNotReadyAddresses": True} if lists_all else {}),
            "selector": dict(LABELS),
            "ports": [{"name": name, "port": port} for name, port in ports.items()],
        },
        opts=opts,
    )
