"""Pods of one node without a kubelet: network namespaces, with the node's policy engine between.

    with policed(api, folder) as node:
        pod = node.pod("shop", "web", {"app": "web"}, {"http": 80})
        assert node.outside().reaches(pod, 80, seconds=2)

The engine is that of the local nodes, by this machine's kernel; root may run it.
"""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from local import binaries, debs
from local.node.configuration import TEMPLATES
from tests.contract.network import Network
from tests.harness.apiserver import ApiServer
from tests.harness.processes import running

NODE = "policed"
USER = "linkerd-canary:network-policies"
GATEWAY = "203.0.113.1"  # of TEST-NET-3 (RFC 5737); the API server's other pods have TEST-NET-2


@dataclass
class End:
    """One end of connections: a pod, or something outside."""

    network: Network
    address: str
    _listening: list[socket.socket] = field(default_factory=list)

    def listen(self, *ports: int) -> None:
        """Take connections: the kernel does, whether or not a program accepts them."""

        def listening() -> list[socket.socket]:
            return [socket.create_server((self.address, port), backlog=512) for port in ports]

        self._listening += self.network.run(listening)

    def reaches(self, other: "End", port: int, seconds: float) -> bool:
        """Whether a connection is made within so many seconds."""
        # Made inside, where many may be tried at once.
        with self.network.run(socket.socket) as trying:
            trying.settimeout(seconds)
            try:
                trying.connect((other.address, port))
            except TimeoutError:
                return False
            return True

    def close(self) -> None:
        for each in self._listening:
            each.close()
        self.network.close()


class Policed:
    """The node."""

    def __init__(self, api: ApiServer, network: Network, stack: ExitStack) -> None:
        self._api = api
        self._network = network
        self._stack = stack
        self._count = 1

    def outside(self) -> End:
        """What is no pod and has a way to the pods."""
        self._count += 1
        number, network = self._count, Network()
        end = End(network, f"203.0.113.{number}")
        self._stack.callback(end.close)
        there = network.run(lambda: f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net")
        _ip(
            self._network,
            f"link add pod{number} type veth peer name eth0 netns {there}",
            f"link set pod{number} up",
            f"address add {GATEWAY}/32 dev pod{number}",
            f"route add {end.address}/32 dev pod{number}",
        )
        _ip(
            network,
            "link set eth0 up",
            f"address add {end.address}/32 dev eth0",
            f"route add {GATEWAY} dev eth0",
            f"route add default via {GATEWAY} dev eth0",
        )
        return end

    def pod(
        self, namespace: str, name: str, labels: Mapping[str, str], ports: Mapping[str, int]
    ) -> End:
        """A pod that the API server knows, with these ports by name."""
        end = self.outside()
        listed = [{"name": each, "containerPort": port} for each, port in ports.items()]
        container = {"name": "app", "image": "none", "ports": listed}
        self._api.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
                "spec": {"nodeName": NODE, "containers": [container]},
            }
        )
        status = {"podIP": end.address, "podIPs": [{"ip": end.address}], "phase": "Running"}
        self._api.set_status("pod", name, status, namespace)
        return end


@contextmanager
def policed(api: ApiServer, folder: Path) -> Iterator[Policed]:
    """Start a node's policy engine on a node of its own."""
    _grant(api)
    with ExitStack() as stack:
        network = Network()
        stack.callback(network.close)
        network.bring_in(("127.0.0.1", api.port), ("127.0.0.1", api.port))
        network.run(_forward)
        engine = running(
            [
                binaries.network_policies(),
                f"--kubeconfig={api.kubeconfig_for(USER)}",
                f"--hostname-override={NODE}",
            ],
            folder / "network-policies.log",
            env=_with_iptables(),
        )
        network.run(engine.__enter__)
        stack.callback(lambda: engine.__exit__(None, None, None))
        yield Policed(api, network, stack)


def _grant(api: ApiServer) -> None:
    """Give the engine the rights that it has on the local nodes, and no others."""
    listed = (TEMPLATES / "first" / "manifests.yaml").read_text().split("---\n")
    api.apply(*(yaml.safe_load(each) for each in listed if f"name: {USER}" in each))
    for resource in ("pods", "namespaces", "networkpolicies.networking.k8s.io"):
        api.wait_until_allowed(USER, "watch", resource)


def _with_iptables() -> dict[str, str]:
    """The environment of a program that finds iptables where it is unpacked for the nodes."""
    packages = debs.unpacked() / "usr"
    libraries = next(packages.glob("lib/*-linux-gnu"))
    return {
        "PATH": f"{packages}/sbin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(libraries),
        "XTABLES_LIBDIR": str(libraries / "xtables"),
    }


def _forward() -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _ip(network: Network, *steps: str) -> None:
    """Run steps of iproute2's `ip` inside."""
    given = "\n".join(steps)
    network.run(
        lambda: subprocess.run(
            ["ip", "-batch", "-"], input=given, text=True, check=True, capture_output=True
        )
    )
