"""The node's network: one /16 behind a bridge on this machine, with no way out of it."""

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from local.errors import LocalError
from local.node import cgroups
from local.node.commands import said_by
from local.node.identity import ID
from local.paths import ROOT

VARIABLE = "LINKERD_CANARY_NET"
USUAL = ("198.18.0.0/16", "198.19.0.0/16")
"""Reserved for tests of network devices (RFC 2544), so hardly ever in use."""

BRIDGES = "canary-"
BRIDGE = f"{BRIDGES}{ID}"
PORT = f"canary-{ID}-p"
ALIAS = "linkerd-canary node of "
"""With the clone's folder after it, the bridge's alias: who holds the network."""


@dataclass(frozen=True)
class Network:
    """A /16 and what lies where in it."""

    all: IPv4Network

    @classmethod
    def of(cls, text: str) -> "Network":
        """The network written as an IPv4 /16; raises ValueError."""
        network = IPv4Network(text)
        if network.prefixlen != 16:
            raise ValueError(f"{text} is not a /16")
        return cls(network)

    @property
    def host(self) -> IPv4Address:
        """This machine's own address towards the node."""
        return self.all[1]

    @property
    def node(self) -> IPv4Address:
        """The node's address: API server on 6443, and every hostPort."""
        return self.all[2]

    @property
    def pods(self) -> IPv4Network:
        """One /24, as linkerd's transformers take for granted of a node."""
        return self._part(1, 24)

    @property
    def load_balancers(self) -> IPv4Network:
        """Addresses given to services of type LoadBalancer."""
        return self._part(64, 24)

    @property
    def services(self) -> IPv4Network:
        """Cluster IPs."""
        return self._part(128, 20)

    @property
    def dns(self) -> IPv4Address:
        """The cluster's DNS service."""
        return self.services[10]

    def _part(self, third: int, bits: int) -> IPv4Network:
        return IPv4Network((int(self.all.network_address) + (third << 8), bits))


def chosen(made_for: str | None = None) -> Network:
    """The network that the environment asks for, else `made_for`, else a usual one that is free.

    `made_for` is the network that the node's data was made for, if there is data.
    """
    text = os.environ.get(VARIABLE)
    if text:
        try:
            return Network.of(text)
        except ValueError:
            raise LocalError(f"{VARIABLE}={text}: give an IPv4 /16 such as {USUAL[0]}") from None
    if made_for:
        return Network.of(made_for)
    usual = [Network.of(each) for each in USUAL]
    return next((each for each in usual if _conflict(each) is None), usual[0])


def refuse_conflicts(network: Network) -> None:
    """A LocalError if anything but this clone's own bridge uses a part of the network."""
    conflict = _conflict(network)
    if conflict:
        raise LocalError(conflict)


def _conflict(network: Network) -> str | None:
    """What is in the network's way, and what to do."""
    aliases = _aliases()
    free = {BRIDGE, *_dead_bridges(aliases)}
    for device, used in [*_addresses(), *_routes()]:
        if device in free or not used.overlaps(network.all):
            continue
        alias = aliases.get(device, "")
        if alias.startswith(ALIAS):
            folder = alias.removeprefix(ALIAS)
            return (
                f"{network.all} belongs to the local node of {folder}: `make down` there, "
                f"or set {VARIABLE} to another /16"
            )
        return (
            f"{network.all} overlaps with {used}, in use here on {device or 'a route'}: "
            f"set {VARIABLE} to a /16 that is free"
        )
    return None


def _aliases() -> dict[str, str]:
    return {link["ifname"]: link.get("ifalias", "") for link in _ip("link")}


def _dead_bridges(aliases: dict[str, str]) -> list[str]:
    """The bridges of nodes that were killed, and whose clones have not seen to it."""
    return [
        device
        for device, alias in aliases.items()
        if alias.startswith(ALIAS)
        and not cgroups.processes(f"{cgroups.NAMES}{device.removeprefix(BRIDGES)}")
    ]


def _addresses() -> list[tuple[str, IPv4Network]]:
    return [
        (link["ifname"], IPv4Network(address["local"]))
        for link in _ip("address")
        for address in link.get("addr_info", [])
        if address["family"] == "inet"
    ]


def _routes() -> list[tuple[str, IPv4Network]]:
    """All but default routes, also where they are written as two halves, as VPNs do."""
    routes = [
        (route.get("dev", ""), IPv4Network(route["dst"]))
        for route in _ip("-4", "route", "show", "table", "all")
        if route["dst"] != "default"
    ]
    return [(device, to) for device, to in routes if to.prefixlen > 1 and not to.is_loopback]


def connect(network: Network, pid: int) -> None:
    """Join this machine and the network namespace of a process; raises LocalError.

    The bridge holds this machine's address and routes, so that they stay, and nothing meant for the
    node goes anywhere else, when the node has died; deleting the bridge removes all of it. Bridges
    of other clones' nodes that have died are in the way, and deleted.
    """
    disconnect()
    _delete(_dead_bridges(_aliases()))
    steps = (
        f"link add {BRIDGE} type bridge",
        f"address add {network.host}/32 dev {BRIDGE}",
        f"link set {BRIDGE} up",
        f"route add {network.node}/32 dev {BRIDGE} src {network.host}",
        f"route add {network.all} via {network.node} dev {BRIDGE} src {network.host}",
        f"link add {PORT} type veth peer name eth0 netns {pid}",
        f"link set {PORT} master {BRIDGE} up",
    )
    for step in steps:
        ip(*step.split())
    ip("link", "set", "dev", BRIDGE, "alias", f"{ALIAS}{ROOT}"[:255])


def disconnect() -> None:
    """Remove what `connect` made, where it is there."""
    present = _aliases()
    _delete(device for device in (PORT, BRIDGE) if device in present)


def _delete(devices: Iterable[str]) -> None:
    for device in devices:
        # The kernel may be removing a pair at this moment, with the node's namespace.
        subprocess.run(["ip", "link", "delete", device], capture_output=True, check=False)


def furnish(network: Network) -> None:
    """The node's own side of it; runs inside its network namespace."""
    forwarding = ("ip_forward=1", "conf.all.rp_filter=0", "conf.default.rp_filter=0")
    for setting in forwarding:
        name, value = setting.split("=")
        with open(f"/proc/sys/net/ipv4/{name.replace('.', '/')}", "w") as file:  # noqa: PTH123
            file.write(value)
    steps = (
        "link set lo up",
        f"address add {network.node}/32 dev eth0",
        "link set eth0 up",
        f"route add {network.host}/32 dev eth0 src {network.node}",
        # The node's own traffic to a service must find a route before kube-proxy can turn it. Any
        # device does; not every kernel has dummy ones, so it is a bridge without ports.
        "link add services type bridge",
        "link set services up",
        f"route add {network.services} dev services src {network.node}",
        f"route add {network.load_balancers} dev services src {network.node}",
        "route add unreachable default metric 4096",
    )
    for step in steps:
        ip(*step.split())


def ip(*arguments: str) -> str:
    """Run iproute2's `ip`; its output, or a LocalError with what it said."""
    return said_by(["ip", *arguments])


def _ip(*what: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(ip("-json", *what) or "[]")
    return [entry for entry in listed if entry]
