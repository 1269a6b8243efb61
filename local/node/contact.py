"""Reaching into the running node: commands, images, state."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local.errors import LocalError
from local.node import cgroups
from local.node.commands import said_by
from local.node.identity import ENVIRONMENT, SUPERVISOR_CONFIG
from local.paths import KUBECONFIG, PYTHON

CONTAINERS = "k8s.io"
"""The namespace that Kubernetes' containers and images have in containerd."""


def running() -> bool:
    """Whether the node's processes are there; `up` says whether they do their work."""
    return cgroups.first_process() is not None


def enter(*command: str) -> int:
    """Run a command in the node, a shell if none is given, on this terminal; its exit status."""
    terminal = {"TERM": os.environ.get("TERM", "dumb"), "KUBECONFIG": str(KUBECONFIG)}
    inside = _nsenter(command or ("bash",))
    return subprocess.run(inside, env=ENVIRONMENT | terminal, check=False).returncode


def image_names() -> set[str]:
    """The full names of the images on the node."""
    return set(_ask("ctr", "--namespace", CONTAINERS, "images", "list", "--quiet").split())


def load(archive: Path) -> None:
    """Bring the images of an archive (OCI layout or `docker save`) onto the node."""
    loading = ("ctr", "--namespace", CONTAINERS, "images", "import", "-")
    with archive.open("rb") as content:
        said_by(
            _nsenter(loading),
            given=content,
            env=ENVIRONMENT,
            seconds=600,
            shown_as=f"loading {archive} onto the node",
        )


def containerd_ready() -> bool:
    """Whether containerd answers."""
    try:
        return bool(_ask("ctr", "version"))
    except LocalError:
        return False


def status() -> None:
    """Print the node's processes with their states; a LocalError when it does not run."""
    control = [str(PYTHON), "-m", "supervisor.supervisorctl", "-c", SUPERVISOR_CONFIG, "status"]
    # supervisorctl's own exit status is not 0 when any process is not running.
    print(_ask("sh", "-c", f"{shlex.join(control)} || true").rstrip())


def _ask(*command: str) -> str:
    shown_as = f"`{shlex.join(command)}` in the node"
    return said_by(_nsenter(command), env=ENVIRONMENT, shown_as=shown_as)


def _nsenter(command: Sequence[str]) -> list[str]:
    first = cgroups.first_process()
    if first is None:
        raise LocalError("the local node does not run: `make up` starts it")
    namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid")
    return ["nsenter", f"--target={first}", *namespaces, "--", *command]
