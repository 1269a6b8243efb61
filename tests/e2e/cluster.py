"""The local node as tests see it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from local import binaries, node
from local.archives import OwnImage
from local.cache import go_build
from local.node.identity import ENVIRONMENT
from local.node.network import Network
from local.paths import KUBECONFIG, ROOT

SERVER = Path(__file__).parent / "testserver"
PATIENCE = 120.0
"""Seconds that a condition may take. A busy machine is ten times slower than an idle one."""


class Cluster:
    """kubectl with the administrator's kubeconfig, and the node's own commands."""

    def __init__(self) -> None:
        self._kubectl = [str(binaries.kube() / "kubectl"), "--kubeconfig", str(KUBECONFIG)]

    @property
    def network(self) -> Network:
        """Where its addresses are."""
        return node.own_network()

    def command(self, *arguments: str) -> list[str]:
        """The whole kubectl command for some arguments."""
        return [*self._kubectl, *arguments]

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl prints; an AssertionError with its complaint when it fails."""
        done = subprocess.run(
            self.command(*arguments),
            input=given,
            capture_output=True,
            text=True,
            timeout=300,
            env=ENVIRONMENT,
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get` as an object."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def none_terminates(self, *namespaces: str) -> bool:
        """Whether no pod of some namespaces is about to go."""
        pods = [pod for each in namespaces for pod in self.get("pods", "-n", each)["items"]]
        return not any("deletionTimestamp" in pod["metadata"] for pod in pods)

    def enter(self, *command: str, number: int = 1) -> str:
        """What a command prints that runs in a node, by its number."""
        where = f"node=node.NODES[{number - 1}]"
        program = f"import sys; from local import node; sys.exit(node.enter(*{command!r}, {where}))"
        return run(sys.executable, "-c", program)

    def nodes(self) -> dict[str, str]:
        """The nodes' addresses by their names; those that are ready alone."""
        return {
            each["metadata"]["name"]: address["address"]
            for each in self.get("nodes")["items"]
            for address in each["status"]["addresses"]
            if address["type"] == "InternalIP"
            and {"type": "Ready", "status": "True"}.items()
            <= next(c for c in each["status"]["conditions"] if c["type"] == "Ready").items()
        }


def server_image() -> OwnImage:
    """The image of testserver/main.go."""
    return OwnImage(go_build("testserver", SERVER, ["."]) / "testserver")


def make(command: str, *arguments: int) -> str:
    """Run one of the node's own commands, such as `up` or `stop`, in a process of its own."""
    return run(sys.executable, "-c", f"from local import node; node.{command}{arguments!r}")


def get(url: str) -> str:
    """What a URL of a node answers to this machine; an AssertionError when it does not."""
    with node.session() as session:
        try:
            answer = session.get(url, timeout=10)
        except (requests.RequestException, OSError) as error:
            raise AssertionError(str(error)) from None
    assert answer.ok, answer.text
    return answer.text


def run(*command: str | Path) -> str:
    """What a command prints; an AssertionError with all it said when it fails."""
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def eventually(check: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What a check gives once it gives something and raises no AssertionError."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := check():
                return found
            failure = f"{check} gave {found!r}"
        except AssertionError as error:
            failure = str(error)
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {failure}"
        time.sleep(0.2)
