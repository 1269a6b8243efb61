"""Where requests from outside enter the mesh, and the URL that they use."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from mesh import dns, nodes

NAME = "l5d-external"


def service(
    namespace: str,
    labels: Mapping[str, str],
    target: int,
    exposure: str,
    source_ranges: pulumi.Input[Sequence[str]],
    opts: pulumi.ResourceOptions,
) -> k8s.core.v1.Service:
    """The service `l5d-external` in front of the pods of these labels, on port 80."""
    spec: Any = {
        "type": exposure,
        "selector": dict(labels),
        "ports": [{"name": "http", "port": 80, "targetPort": target}],
    }
    if source_ranges and exposure == "LoadBalancer":
        spec["loadBalancerSourceRanges"] = pulumi.Output.from_input(source_ranges).apply(list)
    metadata: Any = {"name": NAME, "namespace": namespace, "labels": dict(labels)}
    return k8s.core.v1.Service(NAME, metadata=metadata, spec=spec, opts=opts)


def url(
    namespace: str,
    cluster_domain: str,
    labels: Mapping[str, str],
    exposed: k8s.core.v1.Service,
    exposure: str,
    kubeconfig: pulumi.Input[str],
    node_address: pulumi.Input[str],
) -> pulumi.Output[str]:
    """Where the service answers.

    A NodePort's is at `node_address`, or where that is empty at a node that the cluster is asked
    for, once it has linkerd's pods.
    """
    if exposure == "LoadBalancer":
        return exposed.status.apply(lambda status: _of_balancer(namespace, status))
    if exposure == "ClusterIP":
        return pulumi.Output.from_input(f"http://{dns.service(NAME, namespace, cluster_domain)}")
    port = exposed.spec.apply(_node_port)
    if node_address:
        return pulumi.Output.all(port, node_address).apply(
            lambda known: f"http://{_host(known[1])}:{known[0]}"
        )
    asked = pulumi.Output.all(port, kubeconfig).apply(
        lambda known: _of_node(namespace, labels, *known)
    )
    return pulumi.Output.unsecret(asked)


def _node_port(spec: Mapping[str, Any]) -> Any:
    """The port on every node; a preview does not know it before the service is there."""
    return spec["ports"][0].get("node_port", pulumi.UNKNOWN)


def _of_balancer(namespace: str, status: Mapping[str, Any] | None) -> Any:
    ingress = ((status or {}).get("load_balancer") or {}).get("ingress") or []
    if not ingress:
        return _not_known(
            f"service {namespace}/{NAME} has no address from a load balancer: see `kubectl -n "
            f"{namespace} describe service {NAME}`, or set exposure to NodePort or ClusterIP"
        )
    return f"http://{_host(ingress[0].get('ip') or ingress[0]['hostname'])}"


def _of_node(namespace: str, labels: Mapping[str, str], port: int, kubeconfig: str) -> Any:
    try:
        return f"http://{_host(nodes.address(kubeconfig, namespace, labels))}:{port}"
    except nodes.NodeAddressError as error:
        return _not_known(
            f"the address of a node is not known: {error}; name one with `pulumi config set "
            "nodeAddress …`"
        )


def _not_known(reason: str) -> Any:
    """A preview goes on without a URL; an update has one or says why not."""
    if not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(f"url: {reason}")
    pulumi.log.warn(f"url: {reason}")
    return pulumi.UNKNOWN


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
