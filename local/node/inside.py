"""A node's process 1: makes it a place of its own, then becomes supervisord.

Run by `local.node.lifecycle` in fresh namespaces, as
`python -m local.node.inside NUMBER NETWORK MACHINE_NETWORK NAME=FOLDER …` (see `mounts.set_up`).
It says `ready` on standard output when it wants its network, and goes on when its standard input
ends. What goes wrong is one line on standard error, the last of node.log.
"""

import os
import socket
import sys
from pathlib import Path

from local.errors import LocalError
from local.node import cgroups, mounts, network
from local.node.commands import said_by
from local.node.identity import ENVIRONMENT, NODES, SUPERVISOR_CONFIG
from local.paths import PYTHON

SUPERVISORD = [str(PYTHON), "-m", "supervisor.supervisord", "-c", SUPERVISOR_CONFIG]


def main(number: str, addresses: str, machine_network: str, *folders: str) -> None:
    """Set the node up and become supervisord."""
    # Of root's own pods could not read what containerd and kubelet write for them, a resolv.conf
    # first of all. What is private is in folders that are root's alone.
    os.umask(0o022)
    node = NODES[int(number) - 1]
    cgroups.join(node.name)
    named = dict(folder.split("=", 1) for folder in folders)
    mounts.set_up(node, {name: Path(path) for name, path in named.items()}, int(machine_network))
    os.close(int(machine_network))
    socket.sethostname(node.name)
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    _try_firewall()
    print("ready", flush=True)
    sys.stdin.read()
    network.set_up(network.Network.of(addresses), node)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(2):
        os.dup2(nowhere, stream)
    os.chdir("/")
    os.execv(SUPERVISORD[0], SUPERVISORD)  # noqa: S606


def _try_firewall() -> None:
    """kube-proxy and hostPorts are nftables' work: does the kernel know what they need?"""
    rules = "type nat hook postrouting priority 100; ct state new masquerade;"
    shown_as = "nftables with NAT, which this kernel must have"
    said_by(["nft", "--check", f"table ip check {{ chain nat {{ {rules} }}; }}"], shown_as=shown_as)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (LocalError, OSError) as error:
        sys.exit(str(error))
