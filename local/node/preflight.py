"""What is checked before anything is started: one clear line for what cannot work."""

import os
import shutil
import socket
import sys
from pathlib import Path

from local.errors import LocalError
from local.node.network import API_PORT, Network
from local.paths import CACHE, PYTHON, ROOT

TOOLS = {
    "ip": "iproute2",
    "mount": "mount",
    "umount": "mount",
    "nsenter": "util-linux",
    "setsid": "util-linux",
    "unshare": "util-linux",
}
"""Programs of the machine that the node is started with, and their packages."""


def check() -> None:
    """Raise a LocalError for the first thing that makes a node impossible here."""
    check_tools()
    for folder in (ROOT, CACHE, PYTHON.resolve()):
        if Path("/run") in folder.parents:
            raise LocalError(f"{folder} lies under /run, which the node has of its own: move it")


def check_tools() -> None:
    """Raise a LocalError where the node could not even be ended."""
    if not sys.platform.startswith("linux"):
        raise LocalError(f"the local node needs Linux; this is {sys.platform}")
    if os.geteuid() != 0:
        raise LocalError("the local node needs root: run it as root or with sudo")
    # `su` without a dash leaves root without them.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise LocalError(f"no `{tool}` here: `apt-get install {package}`")


def check_api_address(network: Network) -> None:
    """Raise a LocalError where something else has the API server's address on loopback."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((str(network.api), API_PORT))
        except OSError as error:
            raise LocalError(
                f"the API server cannot listen on {network.api}:{API_PORT} on this machine "
                f"({error.strerror}): `ss -ltnp` shows what does"
            ) from None
