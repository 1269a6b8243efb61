"""The nodes' container runtime and firewall tools: Debian packages, unpacked and never installed.

Installing `containerd` would remove Docker's own `containerd.io` from a machine that has it. So
the packages are only unpacked, into the cache, and each node sees them over its own /usr.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from local.cache import built, run
from local.errors import LocalError
from local.progress import activity, say

WANTED = ("containerd", "runc", "containernetworking-plugins", "iptables", "nftables", "socat")

EVERYWHERE = ("bash", "coreutils", "dpkg", "libc6", "netbase", "util-linux")
"""What every Debian and Ubuntu has: these packages and what they need are not fetched again."""

LINKS = {
    f"usr/sbin/{name}": "xtables-nft-multi"
    for name in ("iptables", "iptables-save", "iptables-restore")
}
"""What the iptables package leaves to update-alternatives."""


def check() -> None:
    """Raise a LocalError where there are no Debian packages to be had."""
    for tool in ("apt-get", "apt-cache", "dpkg"):
        if shutil.which(tool) is None:
            raise LocalError(
                f"no `{tool}` here: the local nodes' container runtime comes as Debian or Ubuntu "
                "packages (any other cluster: platform `kubeconfig`, see README.md)"
            )


def unpacked() -> Path:
    """The folder whose `usr` holds the packages and the libraries they need."""
    check()
    release, architecture = _distribution(), _architecture()

    def make(folder: Path) -> None:
        _fetch(folder, WANTED, lambda: sorted(_needed_by(WANTED) - _needed_by(EVERYWHERE)))
        for link, target in LINKS.items():
            (folder / link).symlink_to(target)

    return built(f"debs-{release}", [release, architecture, *WANTED, *sorted(LINKS)], make)


def alone(package: str) -> Path:
    """The folder whose `usr` holds a package without what it depends on: for static programs."""
    check()
    release = _distribution()

    def make(folder: Path) -> None:
        _fetch(folder, (package,), lambda: [package])

    return built(f"deb-{package}-{release}", [release, _architecture()], make)


def _architecture() -> str:
    return run(["dpkg", "--print-architecture"]).strip()


def _distribution() -> str:
    """Such as debian-12 or ubuntu-24.04, by /etc/os-release."""
    lines = Path("/etc/os-release").read_text().splitlines()
    release = dict(line.split("=", 1) for line in lines if "=" in line)
    return "-".join(release.get(key, "").strip('"') for key in ("ID", "VERSION_ID"))


def _fetch(folder: Path, wanted: tuple[str, ...], needed: Callable[[], list[str]]) -> None:
    """Unpack what is needed for the wanted packages, which the lists have to know first."""
    if not _known(wanted):
        _update()
    with tempfile.TemporaryDirectory(dir=folder.parent) as downloads:
        try:
            _download(Path(downloads), needed())
        except LocalError:  # the lists may be older than what the mirror still has
            _update()
            _download(Path(downloads), needed())
        for package in sorted(Path(downloads).glob("*.deb")):
            _unpack(package, folder)


def _known(packages: tuple[str, ...]) -> bool:
    shown = subprocess.run(["apt-cache", "show", *packages], capture_output=True, check=False)
    return shown.returncode == 0


def _update() -> None:
    # A foreign source that fails need not matter: what is missing shows at the download.
    with activity("apt-get update"):
        updated = subprocess.run(
            ["apt-get", "update", "-q"], capture_output=True, text=True, check=False
        )
    if updated.returncode:
        say(f"  `apt-get update` had errors: {updated.stderr.strip().splitlines()[-1:]}")


def _download(folder: Path, packages: list[str]) -> None:
    command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *packages]
    with activity("apt-get download") as shown:
        shown.status = lambda: f"{len(list(folder.glob('*.deb')))} of {len(packages)} packages"
        run(command, cwd=folder)


def _needed_by(packages: tuple[str, ...]) -> set[str]:
    """The packages and all that they depend on, installed or not."""
    leave_out = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    options = ["--recurse", *(f"--no-{kind}" for kind in leave_out)]
    return names(run(["apt-cache", "depends", *options, *packages], LC_ALL="C"))


def names(listed: str) -> set[str]:
    """The packages in what `apt-cache depends --recurse` prints.

    One stands at its line's start; its dependencies are indented, virtual packages in <>.
    """
    return {line for line in listed.splitlines() if line and line[0] not in " |<"}


def _unpack(package: Path, folder: Path) -> None:
    """Unpack one package; its /bin, /sbin and /lib go to /usr, as on merged systems."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        run(["dpkg", "-x", package, scratch])
        root = Path(scratch)
        for part in (root / "usr", root):
            for top in ("bin", "sbin", "lib"):
                if (part / top).is_dir():
                    target = folder / "usr" / top
                    shutil.copytree(part / top, target, symlinks=True, dirs_exist_ok=True)
