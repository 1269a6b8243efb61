"""The nodes' network: one /16 behind a bridge on this machine, with no way out of it."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from local.errors import LocalError
from local.node import cgroups
from local.node.commands import said_by
from local.node.identity import FIRST, ID, NODES, Node
from local.paths import ROOT

VARIABLE = "LINKERD_CANARY_NET"
USUAL = ("198.18.0.0/16", "198.19.0.0/16")
"""Reserved for tests of network devices (RFC 2544), so hardly ever in use."""

SPECIAL = {
    IPv4Network("0.0.0.0/8"): "unspecified",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("255.255.0.0/16"): "broadcast",
}
"""Addresses that no node can have (IANA's registry of special-purpose ones, RFC 6890).

The rest of 240.0.0.0/4 is reserved there, but Linux and Kubernetes take it.
"""

BRIDGES = "canary-"
BRIDGE = f"{BRIDGES}{ID}"
PORT = f"canary-{ID}-p"
SWITCH = "switch"
"""The part that joins the nodes: a bridge in a network namespace of its own."""

API_PORT = 26443
"""Where the API server answers on loopback: no port that Kubernetes' own clusters use."""

REGISTRY_PORT = 10500
ALIAS = "linkerd-canary node of "
"""With the clone's folder after it, the bridge's alias: who holds the network."""


@dataclass(frozen=True)
class Network:
    """A /16 and its layout."""

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
        """This machine's own address towards the nodes."""
        return self.all[1]

    @property
    def node(self) -> IPv4Address:
        """The first node's address, with the API server on 6443."""
        return self.address(FIRST)

    def address(self, node: Node) -> IPv4Address:
        """A node's address, with every hostPort."""
        return self.all[1 + node.number]

    def pods_of(self, node: Node) -> IPv4Network:
        """One /24, as linkerd's transformers take for granted of a node."""
        return self._part(node.number, 24)

    @property
    def api(self) -> IPv4Address:
        """Where this machine's programs reach the API server, at API_PORT.

        It is a loopback address: when the node has gone there is nothing that a request could be
        sent to by another way. Every /16 has its own.
        """
        first, second, _, _ = self.all.network_address.packed
        return IPv4Address(f"127.{first}.{second}.2")

    @property
    def api_url(self) -> str:
        """The API server's URL on this machine."""
        return f"https://{self.api}:{API_PORT}"

    @property
    def registry(self) -> str:
        """Host and port of the registry of the nodes' images; nodes reach it, and pods."""
        return f"{self.node}:{REGISTRY_PORT}"

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
            asked = Network.of(text)
        except ValueError:
            raise LocalError(f"{VARIABLE}={text}: give an IPv4 /16 such as {USUAL[0]}") from None
        for addresses, kind in SPECIAL.items():
            if asked.all.subnet_of(addresses):
                raise LocalError(
                    f"{VARIABLE}={text}: {kind} addresses are no node's; give an IPv4 /16 such as "
                    f"{USUAL[0]}"
                )
        return asked
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
                f"{network.all} belongs to the local nodes of {folder}: `make down` there, "
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
        if alias.startswith(ALIAS) and not _nodes_run(device.removeprefix(BRIDGES))
    ]


def _nodes_run(clone: str) -> bool:
    """Whether any node of a clone runs; its switch alone holds nothing."""
    name = f"{cgroups.NAMES}{clone}"
    return bool(cgroups.processes(name=name) - cgroups.processes(SWITCH, name=name))


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


def connect(network: Network) -> None:
    """Make this machine's side of the network and the switch, where they are not there.

    The bridge holds this machine's address and routes, so that they stay, and nothing meant for a
    node goes anywhere else, when nodes have died; deleting the bridge removes all of it. Bridges of
    other clones' nodes that have died are in the way, and deleted. Raises LocalError.
    """
    if connected():
        return
    disconnect()
    _delete(_dead_bridges(_aliases()))
    switch = _start_switch()
    steps = [
        f"link add {BRIDGE} type bridge",
        f"address add {network.host}/32 dev {BRIDGE}",
        f"link set {BRIDGE} up",
        *_routes_to(network, NODES, f"dev {BRIDGE} src {network.host}"),
        f"route add {network.all} via {network.node} dev {BRIDGE} src {network.host}",
        f"link add {PORT} type veth peer name machine netns {switch}",
        f"link set {PORT} master {BRIDGE} up",
    ]
    _batch(steps)
    _batch(
        [
            "link add ports type bridge",
            "link set ports up",
            "link set machine master ports up",
        ],
        switch,
    )
    # Last, as what says that all of it is there.
    ip("link", "set", "dev", BRIDGE, "alias", f"{ALIAS}{ROOT}"[:255])


def connected() -> bool:
    """Whether `connect` has done its work, and the switch runs."""
    return cgroups.first_process(SWITCH) is not None and _aliases().get(BRIDGE, "") != ""


