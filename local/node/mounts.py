"""What a node sees of the file system: this machine's, with its own data over it.

Everything here is done in the node's private mount namespace, and gone with it.
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from local.errors import LocalError
from local.node.commands import said_by
from local.node.identity import FIRST, IMAGES, SCRATCH, Node

COVERED = ("/etc", "/opt", "/usr", "/var")
"""What the node writes under these, beside its data, goes to memory and never to this machine."""

DATA = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "kubernetes": "/etc/kubernetes",
    "log": "/var/log",
}
"""Folders of a node's data by where it has them. Short paths: a unix socket's has 107 bytes."""

DATA_OF_FIRST = {"etcd": "/var/lib/etcd", IMAGES.name: "/var/lib/registry"}
"""What only the first node has."""

KERNEL_SETTINGS = {
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}
"""What kubelet sets for the whole machine unless it finds it so (its container_manager_linux.go).

The node shows it these values, so that it leaves the machine's own alone.
"""


def data_of(node: Node) -> dict[str, str]:
    """The folders of a node's data by where it has them."""
    return DATA | DATA_OF_FIRST if node == FIRST else DATA


def set_up(node: Node, folders: Mapping[str, Path], machine_network: int) -> None:
    """Mount everything.

    `folders` are `packages`, the unpacked Debian ones, `programs`, those of Kubernetes, `image`,
    that of the image tool, and `policies`, that of the policy engine; `machine_network` is an open
    file of this machine's network namespace.
    """
    _mount("-t", "tmpfs", "-o", "mode=755", "node", "/run")
    for name in ("lock", "tmp", "cni", "overlay"):
        (Path("/run") / name).mkdir()
    # By short paths without colons or commas, which mean something in an overlay's options.
    for name, folder in {**folders, "state": node.state}.items():
        bind(folder, SCRATCH / name)
    if node == FIRST:
        shown = SCRATCH / "machine-network"
        shown.touch()
        _mount("--bind", f"/proc/{os.getpid()}/fd/{machine_network}", str(shown))
    _try_overlay(SCRATCH / "state", node.state)
    for top in COVERED:
        if Path(top).is_dir():
            _cover(Path(top), [SCRATCH / "packages" / "usr"] if top == "/usr" else [])
    for name, target in data_of(node).items():
        bind(SCRATCH / "state" / name, Path(target))
    # Which pod has which address: that of an earlier run means nothing.
    bind(Path("/run/cni"), Path("/var/lib/cni"))
    for name, value in KERNEL_SETTINGS.items():
        shown = SCRATCH / "settings" / name
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(value)
        _mount("--bind", str(shown), f"/proc/sys/{name}")
    _mount("--make-rshared", "/")


def _cover(top: Path, over: list[Path]) -> None:
    """Lay an overlay on a folder: `over` on top of it, and writes into memory."""
    inner = mounts_below(top)
    below = SCRATCH / "below" / top.name
    bind(top, below, recursive=True)
    layer = Path("/run/overlay") / top.name
    (layer / "work").mkdir(parents=True)
    (layer / "upper").mkdir()
    lower = ":".join(str(folder) for folder in [*over, below])
    options = f"lowerdir={lower},upperdir={layer}/upper,workdir={layer}/work"
    _mount("-t", "overlay", "-o", options, "node", str(top))
    for mount in inner:  # an overlay shows nothing of what is mounted below it
        _mount("--rbind", str(below / mount.relative_to(top)), str(mount))


def mounts_below(top: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> list[Path]:
    """The outermost mount points below a folder."""
    points = {_unescaped(line.split()[4]) for line in mountinfo.read_bytes().splitlines()}
    below = {point for point in points if top in point.parents}
    return sorted(point for point in below if not below & set(point.parents))


def _unescaped(field: bytes) -> Path:
    """A path of proc(5)'s mountinfo, which has blanks and backslashes as three octal digits."""
    plain = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), field)
    return Path(os.fsdecode(plain))


def _try_overlay(folder: Path, shown_as: Path) -> None:
    """containerd lays containers' files out as overlays in the data folder: can it?"""
    layers = {name: folder / ".overlay" / name for name in ("lower", "upper", "work", "merged")}
    for layer in layers.values():
        layer.mkdir(parents=True, exist_ok=True)
    options = ",".join(f"{name}dir={layers[name]}" for name in ("lower", "upper", "work"))
    try:
        _mount("-t", "overlay", "-o", options, "node", str(layers["merged"]))
    except LocalError as error:
        raise LocalError(
            f"{shown_as} cannot hold overlay mounts, as containers need ({error}): "
            "put the clone on an ordinary file system such as ext4 or xfs"
        ) from None
    said_by(["umount", layers["merged"]])
    shutil.rmtree(folder / ".overlay")


def bind(source: Path, target: Path, *, recursive: bool = False) -> None:
    """Show a folder in a second place."""
    target.mkdir(parents=True, exist_ok=True)
    _mount("--rbind" if recursive else "--bind", str(source), str(target))


def _mount(*arguments: str) -> None:
    said_by(["mount", *arguments])
