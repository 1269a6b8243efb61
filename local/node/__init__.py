"""A real Kubernetes of one to five nodes, each in namespaces of its own.

`up` starts it or does what is missing, `down` ends it without a trace; its data stays in
.local/node. Everything raises LocalError with one clear line when it cannot go on.
"""

import requests

from local.binaries import KUBERNETES_VERSION
from local.node import reach
from local.node.contact import enter, forget, image_names, load, running, status
from local.node.identity import NODE_NAME, NODES, Node
from local.node.lifecycle import check, down, nodes, start, stop, up
from local.node.records import own_network

__all__ = [
    "KUBERNETES_VERSION",
    "NODES",
    "NODE_NAME",
    "Node",
    "check",
    "down",
    "enter",
    "forget",
    "image_names",
    "load",
    "nodes",
    "own_network",
    "running",
    "session",
    "start",
    "status",
    "stop",
    "up",
]


def session() -> requests.Session:
    """A session for requests to the nodes' addresses; nothing leaves where no node is up."""
    return reach.session(own_network())
