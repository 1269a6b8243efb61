"""Pulumi's kubernetes plugin for the local stack: the published one, or a build of its module."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from local import binaries, cache, toolchain
from local.errors import LocalError
from local.progress import activity, say


@dataclass(frozen=True)
class Plugin:
    """The plugin that is installed: its folder, and what it is made from."""

    folder: Path
    origin: str


def kubernetes() -> Plugin:
    """Install the plugin where it is missing: the published one, else a build.

    What an earlier release of this project installed in its place is replaced, and so is a build
    of other sources. Raises LocalError.
    """
    name = f"resource-kubernetes-{binaries.PLUGIN_VERSION}"
    folder = toolchain.PULUMI_HOME / "plugins" / name
    with cache.lock("the kubernetes plugin's installation"):
        if not _is_whole(folder) and not _install_published():
            say("  Pulumi's kubernetes plugin cannot be downloaded: building it from its Go module")
            _install_built()
        elif _is_built(folder) and _build_of(folder) != _build_of(binaries.kubernetes_plugin()):
            _install_built()
    return Plugin(folder, _origin(folder))


_FORMER_MARKS = ("STANDIN", "built-by-make-up")
"""Earlier releases' marks of a stand-in, and of a build that does not say of what."""


def _is_whole(folder: Path) -> bool:
    """Whether an installation was completed, and it is known what it is."""
    cut_short = folder.with_name(f"{folder.name}.partial").exists()  # Pulumi's own mark
    is_former = any((folder / mark).exists() for mark in _FORMER_MARKS)
    return folder.is_dir() and not cut_short and not is_former


def _origin(folder: Path) -> str:
    if _is_built(folder):
        return f"built from {binaries.PLUGIN}@{binaries.PLUGIN_MODULE_VERSION}"
    return f"published, {binaries.PLUGIN_VERSION}"


def _is_built(folder: Path) -> bool:
    return (folder / binaries.PLUGIN_BUILD_MARK).exists()


def _build_of(folder: Path) -> str:
    return (folder / binaries.PLUGIN_BUILD_MARK).read_text()


def _install_published() -> bool:
    try:
        _install(timeout=60)
    except (LocalError, subprocess.TimeoutExpired):
        return False
    return True


def _install_built() -> None:
    _install("--file", str(binaries.kubernetes_plugin()))


def _install(*more: str, timeout: float | None = None) -> None:
    what = ["resource", "kubernetes", binaries.PLUGIN_VERSION, "--reinstall"]
    command = ["pulumi", "plugin", "install", *what, *more]
    with activity("pulumi plugin install resource kubernetes"):
        done = subprocess.run(
            command,
            env=toolchain.subprocess_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    if done.returncode:
        raise LocalError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
