"""A network for nodes that neither this machine nor another clone uses."""

import random
import socket
from contextlib import suppress

from local.errors import LocalError
from local.node.network import API_PORT, Network, refuse_conflicts

_PRIVATE = [
    *(f"10.{second}.0.0/16" for second in range(256)),
    *(f"172.{second}.0.0/16" for second in range(16, 32)),
    *(f"100.{second}.0.0/16" for second in range(64, 128)),
]


def free_network(*kept: Network) -> Network:
    """A private one, chosen at random: two test runs hardly ever take the same.

    It is none of `kept`, whose nodes may be down at the moment.
    """
    for text in random.SystemRandom().sample(_PRIVATE, len(_PRIVATE)):
        network = Network.of(text)
        if network in kept:
            continue
        with suppress(LocalError, OSError):
            refuse_conflicts(network)
            socket.create_server((str(network.api), API_PORT)).close()
            return network
    raise AssertionError("every private network is in use on this machine")