def _start_switch() -> int:
    """Start the process that holds the switch's network namespace; its number.

    The switch joins the nodes. It is not on this machine's own network because frames that cross a
    bridge there may have to pass the machine's firewall, which Docker sets to forward nothing
    (net.bridge.bridge-nf-call-iptables).
    """
    command = ["unshare", "--net", "--pid", "--fork", "--kill-child", "sleep", "infinity"]
    with subprocess.Popen(
        # It waits until it has been moved into its control group, and its children with it.
        ["setsid", "--fork", "sh", "-c", 'echo $$ && read -r _ && exec "$@"', "sh", *command],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as starting:
        if not (starting.stdin and starting.stdout and starting.stderr):
            raise LocalError("the switch between the nodes has no pipes")  # it has: see above
        pid = int(starting.stdout.readline())
        cgroups.join(SWITCH, pid)
        starting.stdin.write("\n")
        starting.stdin.flush()
        while (first := cgroups.first_process(SWITCH)) is None:
            if not cgroups.alive(pid):
                raise LocalError(f"the node could not be set up: {starting.stderr.read().strip()}")
            time.sleep(0.005)
    return first


def plug(node: Node, pid: int) -> None:
    """Join a node's network namespace, that of a process, with the switch's."""
    switch = cgroups.first_process(SWITCH)
    if switch is None:
        raise LocalError("the switch between the nodes has ended: try again")
    port = f"port{node.number}"
    _batch([f"link add {port} netns {switch} type veth peer name eth0 netns {pid}"])
    _batch([f"link set {port} master ports up"], switch)


def disconnect() -> None:
    """Remove what `connect` made on this machine, where it is there."""
    present = _aliases()
    _delete(device for device in (PORT, BRIDGE) if device in present)


def _delete(devices: Iterable[str]) -> None:
    for device in devices:
        # The kernel may be removing a pair at this moment, with the node's namespace.
        subprocess.run(["ip", "link", "delete", device], capture_output=True, check=False)


def _routes_to(network: Network, nodes: Iterable[Node], by: str) -> list[str]:
    """The steps that lead to nodes and, through them, to their pods."""
    steps = []
    for node in nodes:
        address = network.address(node)
        steps.append(f"route add {address}/32 {by}")
        steps.append(f"route add {network.pods_of(node)} via {address} {by}")
    return steps


def hardware_address(address: IPv4Address) -> str:
    """A node's, by its IP address: `02:00:c6:12:00:04`, of those that anybody may give.

    A node that comes back has the same one. With another, what the others have learned would lead
    nowhere for up to ten seconds after they first ask for it again.
    """
    return ":".join(f"{octet:02x}" for octet in (2, 0, *address.packed))


_SETTINGS = (
    "ipv4/ip_forward=1",
    "ipv4/conf/all/rp_filter=0",
    "ipv4/conf/default/rp_filter=0",
    # A connection that a pod did not answer is turned to that pod as long as this, in seconds,
    # whatever has become of it. This machine's own, all from one address, soon have the port again.
    "netfilter/nf_conntrack_tcp_timeout_syn_sent=5",
)


def set_up(network: Network, node: Node) -> None:
    """A node's own side of it; runs inside its network namespace."""
    for setting in _SETTINGS:
        name, value = setting.split("=")
        with open(f"/proc/sys/net/{name}", "w") as file:  # noqa: PTH123
            file.write(value)
    address = network.address(node)
    others = [other for other in NODES if other != node]
    _batch(
        [
            "link set lo up",
            f"address add {address}/32 dev eth0",
            f"link set eth0 address {hardware_address(address)} up",
            f"route add {network.host}/32 dev eth0 src {address}",
            *_routes_to(network, others, f"dev eth0 src {address}"),
            # The node's own traffic to a service must find a route before kube-proxy can turn it.
            # Any device does; not every kernel has dummy ones, so it is a bridge without ports.
            "link add services type bridge",
            "link set services up",
            f"route add {network.services} dev services src {address}",
            f"route add {network.load_balancers} dev services src {address}",
            "route add unreachable default metric 4096",
        ]
    )


def _batch(steps: Iterable[str], pid: int | None = None) -> None:
    """Run steps of `ip`, all in one process, in the network namespace of another or in this one."""
    enter = ["nsenter", f"--target={pid}", "--net"] if pid else []
    with tempfile.TemporaryFile() as file:
        file.write("\n".join(steps).encode())
        file.seek(0)
        said_by([*enter, "ip", "-batch", "-"], given=file)


def ip(*arguments: str) -> str:
    """Run iproute2's `ip`; its output, or a LocalError with what it said."""
    return said_by(["ip", *arguments])


def _ip(*what: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(ip("-json", *what) or "[]")
    return [entry for entry in listed if entry]
