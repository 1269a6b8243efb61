"""Connections to pods' ports by way of the API server, as `kubectl port-forward` has them."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import yaml
from kubernetes import client, config, stream
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from requests.utils import get_auth_from_url

from canary.errors import CanaryError
from kube.connection import environment_proxies
from kube.errors import OneLineError

_EVERY_HOST, _NO_HOST = "*", "-"
"""Of the hosts that a proxy is not for; an empty list would be replaced by the environment's."""


@contextmanager
def forwarder(kubeconfig: str | None, context: str | None) -> Iterator["Forwarder"]:
    """Connections with the credentials of a kubeconfig's file. Raises CanaryError."""
    with _forwarder(config.new_client_from_config, kubeconfig, context) as found:
        yield found


@contextmanager
def forwarder_of(kubeconfig: str | None, context: str | None) -> Iterator["Forwarder"]:
    """The same, of a kubeconfig's text; None for the ambient one. Raises CanaryError."""
    if kubeconfig is None:
        with forwarder(None, context) as found:
            yield found
        return
    parsed = yaml.safe_load(kubeconfig)
    with _forwarder(config.new_client_from_config_dict, parsed, context) as found:
        yield found


@contextmanager
def _forwarder(new_client: Any, given: Any, context: str | None) -> Iterator["Forwarder"]:
    # Left to itself, the client takes ALL_PROXY, as kubectl does not.
    configuration = client.Configuration()
    configuration.proxy = None
    try:
        made = new_client(given, context, client_configuration=configuration)
        _set_proxy(configuration)
    except (ConfigException, OSError, OneLineError) as error:
        raise CanaryError(f"the kubeconfig cannot be used: {error}") from None
    with made as api_client:
        yield Forwarder(client.CoreV1Api(api_client))


def _set_proxy(configuration: Any) -> None:
    """The proxy that other requests take: the kubeconfig's, the environment's, or none.

    Wherever it is left a choice, websocket-client reads the environment itself, by other rules. So
    it always gets a proxy, and which hosts it is not for: none, or all. Raises InputError.
    """
    host = configuration.host
    proxy = configuration.proxy or environment_proxies(host).get(urlsplit(host).scheme)
    configuration.proxy = proxy or host
    configuration.no_proxy = _NO_HOST if proxy else _EVERY_HOST
    user, password = get_auth_from_url(proxy or "")
    if user:  # which the client does not take from the URL
        words = base64.b64encode(f"{user}:{password}".encode()).decode()
        configuration.proxy_headers = {"proxy-authorization": f"Basic {words}"}


class Forwarder:
    """Opens connections to pods."""

    def __init__(self, api: Any) -> None:
        self._api = api
        # The client changes itself for as long as it opens one.
        self._opening = threading.Lock()

    @contextmanager
    def connection(self, namespace: str, pod: str, port: int) -> Iterator[socket.socket]:
        """A connection to a port of a pod. Raises CanaryError where the cluster lets none through.

        Where nothing listens there, it ends without a byte.
        """
        connect = self._api.connect_get_namespaced_pod_portforward
        try:
            with self._opening:
                forwarded = stream.portforward(connect, pod, namespace, ports=str(port))
        except ApiException as error:
            # Without the answer's headers, which the websocket's client tells too.
            reason = " ".join(str(error.reason).partition(" -+-+- ")[0].split())[:200]
            # The client has no status of a refused websocket but in this text.
            denied = "; grant get and create on pods/portforward" if " 403 " in reason else ""
            raise CanaryError(
                f"pod {namespace}/{pod}: no connection to port {port} ({reason}){denied}"
            ) from None
        found = forwarded.socket(port)
        try:
            yield found
        finally:
            found.close()
