"""A node's mounts and this machine's, without a node: root only."""

import subprocess
from pathlib import Path

from local.node.processes import NAMESPACES

MACHINE = """
set -eu
mount --make-rprivate / && mount --make-rshared /
cd "$1" && shift
mkdir disk inside && mkfifo ready go
mount -t tmpfs disk disk
"$@" >seen &
read -r _ <ready
! grep -q "$PWD/inside" /proc/self/mountinfo
umount disk
echo >go
wait
"""
"""A machine whose mounts are shared, as systemd makes them, and which unmounts a disk."""

NODE = """
mount -t tmpfs inside inside
echo >ready
read -r _ <go
grep -c -e "$PWD/disk" -e "$PWD/inside" /proc/self/mountinfo
"""
"""What a node's process 1 does; it counts both of these mounts."""


def test_a_node_mounts_nothing_here_and_keeps_no_disk_that_is_unmounted(tmp_path: Path) -> None:
    node = ["unshare", *NAMESPACES, "sh", "-c", NODE]
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", MACHINE, "sh", tmp_path, *node], check=True, timeout=120
    )
    assert (tmp_path / "seen").read_text() == "1\n"
