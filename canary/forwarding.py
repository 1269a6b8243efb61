"""Connections to pods' ports by way of the API server, as `kubectl port-forward` has them."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client, config, stream
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

from canary.errors import CanaryError


@contextmanager
def forwarder(kubeconfig: str | None, context: str | None) -> Iterator["Forwarder"]:
    """Connections with a kubeconfig's credentials. Raises CanaryError."""
    new_client: Any = config.new_client_from_config
    try:
        made = new_client(kubeconfig, context)
    except (ConfigException, OSError) as error:
        raise CanaryError(f"the kubeconfig cannot be used: {error}") from None
    with made as api_client:
        yield Forwarder(client.CoreV1Api(api_client))


class Forwarder:
    """Opens connections to pods."""

    def __init__(self, api: Any) -> None:
        self._api = api

    @contextmanager
    def connection(self, namespace: str, pod: str, port: int) -> Iterator[socket.socket]:
        """A connection to a port of a pod. Raises CanaryError where the cluster lets none through.

        Where nothing listens there, it ends without a byte.
        """
        connect = self._api.connect_get_namespaced_pod_portforward
        try:
            forwarded = stream.portforward(connect, pod, namespace, ports=str(port))
        except ApiException as error:
            reason = " ".join(str(error.reason).split())[:200]
            raise CanaryError(
                f"pod {namespace}/{pod}: no connection to port {port} ({reason}); it takes the "
                "right to create pods/portforward"
            ) from None
        found = forwarded.socket(port)
        try:
            yield found
        finally:
            found.close()
