"""What of the mesh may be reached from outside, and from where."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from policy.rule import (
    Options,
    Rule,
    Secret,
    Seen,
    Unknown,
    at,
    items,
    judged,
    object_type,
    shown,
)

_SERVICE = "kubernetes:core/v1:Service"
_INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"

_ADMIN_PORTS = (9990, 9991)
"""linkerd's admin page and namerd's; neither asks who calls."""

_INTERNAL = {
    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
    "networking.gke.io/load-balancer-type": "Internal",
}
"""The annotations by which a cloud's load balancer gets a private address."""

_RANGES = (
    "service.beta.kubernetes.io/azure-allowed-ip-ranges",
    "service.beta.kubernetes.io/load-balancer-source-ranges",
)
"""Annotations that do what `loadBalancerSourceRanges` does; a text with commas."""


def _is_public_balancer(service: Seen) -> bool:
    annotations = service.at("metadata", "annotations")
    internal = any(judged(at(annotations, key)) == value for key, value in _INTERNAL.items())
    return judged(service.at("spec", "type")) == "LoadBalancer" and not internal


def _admin_violations(seen: Seen, _: Options) -> Iterator[str]:
    is_ingress = object_type(seen.type) == _INGRESS
    yield from _of_an_ingress(seen) if is_ingress else _of_a_service(seen)


def _of_a_service(service: Seen) -> Iterator[str]:
    by = _public_way(service)
    if by is None:
        return
    names = _names(service)
    for port in items(service.at("spec", "ports")):
        numbers = (at(port, "port"), at(port, "targetPort"))
        what = _private(names, numbers, (at(port, "name"), at(port, "targetPort")))
        if what:
            yield (
                f"port {shown(numbers[0])} gives {what} a public address by {by}: anyone who "
                "finds it can use it; make the service ClusterIP and reach it by "
                "`kubectl port-forward` or the API server's service proxy"
            )


def _public_way(service: Seen) -> str | None:
    if _is_public_balancer(service):
        return "a load balancer"
    if judged(service.at("spec", "type")) == "NodePort":
        return "the nodes' addresses"
    return "externalIPs" if items(service.at("spec", "externalIPs")) else None


def _names(service: Seen) -> set[str]:
    selector = judged(service.at("spec", "selector"))
    values = selector.values() if isinstance(selector, Mapping) else ()
    names = map(judged, (service.at("metadata", "name"), *values))
    return {text for text in names if isinstance(text, str)}


def _private(names: set[str], numbers: Iterable[Any], port_names: Iterable[Any]) -> str | None:
    if "namerd" in names:
        return "namerd"
    if any(judged(number) in _ADMIN_PORTS for number in numbers):
        return "an admin page"
    if names & {"l5d", "linkerd"} and "admin" in map(judged, port_names):
        return "linkerd's admin page"
    return None


def _of_an_ingress(ingress: Seen) -> Iterator[str]:
    for backend in _backends(ingress):
        name, port = at(backend, "service", "name"), at(backend, "service", "port")
        what = _private({str(judged(name))}, [at(port, "number")], [at(port, "name")])
        if what:
            yield (
                f"it publishes {what} by service {shown(name)}: take that backend out and reach "
                "it by `kubectl port-forward`"
            )


def _backends(ingress: Seen) -> Iterator[Any]:
    yield ingress.at("spec", "defaultBackend")
    for rule in items(ingress.at("spec", "rules")):
        for path in items(at(rule, "http", "paths")):
            yield at(path, "backend")


def _range_violations(service: Seen, options: Options) -> Iterator[str]:
    if service.stack in options.get("devStacks", ["dev", "local"]):
        return
    ranges = _ranges(service)
    if not _is_public_balancer(service) or Unknown() in ranges:
        return
    if not ranges:
        yield (
            "its load balancer lets every address in: set loadBalancerSourceRanges (here: "
            "`pulumi config set --path 'sourceRanges[0]' 203.0.113.0/24`)"
        )
    for text in everything(ranges):
        yield f"its load balancer lets every address in, by {text}: name who may call"


def _ranges(service: Seen) -> list[Any]:
    found = service.at("spec", "loadBalancerSourceRanges")
    listed = [found] if isinstance(found, Unknown) else list(items(found))
    for key in _RANGES:
        text = service.at("metadata", "annotations", key)
        if isinstance(text, (Unknown, Secret)):
            listed.append(text)
        elif isinstance(text, str):
            listed += filter(None, map(str.strip, text.split(",")))
    return listed


def everything(ranges: Sequence[Any]) -> Iterator[str]:
    """What a message may say of the ranges that hold every address, each by itself or together."""
    found = [each for each in ranges if _leaves_none_out([each])]
    if found:
        yield from map(shown, found)
    elif _leaves_none_out(ranges):
        yield " and ".join(map(shown, ranges))


def _leaves_none_out(ranges: Iterable[Any]) -> bool:
    networks: dict[int, list[Any]] = {4: [], 6: []}
    for text in ranges:
        with suppress(ValueError):
            network = ipaddress.ip_network(str(judged(text)), strict=False)
            networks[network.version].append(network)
    return any(
        network.prefixlen == 0
        for each in networks.values()
        for network in ipaddress.collapse_addresses(each)
    )


PRIVATE_ADMIN = Rule(
    name="private-admin",
    description="namerd and linkerd's admin page have no public address.",
    types=lambda type_: object_type(type_) in (_SERVICE, _INGRESS),
    violations=_admin_violations,
)

SOURCE_RANGES = Rule(
    name="source-ranges",
    description="A public load balancer says who may call, except on stacks for development.",
    types=lambda type_: object_type(type_) == _SERVICE,
    violations=_range_violations,
    options={
        "devStacks": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The stacks that may be open to all; dev and local by default.",
        }
    },
)
