"""Starting and ending nodes: what is checked, written and locked meanwhile; nothing is started."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local.errors import LocalError
from local.node import (
    certificates,
    cgroups,
    configuration,
    contact,
    count,
    lifecycle,
    locks,
    network,
    preflight,
    processes,
    records,
)
from local.node.identity import FIRST, NODES, Node
from local.node.network import Network
from local.node.records import Record
from local.node.setup import Setup

NET, OTHER_NET = map(Network.of, network.USUAL)
GIB = 1 << 30


def setup_on(net: Network) -> Setup:
    return Setup(net, Path("/programs"), Path("/packages"), Path("/image"), Path("/policies"), {})


@dataclass
class Machine:
    """What is done to a machine whose nodes are names in a set."""

    running: set[str] = field(default_factory=set)
    memory: float = 64.0
    """GiB."""

    networks: list[Network] = field(default_factory=lambda: [NET])
    """What is chosen, one after the other; the last one again and again."""

    known_at_launch: set[str] = field(default_factory=set)
    """The nodes that the record called started when one was launched."""

    events: list[tuple[str, bool]] = field(default_factory=list)
    """What was done, and whether the machine's lock was held meanwhile."""

    def note(self, event: str) -> None:
        self.events.append((event, is_held()))

    def done(self) -> list[str]:
        return [event for event, _ in self.events]

    def end(self, parts: Iterable[str]) -> None:
        for part in sorted(parts):
            self.note(f"end {part}")
            self.running.discard(part)

    def launch(self, node: Node, setup: Setup) -> None:
        self.note(f"launch {node.name}")
        self.known_at_launch |= set(records.read().started_with)
        self.running.add(node.name)

    def chosen(self, made_for: str | None = None) -> Network:
        self.note("choose")
        return self.networks.pop(0) if len(self.networks) > 1 else self.networks[0]


