"""Reaching into the running nodes: commands, images, state."""

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local import binaries
from local.errors import LocalError
from local.node import cgroups, records
from local.node.commands import said_by
from local.node.identity import (
    ENVIRONMENT,
    FIRST,
    IMAGES,
    KUBERNETES,
    NODES,
    SUPERVISOR_CONFIG,
    Node,
)
from local.paths import PYTHON
from local.progress import say

IMAGE_NAME = "io.containerd.image.name"
"""The annotation that holds an image's full name."""


def running(node: Node = FIRST) -> bool:
    """Whether a node's processes are there; `up` says whether they do their work."""
    return cgroups.first_process(node.name) is not None


def enter(*command: str, node: Node = FIRST) -> int:
    """Run a command in a node, a shell if none is given, on this terminal; its exit status."""
    # The administrator's, whose server is the first node: this machine's loopback is not there.
    kubeconfig = str(KUBERNETES / "admin.conf")
    terminal = {"TERM": os.environ.get("TERM", "dumb"), "KUBECONFIG": kubeconfig}
    inside = _nsenter(command or ("bash",), node)
    return subprocess.run(inside, env=ENVIRONMENT | terminal, check=False).returncode


def image_names() -> set[str]:
    """The full names of the images that the nodes can run, whether they run or not."""
    file = IMAGES / "index.json"
    try:
        index = json.loads(file.read_text())
        return {image["annotations"][IMAGE_NAME] for image in index["manifests"]}
    except FileNotFoundError:
        return set()
    except (ValueError, KeyError, TypeError):  # cut short, as by a crash of the machine
        say(f"  {file} is damaged: the images have to be brought again")
        return set()


def load(archive: Path, name: str | None = None) -> None:
    """Bring the images of an archive (OCI layout or `docker save`) to the nodes' registry.

    With a name, given in full, that is the one image that is brought. Raises LocalError.
    """
    chosen = ["-as", name] if name else []
    IMAGES.mkdir(parents=True, exist_ok=True)
    command = [str(binaries.image_tool()), "store", *chosen, str(IMAGES), str(archive)]
    said_by(command, seconds=600, shown_as="storing an image")


def forget(name: str) -> None:
    """Take an image, by its full name, from the nodes' registry, if it is there."""
    said_by([binaries.image_tool(), "forget", IMAGES, name])


def status() -> None:
    """Print the nodes' processes with their states; a LocalError when none runs."""
    asked = NODES[: records.read().count or 0]
    known = [node for node in NODES if node in asked or running(node)]
    if not any(running(node) for node in known):
        raise LocalError("the local nodes do not run: `make up` starts them")
    control = [str(PYTHON), "-m", "supervisor.supervisorctl", "-c", SUPERVISOR_CONFIG, "status"]
    for node in known:
        print(node.name)
        if running(node):
            # supervisorctl's own exit status is not 0 when any process is not running.
            said = _ask(node, "sh", "-c", f"{shlex.join(control)} || true")
            print("".join(f"  {line}\n" for line in said.splitlines()), end="")
        else:
            print("  does not run")


def _ask(node: Node, *command: str) -> str:
    shown_as = f"`{shlex.join(command)}` in {node.name}"
    return said_by(_nsenter(command, node), env=ENVIRONMENT, shown_as=shown_as)


def _nsenter(command: Sequence[str], node: Node) -> list[str]:
    first = cgroups.first_process(node.name)
    if first is None:
        raise LocalError(f"{node.name} does not run: `make up` starts it")
    namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid")
    return ["nsenter", f"--target={first}", *namespaces, "--", *command]
