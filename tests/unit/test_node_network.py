"""local/node/network.py: addresses, and what is in the way of them."""

import json
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest

from local.errors import LocalError
from local.node import cgroups, network
from local.node.identity import NODES
from local.node.network import ALIAS, BRIDGE, Network


def test_what_lies_where() -> None:
    net = Network.of("198.18.0.0/16")
    assert (str(net.host), str(net.node), str(net.dns)) == (
        "198.18.0.1",
        "198.18.0.2",
        "198.18.128.10",
    )
    assert [str(net.address(node)) for node in NODES][1:3] == ["198.18.0.3", "198.18.0.4"]
    assert [str(net.pods_of(node)) for node in NODES][:2] == ["198.18.1.0/24", "198.18.2.0/24"]
    assert net.api_url == "https://127.198.18.2:26443"
    assert net.registry == "198.18.0.2:10500"
    assert str(net.load_balancers) == "198.18.64.0/24"
    assert str(net.services) == "198.18.128.0/20"


def test_no_part_overlaps_with_another() -> None:
    net = Network.of("10.9.0.0/16")
    parts = [*map(net.pods_of, NODES), net.load_balancers, net.services]
    assert all(part.subnet_of(net.all) for part in parts)
    assert not any(a.overlaps(b) for a in parts for b in parts if a is not b)
    assert not any(
        address in part for address in (net.host, *map(net.address, NODES)) for part in parts
    )


def test_the_network_that_is_asked_for_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(network.VARIABLE, "10.9.0.0/16")
    assert str(network.chosen().all) == "10.9.0.0/16"
    assert str(network.chosen("10.8.0.0/16").all) == "10.9.0.0/16"
    monkeypatch.setenv(network.VARIABLE, "240.1.0.0/16")
    assert str(network.chosen().all) == "240.1.0.0/16"
    monkeypatch.delenv(network.VARIABLE)
    assert str(network.chosen("10.8.0.0/16").all) == "10.8.0.0/16"


@pytest.mark.parametrize("wrong", ["10.9.0.0/24", "10.9.1.0/16", "10.9", "fd00::/16", "here"])
def test_a_wrong_network_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv(network.VARIABLE, wrong)
    with pytest.raises(LocalError) as refused:
        network.chosen()
    said = str(refused.value)
    assert said == f"{network.VARIABLE}={wrong}: give an IPv4 /16 such as 198.18.0.0/16"


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("0.0.0.0/16", "unspecified"),
        ("127.5.0.0/16", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("224.1.0.0/16", "multicast"),
        ("255.255.0.0/16", "broadcast"),
    ],
)
def test_addresses_that_no_node_can_have_are_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, wrong: str, kind: str
) -> None:
    monkeypatch.setenv(network.VARIABLE, wrong)
    with pytest.raises(LocalError) as refused:
        network.chosen()
    assert str(refused.value) == (
        f"{network.VARIABLE}={wrong}: {kind} addresses are no node's; give an IPv4 /16 such as "
        "198.18.0.0/16"
    )


Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with these links, addresses and routes, as iproute2 tells them in JSON."""

    def with_(**told: list[dict[str, Any]]) -> None:
        def ip(*arguments: str) -> str:
            (what,) = {"link", "address", "route"} & set(arguments)
            return json.dumps(told.get(what, []))

        monkeypatch.setattr(network, "ip", ip)

    return with_


NET = Network.of("198.18.0.0/16")
OTHER = "canary-000000"
OTHERS = "linkerd-canary-000000"


def link(name: str, alias: str = "", address: str = "") -> dict[str, Any]:
    info = [{"family": "inet", "local": address, "prefixlen": 24}] if address else []
    return {"ifname": name, "ifalias": alias, "addr_info": info}


def test_an_ordinary_machine_is_fine(machine: Machine) -> None:
    machine(
        address=[link("lo", address="127.0.0.1"), link("eth0", address="192.0.2.2"), {}],
        route=[
            {"dst": "default", "dev": "eth0"},
            {"dst": "0.0.0.0/1", "dev": "tun0"},  # a default route by halves
            {"dst": "128.0.0.0/1", "dev": "tun0"},
            {"type": "local", "dst": "127.0.0.0/8", "dev": "lo"},
            {"dst": "192.0.2.0/24", "dev": "eth0"},
        ],
    )
    network.refuse_conflicts(NET)


def test_this_clones_own_bridge_is_fine(machine: Machine) -> None:
    machine(
        address=[link(BRIDGE, address="198.18.0.1")],
        route=[{"dst": "198.18.0.0/16", "dev": BRIDGE}, {"dst": "198.18.0.2", "dev": BRIDGE}],
    )
    network.refuse_conflicts(NET)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"address": [link("lan", address="198.18.7.1")]}, "198.18.7.1/32, in use here on lan"),
        (
            {"route": [{"dst": "198.0.0.0/8", "dev": "tun0"}]},
            "198.0.0.0/8, in use here on tun0",
        ),
        (
            {"route": [{"type": "blackhole", "dst": "198.18.9.0/24"}]},
            "198.18.9.0/24, in use here on a route",
        ),
    ],
)
def test_what_overlaps_is_named(machine: Machine, told: dict[str, Any], said: str) -> None:
    machine(**told)
    with pytest.raises(
        LocalError, match=f"198.18.0.0/16 overlaps with {said}: set {network.VARIABLE}"
    ):
        network.refuse_conflicts(NET)


@pytest.fixture
def other_clone(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another clone's bridge holds the first usual network."""
    monkeypatch.delenv(network.VARIABLE, raising=False)
    machine(
        link=[link(OTHER, alias=f"{ALIAS}/home/someone/canary")],
        route=[{"dst": "198.18.0.0/16", "dev": OTHER}],
    )


def test_another_clone_is_named_by_its_folder(
    other_clone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = {(OTHERS, ""): {4711, 4712}, (OTHERS, network.SWITCH): {4712}}
    monkeypatch.setattr(cgroups, "processes", lambda part="", name="": running[name, part])
    with pytest.raises(LocalError, match="belongs to the local nodes of /home/someone/canary: "):
        network.refuse_conflicts(NET)
    assert str(network.chosen().all) == network.USUAL[1]


def test_a_node_that_was_killed_holds_no_network(
    other_clone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its switch still runs.
    monkeypatch.setattr(cgroups, "processes", lambda part="", name="": {4712})
    network.refuse_conflicts(NET)
    assert str(network.chosen().all) == network.USUAL[0]


def test_link_names_are_short_enough_for_the_kernel() -> None:
    assert len(BRIDGE) < 16
    assert len(network.PORT) < 16


def test_a_nodes_hardware_address_is_its_own_and_stays() -> None:
    found = [network.hardware_address(IPv4Address(f"198.18.0.{i}")) for i in (2, 3, 2)]
    assert found == ["02:00:c6:12:00:02", "02:00:c6:12:00:03", "02:00:c6:12:00:02"]