def is_held() -> bool:
    """Whether anybody holds the machine's lock."""
    descriptor = os.open(locks.NETWORK, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


TRY_LOCK = """
import fcntl, sys
with open(sys.argv[1]) as lock:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine()
    fakes: list[tuple[Any, str, Any]] = [
        (records, "FILE", tmp_path / "run.json"),
        (locks, "LOCAL", tmp_path),
        # Of this test alone: a clone on this machine may be starting its nodes.
        (locks, "NETWORK", tmp_path),
        (count, "LOCAL", tmp_path),
        (count, "DISK", (0.0, 0.0)),
        (count, "DISK_AGAIN", 0.0),
        (count, "available_memory", lambda: int(made.memory * GIB)),
        (count, "inotify_instances", lambda: 0),
        (preflight, "check_api_address", lambda _: None),
        (cgroups, "parts", lambda: set(made.running)),
        (cgroups, "remove", lambda *_: None),
        (contact, "running", lambda node=FIRST: node.name in made.running),
        (contact, "image_names", set),
        (configuration, "write", lambda *_: None),
        (certificates, "make", lambda *_: None),
        (network, "chosen", made.chosen),
        (network, "refuse_conflicts", lambda _: made.note("refuse conflicts")),
        (network, "connected", lambda: bool(made.running)),
        (network, "connect", lambda _: made.note("connect")),
        (network, "disconnect", lambda: None),
        (processes, "end", made.end),
        (processes, "launch", made.launch),
        (Setup, "prepare", staticmethod(setup_on)),
        (Setup, "key", lambda _, node: f"key of {node.name}"),
        (Setup, "files", lambda *_: {}),
        (lifecycle, "check", lambda: None),
        (lifecycle, "_finish", lambda *_: made.note("finish")),
        (lifecycle, "_wait_for", lambda *_: made.note("wait")),
    ]
    for where, name, fake in fakes:
        monkeypatch.setattr(where, name, fake)
    monkeypatch.setenv(count.VARIABLE, "2")
    return made


def remember(nodes: Sequence[Node], key: str = "key of {}") -> None:
    """Write the record of nodes that were started with a key."""
    record = Record(network=str(NET.all), count=len(nodes))
    for node in nodes:
        record.note(node, key.format(node.name))
    record.write()


def test_the_network_is_held_from_its_choice_until_the_nodes_run(machine: Machine) -> None:
    lifecycle.up()
    locked = [event for event, held in machine.events if held]
    assert locked[:2] == ["choose", "refuse conflicts"]
    assert locked[-3] == "connect"
    assert set(locked[-2:]) == {"launch local-node", "launch local-node-2"}
    assert machine.events[-1] == ("finish", False)


def test_a_network_that_was_taken_during_the_build_is_chosen_anew(machine: Machine) -> None:
    machine.networks = [NET, OTHER_NET]
    lifecycle.up()
    assert records.own_network() == OTHER_NET


def test_a_start_that_is_killed_half_way_is_not_taken_for_a_whole_one(machine: Machine) -> None:
    """The data of an earlier start names the same programs and configuration."""
    remember(NODES[:2])
    lifecycle.up()
    assert machine.known_at_launch == set()
    assert set(records.read().started_with) == {node.name for node in NODES[:2]}


def test_nodes_that_have_run_are_not_asked_for_a_first_starts_disk(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(count, "DISK", (1e9, 1e9))
    with pytest.raises(LocalError, match="2 nodes need 2e\\+09 GiB of disk"):
        lifecycle.up()
    remember(NODES[:2])
    lifecycle.up()
    assert machine.running == {"local-node", "local-node-2"}


def test_a_start_of_one_node_holds_the_network_too(machine: Machine) -> None:
    remember(NODES[:2])
    machine.running = {"local-node"}
    lifecycle.start(2)
    assert ("refuse conflicts", True) in machine.events
    assert ("launch local-node-2", True) in machine.events
    assert machine.events[-1] == ("wait", False)


@pytest.mark.parametrize("number", [-1, 0, 3, 9])
def test_a_node_that_there_is_not_is_neither_started_nor_stopped(
    machine: Machine, number: int
) -> None:
    remember(NODES[:2])
    for act in (lifecycle.start, lifecycle.stop):
        with pytest.raises(LocalError) as refused:
            act(number)
        assert str(refused.value) == f"there is no node {number}: this clone has 2 nodes"
    assert machine.events == []


def test_no_node_is_stopped_where_there_is_none(machine: Machine) -> None:
    with pytest.raises(LocalError, match="there is no node 1: this clone has 0 nodes"):
        lifecycle.stop(1)


def test_what_an_up_noted_meanwhile_is_kept(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start waits for the lock, and an `up` may have changed the record until it has it."""

    def prepare(net: Network) -> Setup:
        remember(NODES[:3], key="newer key of {}")
        return setup_on(net)

    remember(NODES[:2])
    monkeypatch.setattr(Setup, "prepare", staticmethod(prepare))
    lifecycle.start(2)
    written = records.read()
    assert written.count == 3
    assert written.started_with == {
        "local-node": "newer key of local-node",
        "local-node-2": "key of local-node-2",
        "local-node-3": "newer key of local-node-3",
    }


def test_too_little_memory_is_told_before_a_running_node_is_ended(machine: Machine) -> None:
    remember(NODES[:1], key="older key")
    machine.running, machine.memory = {"local-node"}, 0.1
    with pytest.raises(LocalError, match=r"2 nodes need 0\.25 GiB more of memory, and 0\.1 GiB"):
        lifecycle.up()
    assert machine.running == {"local-node"}


def test_stale_nodes_are_started_again_in_the_memory_that_they_hold(machine: Machine) -> None:
    remember(NODES[:2], key="older key")
    machine.running, machine.memory = {"local-node", "local-node-2"}, 0.1
    lifecycle.up()
    assert machine.done().index("end local-node") < machine.done().index("launch local-node")
    assert records.read().started_with["local-node"] == "key of local-node"


def test_a_lock_is_waited_for(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_SECONDS", 0.2)
    with (
        locks.of_machine(),
        pytest.raises(LocalError, match="another `make up`, of some clone on this machine, does"),
        locks.of_machine(),
    ):
        pass
    with (
        locks.of_clone(),
        pytest.raises(LocalError, match="another `make up` or `make down` of this clone does not"),
        locks.of_clone(),
    ):
        pass
    with locks.of_machine(), locks.of_clone():
        assert is_held()
    assert not is_held()


def test_the_machines_lock_is_seen_by_other_clones() -> None:
    """The real one, by a process that has nothing of this one but the machine's network."""
    command = [sys.executable, "-c", TRY_LOCK, str(locks.NETWORK)]
    with locks.of_machine():
        tried = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert "BlockingIOError" in tried.stderr
