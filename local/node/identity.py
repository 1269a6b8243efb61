"""What this clone's node is called, where its data lies, and what its processes are given."""

import hashlib
from pathlib import Path

from local.paths import LOCAL, ROOT

ID = hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]
"""Of the clone's path: tells its node from another clone's, even with `.local` deleted."""

STATE = LOCAL / "node"
"""All of the node's data: etcd, containerd, kubelet, certificates, configuration, logs."""

LOGS = STATE / "log"
KUBERNETES = STATE / "kubernetes"
"""What the node sees as /etc/kubernetes."""

NODE_NAME = "local-node"

SCRATCH = Path("/run/node")
"""In the node's own /run: what its mounts are made of (mounts.py)."""

ENVIRONMENT = {
    "PATH": f"{SCRATCH}/programs:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "TMPDIR": "/run/tmp",
}
"""All that the node's processes get of one; a proxy set outside must not reach them."""

SUPERVISOR_CONFIG = "/etc/kubernetes/supervisord.conf"
