"""The linkerds that run, and how each speaks with others, by the annotations of their pods."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kube.api import Api
from kube.connection import to_cluster
from kube.errors import OneLineError
from mesh import tls
from mesh.tls import Way

CONTAINER = "l5d"
"""What linkerd's container is called, on a node of its own or beside an app."""


@dataclass(frozen=True)
class Linkerd:
    """A pod with a linkerd in it."""

    namespace: str
    name: str
    annotations: Mapping[str, str]
    secret: str
    """The Secret of its certificates; "" for none."""
    ports: frozenset[int]
    """Those that it declares."""
    stands_still: str = ""
    """Why its container does not run, in Kubernetes' words; "" where it does, or nobody knows."""

    @property
    def way(self) -> Way:
        """How it speaks with others. Raises ValueError for an annotation of another release."""
        return Way.of_annotation(self.annotations.get(tls.ANNOTATION, ""))

    @property
    def authorities(self) -> str:
        """The project's own authorities that it goes by; "" for none."""
        return self.annotations.get(tls.AUTHORITIES_ANNOTATION, "")

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def linkerds(kubeconfig: str, namespaces: Collection[str]) -> list[Linkerd]:
    """All that run in these namespaces.

    None where the cluster does not tell, or not this user: who cannot read there will hear so from
    what is made next.
    """
    try:
        with to_cluster(kubeconfig) as connection:
            return list(listed(Api(connection), namespaces))
    except OneLineError:
        return []


def listed(api_server: Api, namespaces: Collection[str]) -> Iterator[Linkerd]:
    """All that run in these namespaces, by an API server. Raises OneLineError."""
    for namespace in sorted(set(namespaces)):
        for pod in filter(_runs_linkerd, pods(api_server, namespace)):
            metadata = pod["metadata"]
            annotations = metadata.get("annotations") or {}
            yield Linkerd(
                namespace=namespace,
                name=metadata["name"],
                annotations=annotations,
                secret=_secret(pod),
                ports=_ports(pod),
                stands_still=_stands_still(pod),
            )


def pods(api_server: Api, namespace: str) -> list[dict[str, Any]]:
    """All pods of a namespace, whatever they run. Raises OneLineError."""
    answer = api_server.get(f"/api/v1/namespaces/{namespace}/pods", right="list on pods")
    found = api_server.parsed(answer) if answer.status == 200 else {}
    return list(found.get("items") or [])


def _secret(pod: Mapping[str, Any]) -> str:
    volumes = pod["spec"].get("volumes") or []
    named = [each["secret"]["secretName"] for each in volumes if each["name"] == tls.VOLUME]
    return named[0] if named else ""


def _ports(pod: Mapping[str, Any]) -> frozenset[int]:
    listed = [each.get("ports") or [] for each in _linkerds(pod)]
    return frozenset(port["containerPort"] for ports in listed for port in ports)


def _stands_still(pod: Mapping[str, Any]) -> str:
    status = pod.get("status") or {}
    containers = [
        each
        for kind in ("containerStatuses", "initContainerStatuses")
        for each in status.get(kind) or []
        if each["name"] == CONTAINER
    ]
    states: Mapping[str, Any] = (containers[0].get("state") or {}) if containers else {}
    if "running" in states:
        return ""
    reasons = [each["reason"] for each in states.values() if each and each.get("reason")]
    phase = status.get("phase", "")
    return str(reasons[0]) if reasons else ("" if phase == "Running" else phase)


def _linkerds(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    containers = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]
    return [each for each in containers if each["name"] == CONTAINER]


def _runs_linkerd(pod: Mapping[str, Any]) -> bool:
    """Whether it has one that others may meet; one that is going is gone before the next starts."""
    phase = (pod.get("status") or {}).get("phase")
    if "deletionTimestamp" in pod["metadata"] or phase in ("Succeeded", "Failed"):
        return False
    return bool(_linkerds(pod))


def named(pods: Collection[Linkerd]) -> str:
    """The first few by name, and how many more there are."""
    listed = sorted(map(str, pods))
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more
