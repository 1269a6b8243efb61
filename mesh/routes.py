"""The routing tables: how a name becomes a Kubernetes service.

A dtab is read from its last entry up: each `/prefix => destination` rewrites a name until it is one
of `/#/io.l5d.k8s/<namespace>/<port name>/<service>`, which namerd's Kubernetes namer looks up.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from dynamic import rewriters
from mesh import dns

if TYPE_CHECKING:
    from settings import Service

Splits: TypeAlias = dict[str, dict[str, float]]
"""Percents by branch by prefix."""

_TO_ENTRY = "/host"


def external(apps_namespace: str, entry: "Service") -> list[str]:
    """What comes from outside goes to one service, whatever host it asked for."""
    base = ["/svc/* => /host"]
    return base if entry.is_split else [f"{_TO_ENTRY} => {_of(apps_namespace)}/{entry.name}", *base]


def external_splits(apps_namespace: str, entry: "Service") -> Splits:
    """The split of what comes from outside, where the service it goes to has versions."""
    return {_TO_ENTRY: _branches(_of(apps_namespace), entry)} if entry.is_split else {}


def internal(apps_namespace: str, cluster_domain: str = dns.CLUSTER_DOMAIN) -> list[str]:
    """A service asks for another by its name; a split stands in for a name that has versions.

    A name is tried as it is first. Else it loses its port or its namespace, and is looked up again:
    so each spelling of a name comes by the same split.
    """
    domains = dns.domains(apps_namespace, cluster_domain)
    return [
        "/portless/* => /svc",
        f"/svc => {rewriters.PORT_FIRST}/portless",
        *(f"/svc => {rewriters.SUBDOMAIN}/{domain}/host" for domain in domains),
        f"/srv => {_of(apps_namespace)}",
        "/host => /srv",
        "/tmp => /srv",
        "/svc => /host",
    ]


def internal_splits(services: "Iterable[Service]") -> Splits:
    """The splits of services between their versions: `/srv/world-v1` 90, `/srv/world-v2` 10."""
    return {service.prefix: _branches("/srv", service) for service in services if service.is_split}


def external_baselines(apps_namespace: str, entry: "Service") -> dict[str, str]:
    """The branch by prefix that traffic may return to at any step: a service's first version."""
    return {_TO_ENTRY: f"{_of(apps_namespace)}/{entry.baseline}"} if entry.is_split else {}


def internal_baselines(services: "Iterable[Service]") -> dict[str, str]:
    """The same for the splits between services."""
    return {service.prefix: f"/srv/{service.baseline}" for service in services if service.is_split}


def _branches(base: str, service: "Service") -> dict[str, float]:
    return {f"{base}/{name}": percent for name, percent in service.weights.items()}


def _of(namespace: str) -> str:
    return f"/#/io.l5d.k8s/{namespace}/http"
