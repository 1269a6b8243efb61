"""The names that a cluster's DNS has for its services."""

CLUSTER_DOMAIN = "cluster.local"
"""The domain of nearly every cluster: `clusterDomain` of the kubelet, `dnsDomain` of kubeadm."""


def service(name: str, namespace: str, cluster_domain: str) -> str:
    """A service's whole name, without the dot at its end."""
    return f"{name}.{domains(namespace, cluster_domain)[-1]}"


def domains(namespace: str, cluster_domain: str) -> tuple[str, ...]:
    """What may stand behind a service's name for its namespace, the shortest first."""
    return namespace, f"{namespace}.svc", f"{namespace}.svc.{cluster_domain}"
