"""Debian packages, unpacked and never installed: above all the nodes' container runtime.

Installing `containerd` would remove Docker's own `containerd.io` from a machine that has it. So
the packages are only unpacked, into the cache, and each node sees them over its own /usr.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.cache import built, run
from local.errors import LocalError
from local.progress import activity, say


@dataclass(frozen=True)
class Packages:
    """Packages that are unpacked into one folder, with all that they need."""

    name: str
    """Of the folder in the cache, and so of the lock."""
    wanted: tuple[str, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    """What a package leaves to update-alternatives: targets by path."""
    without: tuple[str, ...] = ()
    """Dependencies that are left out, with all that only they need."""
    is_alone: bool = False
    """Whether nothing that they depend on is needed: of static programs."""


EVERYWHERE = ("bash", "coreutils", "dpkg", "libc6", "netbase", "util-linux")
"""What every Debian and Ubuntu has: these packages and what they need are not fetched again."""

NODE = Packages(
    "debs",
    ("containerd", "runc", "containernetworking-plugins", "iptables", "nftables", "socat"),
    {
        f"usr/sbin/{name}": "xtables-nft-multi"
        for name in ("iptables", "iptables-save", "iptables-restore")
    },
)
"""A node's container runtime and firewall tools."""

_TOPS = ("bin", "sbin", "lib", "share/fonts")
"""The folders of /usr that are unpacked."""


def check() -> None:
    """Raise a LocalError where there are no Debian packages to be had."""
    for tool in ("apt-get", "apt-cache", "dpkg"):
        if shutil.which(tool) is None:
            raise LocalError(
                f"no `{tool}` here: the local nodes' container runtime comes as Debian or Ubuntu "
                "packages (any other cluster: platform `kubeconfig`, see README.md)"
            )


def unpacked(packages: Packages = NODE) -> Path:
    """The folder whose `usr` holds the packages and the libraries they need."""
    check()
    release, architecture = _distribution(), run(["dpkg", "--print-architecture"]).strip()
    inputs = [release, architecture, *packages.wanted, *sorted(packages.links), *packages.without]
    inputs += ["alone"] * packages.is_alone
    return built(f"{packages.name}-{release}", inputs, lambda folder: _fetch(packages, folder))


def _distribution() -> str:
    """Such as debian-12 or ubuntu-24.04, by /etc/os-release."""
    lines = Path("/etc/os-release").read_text().splitlines()
    release = dict(line.split("=", 1) for line in lines if "=" in line)
    return "-".join(release.get(key, "").strip('"') for key in ("ID", "VERSION_ID"))


def _fetch(packages: Packages, folder: Path) -> None:
    if not _known(packages.wanted):
        _update()
    with tempfile.TemporaryDirectory(dir=folder.parent) as downloads:
        try:
            _download(packages, Path(downloads))
        except LocalError:  # the lists may be older than what the mirror still has
            _update()
            _download(packages, Path(downloads))
        for package in sorted(Path(downloads).glob("*.deb")):
            _unpack(package, folder)
    for link, target in packages.links.items():
        (folder / link).symlink_to(target)


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


def _download(packages: Packages, folder: Path) -> None:
    needed = set(packages.wanted)
    if not packages.is_alone:
        needed = _needed_by(packages.wanted, packages.without) - _needed_by(EVERYWHERE)
    command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *sorted(needed)]
    with activity("apt-get download") as shown:
        shown.status = lambda: f"{len(list(folder.glob('*.deb')))} of {len(needed)} packages"
        run(command, cwd=folder)


def _needed_by(packages: Collection[str], without: Collection[str] = ()) -> set[str]:
    """The packages and all that they depend on, installed or not."""
    leave_out = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    options = ["--recurse", *(f"--no-{kind}" for kind in leave_out)]
    listed = run(["apt-cache", "depends", *options, *packages], LC_ALL="C")
    return reached(dependencies(listed), packages, without)


def dependencies(listed: str) -> dict[str, list[str]]:
    """The dependencies by package, of what `apt-cache depends --recurse` prints.

    A package stands at its line's start, and its dependencies are indented below it. A virtual
    one stands in <>, and its providers below that.
    """
    found: dict[str, list[str]] = {}
    of: list[str] = []
    for line in filter(None, listed.splitlines()):
        if line.startswith((" ", "|")):
            of.append(line.rpartition(": ")[2].strip())
        else:
            of = found.setdefault(line, [])
    return found


def reached(
    known: Mapping[str, Collection[str]], wanted: Collection[str], without: Collection[str]
) -> set[str]:
    """The packages to which dependencies lead from the wanted ones."""
    found: set[str] = set()
    new = list(wanted)
    while new:
        name = new.pop()
        if name in known and name not in found and name not in without:
            found.add(name)
            new += known[name]
    return {name for name in found if not name.startswith("<")}


def _unpack(package: Path, folder: Path) -> None:
    """Unpack one package; its /bin, /sbin and /lib go to /usr, as on merged systems."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        run(["dpkg", "-x", package, scratch])
        root = Path(scratch)
        for part in (root / "usr", root):
            for top in _TOPS:
                if (part / top).is_dir():
                    target = folder / "usr" / top
                    shutil.copytree(part / top, target, symlinks=True, dirs_exist_ok=True)
