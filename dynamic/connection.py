"""How namerd is reached: by a URL, or through a Kubernetes API server's service proxy."""

from collections.abc import Iterator
from contextlib import contextmanager

from dynamic.client import UP_SECONDS, Client
from dynamic.inputs import Target
from kube.connection import to_cluster, to_url


@contextmanager
def connected(target: Target, up_seconds: float = UP_SECONDS) -> Iterator[Client]:
    """A client of namerd for one operation. Nothing is sent yet.

    Raises KubeconfigError.
    """
    if target.url is not None:
        with to_url(target.url, f"namerd at {target.url}") as connection:
            yield Client(connection, "/api/1", connection.where, up_seconds)
        return
    namespace, _, name = str(target.service).partition("/")
    with to_cluster(target.kubeconfig, target.context) as connection:
        yield Client(
            connection,
            f"/api/v1/namespaces/{namespace}/services/{name}:http/proxy/api/1",
            f"namerd (service {target.service} of {connection.where})",
            up_seconds,
            kubernetes_namespace=namespace,
        )
