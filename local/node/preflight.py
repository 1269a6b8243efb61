"""What is checked before anything is started: one clear line for what cannot work."""

import os
import shutil
import sys
from pathlib import Path

from local.errors import LocalError
from local.paths import CACHE, LOCAL, PYTHON, ROOT

DISK_NEEDED = 2 << 30
"""Bytes: images, etcd and logs of a first start, and what kubelet wants to see free (200 MiB)."""

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


def check_disk() -> None:
    """Raise a LocalError where a node would start and soon be short of disk."""
    LOCAL.mkdir(exist_ok=True)
    free = shutil.disk_usage(LOCAL).free
    if free < DISK_NEEDED:
        raise LocalError(
            f"{LOCAL} has {free / 2**30:.1f} GiB free; "
            f"the node needs {DISK_NEEDED / 2**30:.0f} GiB there"
        )
