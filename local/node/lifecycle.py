"""Starting, mending and ending the nodes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from local import debs
from local.errors import LocalError
from local.node import (
    certificates,
    cgroups,
    configuration,
    contact,
    count,
    locks,
    network,
    preflight,
    processes,
    records,
)
from local.node.identity import FIRST, KUBERNETES, NODES, STATE, Node
from local.node.network import SWITCH, Network
from local.node.records import Record
from local.node.setup import Setup
from local.node.waiting import Kubectl, dns_answers, until
from local.progress import say, step


def check() -> None:
    """Raise a LocalError for what makes the nodes impossible here, before anything is built."""
    preflight.check()
    debs.check()
    record = records.read()
    wanted, asked = network.chosen(record.network), count.wanted(record.count)
    network.refuse_conflicts(wanted)
    running = _running_among(NODES[:asked])
    count.check(asked, running, _known_among(NODES[:asked], record))
    if not running:
        preflight.check_api_address(wanted)


def up() -> None:
    """Start the nodes, or mend them, or see that all is well; then pods can run on them."""
    check()
    asked = NODES[: count.wanted(records.read().count)]
    setup = Setup.prepare(network.chosen(records.read().network))
    with locks.of_clone():
        record = records.read()
        with locks.of_machine():
            # Again: another clone may have taken the network while this one was building.
            setup = replace(setup, network=network.chosen(record.network))
            network.refuse_conflicts(setup.network)
            _refuse_other_data(record, setup.network)
            _bring_up(asked, setup, record)
        record.count = len(asked)
        record.write()
        _finish(asked, setup, record)


def start(number: int) -> None:
    """Start a node that was stopped, by its number from 1, and wait until it is ready.

    Raises LocalError, also where the last `up` did not ask for that node.
    """
    setup = Setup.prepare(records.own_network())
    with locks.of_clone():
        record = records.read()
        node = _numbered(number, record)
        with locks.of_machine():
            network.refuse_conflicts(setup.network)
            _start([node], setup, record)
        _wait_for([node], setup, record)


def stop(number: int) -> None:
    """End a node, by its number from 1, as the crash of a machine does: all processes at once.

    Raises LocalError where the last `up` did not ask for that node.
    """
    with locks.of_clone():
        processes.end([_numbered(number, records.read()).name])


def down() -> None:
    """End the nodes: no process, mount, namespace, route, firewall rule or control group is left.

    Their data stays, for the next `up`. Does nothing where nothing runs.
    """
    preflight.check_tools()
    with locks.of_clone():
        _end()


def nodes() -> tuple[Node, ...]:
    """The nodes that there are, by the last `up`."""
    return NODES[: records.read().count or 0]


def _numbered(number: int, record: Record) -> Node:
    """The node of a number, among those that there are."""
    present = record.count or 0
    if not 1 <= number <= present:
        raise LocalError(f"there is no node {number}: this clone has {_nodes(present)}")
    return NODES[number - 1]


def _bring_up(asked: Sequence[Node], setup: Setup, record: Record) -> None:
    """Start the nodes that do not run, or not as they should, and end those that are too many."""
    stale = [node for node in asked if not _is_current(node, setup, record)]
    surplus = cgroups.parts() - {node.name for node in asked} - {SWITCH}
    if not network.connected():
        stale = list(asked)
    if stale == list(asked):
        with step(f"starting Kubernetes, {_nodes(len(asked))}"):
            # Before any ends; what those that run hold is there again when they have.
            count.check(len(asked), _running_among(NODES), _known_among(asked, record))
            _end()
            preflight.check_api_address(setup.network)
            _start(stale, setup, record)
    elif stale or surplus:
        with step(f"mending Kubernetes, {_nodes(len(asked))}"):
            processes.end(surplus)
            _start(stale, setup, record)


def _running_among(nodes: Sequence[Node]) -> int:
    return sum(contact.running(node) for node in nodes)


def _known_among(nodes: Sequence[Node], record: Record) -> int:
    """How many have their data: those that have been started before."""
    return sum(node.name in record.since for node in nodes)


def _nodes(number: int) -> str:
    return "1 node" if number == 1 else f"{number} nodes"


def _is_current(node: Node, setup: Setup, record: Record) -> bool:
    return contact.running(node) and record.started_with.get(node.name) == setup.key(node)


def _start(starting: Sequence[Node], setup: Setup, record: Record) -> None:
    """Start nodes, all at once; none of them is left running if one cannot be started."""
    processes.end(node.name for node in starting)
    present = contact.image_names()
    for image in setup.images.values():
        if image.name not in present:
            contact.load(image.archive())
    # kubeadm needs the first node's, and every node's kubelet its own.
    for node in {FIRST, *starting}:
        configuration.write(node, setup.files(node))
    certificates.make(setup.programs, starting, setup.network)
    # Until they are whole: a start that is killed here leaves nodes that run and reach nothing.
    record.forget(starting)
    record.network = str(setup.network.all)
    record.write()
    try:
        network.connect(setup.network)
        with ThreadPoolExecutor() as pool:
            for launched in [pool.submit(processes.launch, node, setup) for node in starting]:
                launched.result()
    except BaseException:
        processes.end(node.name for node in starting)
        if not any(contact.running(node) for node in NODES):
            _end()
        raise
    for node in starting:
        record.note(node, setup.key(node))
    record.write()


def _finish(asked: Sequence[Node], setup: Setup, record: Record) -> None:
    """Bring started nodes to where pods can run; quick when they are there already."""
    kubectl = _kubectl(setup)
    at = setup.network.api_url

    def dns() -> bool:
        name = "kubernetes.default.svc.cluster.local"
        return dns_answers(setup.network.dns, name, setup.network.host)

    def objects() -> bool:
        return kubectl("apply", "-f", str(KUBERNETES / "manifests.yaml")) is not None

    until(f"the API server at {at}", kubectl.api_ready, log="kube-apiserver.log")
    if not dns():
        until("the API server to take the node's objects", objects, log="kube-apiserver.log")
    _wait_for(asked, setup, record)
    _remove_others(asked, kubectl)
    until(f"the cluster's DNS at {setup.network.dns}", dns, log="kubelet.log")


def _kubectl(setup: Setup) -> Kubectl:
    return Kubectl(setup.programs / "kubectl", certificates.SUPER_ADMIN, setup.network.api_url)


def _wait_for(asked: Sequence[Node], setup: Setup, record: Record) -> None:
    """Wait until kubelet reports of each node that it is ready."""
    kubectl = _kubectl(setup)
    for node in asked:
        since = record.since[node.name]
        until(
            f"kubelet on {node.name}",
            lambda node=node, since=since: kubectl.node_ready(node.name, since),  # type: ignore[misc]
            log="kubelet.log",
            node=node,
        )


def _remove_others(asked: Sequence[Node], kubectl: Kubectl) -> None:
    """Remove nodes that are no longer asked for; what ran there starts again on the others."""
    names = (kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}") or "").split()
    for name in set(names) - {node.name for node in asked}:
        say(f"  {name} is no longer asked for: what ran there starts again elsewhere")
        kubectl("delete", "node", name, "--wait=false")
        pods = ("pods", "--all-namespaces", f"--field-selector=spec.nodeName={name}")
        kubectl("delete", *pods, "--force", "--grace-period=0", "--wait=false")


def _end() -> None:
    """Kill what runs of the nodes, and remove what is outside their namespaces."""
    processes.end(cgroups.parts())
    network.disconnect()
    cgroups.remove()


def _refuse_other_data(record: Record, wanted: Network) -> None:
    """Cluster IPs and certificates are made for one network, and stay with the data."""
    made_for = record.network or str(wanted.all)
    if made_for != str(wanted.all):
        raise LocalError(
            f"this clone's nodes have their data for {made_for}, not {wanted.all}: set "
            f"{network.VARIABLE} back, or `make down` and delete {STATE} to start afresh"
        )
