"""HTTP requests of this machine to addresses of the nodes.

They have the bridge's address as their source. While the bridge is not there nothing can be sent
from it, so no request to a node leaves by the machine's default route. And a node that has gone is
noticed within seconds, also by a request that waits for its answer.
"""

import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from local.node.network import Network

SECONDS = 5
"""How long a node may leave a packet or a keepalive probe unanswered. Its kernel answers those."""

IP_BIND_ADDRESS_NO_PORT = 24
"""Linux: the port is chosen when it connects, so it need be free towards that address only."""

_OPTIONS = (
    (socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SECONDS * 1000),
)


class _FromTheBridge(HTTPAdapter):
    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        options |= {"source_address": (self._source, 0), "socket_options": list(_OPTIONS)}
        super().init_poolmanager(*arguments, **options)


def session(network: Network) -> requests.Session:
    """A session whose requests to a network of nodes come from the bridge's address.

    None of its requests, whatever their address, asks a proxy.
    """
    made = requests.Session()
    made.trust_env = False
    first, second, _, _ = network.all.network_address.packed
    made.mount(f"http://{first}.{second}.", _FromTheBridge(str(network.host)))
    return made
