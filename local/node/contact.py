"""Reaching into the running node: commands, images, state."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local.errors import LocalError
from local.node import cgroups
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
    with archive.open("rb") as content:
        loading = _nsenter(["ctr", "--namespace", CONTAINERS, "images", "import", "-"])
        done = subprocess.run(
            loading, stdin=content, capture_output=True, text=True, env=ENVIRONMENT, check=False
        )
    if done.returncode:
        raise LocalError(f"{archive} could not be loaded onto the node: {_last(done.stderr)}")


def containerd_ready() -> bool:
    """Whether containerd answers."""
    try:
        return bool(_ask("ctr", "version"))
    except LocalError:
        return False


def status() -> None:
    """Print the node's processes with their states; a LocalError when it does not run."""
    control = [str(PYTHON), "-m", "supervisor.supervisorctl", "-c", SUPERVISOR_CONFIG, "status"]
    # supervisorctl's own status is not 0 when any process is not running.
    done = subprocess.run(
        _nsenter(control), capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    print(done.stdout.rstrip() or f"the local node is starting: {_last(done.stderr)}")


def _ask(*command: str) -> str:
    done = subprocess.run(
        _nsenter(command), capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False
    )
    if done.returncode:
        raise LocalError(f"`{' '.join(command)}` in the node: {_last(done.stderr)}")
    return done.stdout


def _nsenter(command: Sequence[str]) -> list[str]:
    first = cgroups.first_process()
    if first is None:
        raise LocalError("the local node does not run: `make up` starts it")
    namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid")
    return ["nsenter", f"--target={first}", *namespaces, "--", *command]


def _last(said: str) -> str:
    return (said.strip().splitlines() or ["it said nothing"])[-1]
