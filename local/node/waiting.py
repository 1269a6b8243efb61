"""Waiting for the node's parts, each for a bounded time and by what it really does."""

import socket
import struct
import subprocess
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from local.errors import LocalError
from local.node import cgroups
from local.node.identity import ENVIRONMENT, FIRST, STATE, Node
from local.progress import activity


def until(
    what: str,
    ready: Callable[[], bool],
    *,
    log: str,
    node: Node = FIRST,
    seconds: float = 120.0,
) -> None:
    """Wait for a condition; a LocalError names it and the node's log to read if it stays away."""
    deadline = time.monotonic() + seconds
    with activity(f"waiting for {what}"):
        while not ready():
            if cgroups.first_process(node.name) is None:
                raise LocalError(f"{node.name} died while waiting for {what}: {last_words(node)}")
            if time.monotonic() > deadline:
                raise LocalError(f"waited {seconds:.0f} s for {what}; see {node.logs / log}")
            time.sleep(0.1)


def last_words(node: Node = FIRST) -> str:
    """The last line that a node's set-up or supervisord wrote."""
    for log in (node.logs / "node.log", node.logs / "supervisord.log"):
        lines = log.read_text(errors="replace").split("\n") if log.exists() else []
        said = [line for line in lines if line.strip()]
        if said:
            return f"{said[-1]} ({log})"
    return f"see {node.logs}"


class Kubectl:
    """kubectl with one kubeconfig and server, each call bounded in time."""

    def __init__(self, program: Path, kubeconfig: Path, server: str) -> None:
        self._command = [str(program), "--kubeconfig", str(kubeconfig), "--server", server]
        self._command += ["--request-timeout=5s", f"--cache-dir={STATE / 'kubectl'}"]

    def __call__(self, *arguments: str) -> str | None:
        """What it printed, or none if it failed."""
        try:
            done = subprocess.run(
                [*self._command, *arguments],
                capture_output=True,
                text=True,
                timeout=60,
                env=ENVIRONMENT,  # without a proxy that may be set outside
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        return done.stdout if done.returncode == 0 else None

    def api_ready(self) -> bool:
        """Whether the API server takes requests."""
        return self("get", "--raw", "/readyz") == "ok"

    def node_ready(self, node: str, since: str) -> bool:
        """Whether kubelet has called the node ready since a time (RFC 3339, UTC, whole seconds).

        After a restart the API still tells what was true before it, until kubelet reports.
        """
        condition = "{.status.conditions[?(@.type=='Ready')]['status','lastHeartbeatTime']}"
        told = (self("get", "node", node, "-o", f"jsonpath={condition}") or "").split()
        return len(told) == 2 and told[0] == "True" and told[1] >= since


def dns_answers(server: IPv4Address, name: str, source: IPv4Address) -> bool:
    """Whether a DNS server has an address (A) for a name, asked from an address of this machine.

    RFC 1035, section 4. Where there is no such source address nothing is sent.
    """
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0)
    question = labels + b"\0" + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        try:
            client.bind((str(source), 0))
            client.sendto(header + question, (str(server), 53))
            answer = client.recv(512)
        except OSError:
            return False
    _, flags, _, answers, _, _ = struct.unpack(">6H", answer[:12])
    return bool(flags & 0xF == 0 and answers > 0)
