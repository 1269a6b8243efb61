"""What this clone's nodes are called, where their data lies, and what their processes get."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from local.paths import LOCAL, ROOT

ID = hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]
"""Of the clone's path: tells its nodes from another clone's, even with `.local` deleted."""

STATE = LOCAL / "node"
"""All of the nodes' data: etcd, containerd, kubelet, certificates, configuration, logs."""

IMAGES = STATE / "images"
"""The images that the nodes can run, as an OCI layout: what the registry serves."""

NODE_NAME = "local-node"

MOST_NODES = 5


@dataclass(frozen=True)
class Node:
    """One node, by its number from 1; the first one is the control plane too."""

    number: int

    @property
    def name(self) -> str:
        """The node's name in Kubernetes, and that of its control groups."""
        return NODE_NAME if self.number == 1 else f"{NODE_NAME}-{self.number}"

    @property
    def state(self) -> Path:
        """The folder of the node's own data."""
        return STATE if self.number == 1 else STATE / "nodes" / self.name

    @property
    def logs(self) -> Path:
        """A log a component."""
        return self.state / "log"

    @property
    def kubernetes(self) -> Path:
        """What the node sees as /etc/kubernetes."""
        return self.state / "kubernetes"


NODES = tuple(Node(number) for number in range(1, MOST_NODES + 1))
"""Every node that there can be."""

FIRST = NODES[0]
KUBERNETES = FIRST.kubernetes

SCRATCH = Path("/run/node")
"""In a node's own /run: what its mounts are made of (mounts.py)."""

ENVIRONMENT = {
    "PATH": f"{SCRATCH}/programs:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "TMPDIR": "/run/tmp",
}
"""All that a node's processes get of one; a proxy set outside must not reach them."""

SUPERVISOR_CONFIG = "/etc/kubernetes/supervisord.conf"
