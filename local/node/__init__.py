"""A real one-node Kubernetes in namespaces of its own.

`up` starts it or does what is missing, `down` ends it without a trace; its data stays in
.local/node. Everything raises LocalError with one clear line when it cannot go on.
"""

from local.binaries import KUBERNETES_VERSION
from local.node.contact import enter, image_names, load, running, status
from local.node.identity import NODE_NAME
from local.node.lifecycle import check, down, own_network, up

__all__ = [
    "KUBERNETES_VERSION",
    "NODE_NAME",
    "check",
    "down",
    "enter",
    "image_names",
    "load",
    "own_network",
    "running",
    "status",
    "up",
]
