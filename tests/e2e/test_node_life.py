"""The nodes' start, end and mending, on a clone of its own beside the one that people use, whose
nodes are not needed.

It has two nodes, a control plane and another, unless a test says otherwise.

The clone lies deep enough that a unix socket in it would have too long a path.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local import binaries, debs
from local.errors import LocalError
from local.node import cgroups, count, network, records
from local.node.mounts import KERNEL_SETTINGS
from local.node.network import Network
from local.paths import VENV
from tests.e2e.cluster import PATIENCE, eventually, server_image
from tests.harness.clone import copy_of_local
from tests.harness.networks import free_network

pytestmark = pytest.mark.long

UP = "from local import node; node.up()"
DOWN = "from local import node; node.down()"


@dataclass
class Clone:
    """A second clone of the project's local part, with a network of its own."""

    folder: Path
    net: str
    """The network that its commands ask for where a test does not say another."""

    nodes: int = 2
    """How many nodes its commands ask for."""

    def start(self, program: str, *prefix: str, net: str | None = None) -> subprocess.Popen[str]:
        """Start a Python program in the clone; `prefix` is a command that runs it."""
        asked = {
            network.VARIABLE: self.net if net is None else net,
            count.VARIABLE: str(self.nodes),
        }
        environment = os.environ | asked | {"PYTHONPATH": str(self.folder)}
        return subprocess.Popen(
            [*prefix, sys.executable, "-c", _LIKE_THE_COMMANDS.format(program=program)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, program: str, *prefix: str, net: str | None = None) -> str:
        """What a program prints that must go well."""
        status, said = self.finish(self.start(program, *prefix, net=net))
        assert status == 0, said
        return said

    def refused(self, program: str, *prefix: str, net: str | None = None) -> str:
        """The one line with which a command must refuse."""
        status, said = self.finish(self.start(program, *prefix, net=net))
        assert status == 1, said
        assert "Traceback" not in said
        return said.strip().splitlines()[-1]

    @staticmethod
    def finish(started: subprocess.Popen[str]) -> tuple[int, str]:
        said, _ = started.communicate(timeout=600)
        return started.returncode, said

    def kubectl(self, *arguments: str) -> str:
        """kubectl on the clone's node; an AssertionError when it fails."""
        kubeconfig = self.folder / ".local" / "kubeconfig"
        command = [str(binaries.kube() / "kubectl"), "--kubeconfig", str(kubeconfig), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def expose(self, service: str) -> None:
        """Give the deployment `web` a service with a public address."""
        ports = ("--port=80", "--target-port=8080")
        self.kubectl("expose", "deployment/web", f"--name={service}", "--type=LoadBalancer", *ports)

    def address(self, service: str) -> str:
        """A service's public address, empty until it has one."""
        path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
        return self.kubectl("get", "service", service, "-o", path)

    def first_process(self, part: str = "local-node") -> int | None:
        """The process 1 of a node, or of another part."""
        asked = f"from local.node import cgroups; print(cgroups.first_process({part!r}))"
        said = self.run(asked).strip()
        return None if said == "None" else int(said)

    def get(self, url: str) -> str:
        """What a URL of the clone's nodes answers to this machine."""
        asked = f"from local import node; print(node.session().get({url!r}, timeout=10).text)"
        status, said = self.finish(self.start(asked))
        assert status == 0, said
        return said

    @property
    def ready(self) -> bool:
        """Whether the clone's nodes take requests and resolve names, once they are up."""
        self.run(UP)
        return self.kubectl("get", "nodes").count(" Ready ") == self.nodes


_LIKE_THE_COMMANDS = """\
import sys
from local.errors import LocalError
try:
    {program}
except LocalError as error:
    sys.exit(f"error: {{error}}")
"""


def is_free(wanted: Network) -> bool:
    """Whether a node of this clone could have a network."""
    try:
        network.refuse_conflicts(wanted)
    except LocalError:
        return False
    return True


def own_network() -> Network:
    """That of this clone's nodes, which may be down."""
    return network.chosen(records.read().network)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    folder = copy_of_local(tmp_path_factory.mktemp("clone") / "deep" / ("x" * 100))
    made = Clone(folder, str(free_network(own_network()).all))
    yield made
    made.run(DOWN)


def test_down_where_nothing_runs(clone: Clone) -> None:
    clone.run(DOWN)


def test_the_node_ends_without_a_trace(clone: Clone) -> None:
    before = traces()
    clone.run(UP)
    namespaces: set[str] = set()
    for part, kinds in (("local-node", KINDS), ("local-node-2", KINDS), ("switch", {"net", "pid"})):
        found = namespaces_of(clone.first_process(part), kinds)
        assert not found & namespaces, "each part has its own"
        namespaces |= found
    assert traces() - before, "a running node shows"
    ran = processes_in(namespaces)
    assert ran
    clone.run(DOWN)
    assert not ran & processes_in(namespaces)
    # Another clone's nodes may have come or gone meanwhile.
    others = re.compile(rf"canary-(?!{clone_id(clone)})[0-9a-f]{{6}}")
    assert {trace for trace in traces() - before if not others.search(trace)} == set()


def test_too_little_memory_is_said_before_anything_starts(clone: Clone) -> None:
    clone.run(DOWN)
    scarce = "from local.node import count; count.available_memory = lambda: 800 << 20"
    said = clone.refused(f"{scarce}; {UP}")
    assert said.startswith("error: 2 nodes need 1 GiB of memory, and 0.8 GiB are available: ")
    assert clone.first_process() is None
    assert clone.first_process("switch") is None


def test_the_api_servers_port_in_use_is_said_before_anything_starts(clone: Clone) -> None:
    clone.run(DOWN)
    with socket.create_server((str(Network.of(clone.net).api), network.API_PORT)):
        assert "API server cannot listen on " in clone.refused(UP)
    assert clone.first_process("switch") is None


def test_objects_and_pods_come_back(clone: Clone) -> None:
    clone.run(UP)
    image = server_image()
    archive = f"pathlib.Path({str(image.archive())!r})"
    clone.run(f"import pathlib; from local import node; node.load({archive})")
    clone.kubectl("create", "configmap", "kept", "--from-literal=key=value")
    clone.kubectl("create", "deployment", "web", f"--image={image.name}", "--replicas=2")
    clone.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    clone.expose("public")
    address = eventually(lambda: clone.address("public"))
    started = "jsonpath={.items[*].status.containerStatuses[0].state.running.startedAt}"
    command = ("get", "pods", "-l", "app=web", "-o", started)
    before = clone.kubectl(*command).split()
    clone.run(DOWN)
    clone.run(UP)
    assert clone.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.key}") == "value"

    def again() -> bool:
        after = clone.kubectl(*command).split()
        return len(after) == len(before) and min(after) > max(before)

    assert eventually(again)
    assert eventually(lambda: "2/2" in clone.kubectl("get", "deployment", "web"))
    assert clone.address("public") == address
    assert "path=/back" in eventually(lambda: clone.get(f"http://{address}/back"))
    clone.expose("later")
    assert eventually(lambda: clone.address("later")) != address
    clone.kubectl("delete", "deployment/web", "service/public", "service/later")


def test_a_second_up_changes_nothing(clone: Clone) -> None:
    clone.run(UP)
    first = clone.first_process()
    clone.run(UP)
    assert clone.first_process() == first


def test_a_killed_node_is_gone_as_a_whole_and_mended(clone: Clone) -> None:
    clone.run(UP)
    first = clone.first_process()
    namespaces = namespaces_of(first)
    ran = processes_in(namespaces)
    assert first
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: not ran & processes_in(namespaces))
    assert clone.ready


def test_a_killed_component_is_started_again(clone: Clone) -> None:
    clone.run(UP)
    control = "supervisorctl -c /etc/kubernetes/supervisord.conf"
    command = (
        f"from local import node; node.enter(*'{VENV}/bin/{control} signal KILL etcd'.split())"
    )
    assert "etcd: signalled" in clone.run(command)
    assert eventually(lambda: "kube-dns" in clone.kubectl("get", "services", "-A"))
    assert clone.ready


def test_an_interrupted_up_is_finished_by_the_next(clone: Clone) -> None:
    clone.run(DOWN)
    starting = clone.start(UP)
    assert eventually(clone.first_process)
    starting.kill()
    starting.communicate()
    assert clone.ready


def test_two_ups_at_once(clone: Clone) -> None:
    clone.run(DOWN)
    both = [clone.start(UP), clone.start(UP)]
    assert [clone.finish(one)[0] for one in both] == [0, 0]
    assert clone.ready


def test_fewer_nodes_and_more_again(clone: Clone) -> None:
    """What ran on a node that is no longer asked for starts again on the others."""
    clone.run(UP)
    image = server_image()
    archive = f"pathlib.Path({str(image.archive())!r})"
    clone.run(f"import pathlib; from local import node; node.load({archive})")
    wish = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["local-node-2"]}
    preferred = [{"weight": 100, "preference": {"matchExpressions": [wish]}}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    on_the_second = json.dumps({"spec": {"template": {"spec": {"affinity": affinity}}}})
    clone.kubectl("create", "deployment", "moves", f"--image={image.name}", "--replicas=0")
    clone.kubectl("patch", "deployment", "moves", "-p", on_the_second)
    clone.kubectl("scale", "deployment/moves", "--replicas=1")
    where = ("get", "pods", "-l", "app=moves", "-o", "jsonpath={.items[*].spec.nodeName}")
    ready = ("rollout", "status", "deployment/moves", f"--timeout={PATIENCE:.0f}s")
    clone.kubectl(*ready)
    assert clone.kubectl(*where) == "local-node-2"
    try:
        clone.nodes = 1
        clone.run(UP)
        assert clone.kubectl("get", "nodes", "-o", "name").split() == ["node/local-node"]
        assert clone.first_process("local-node-2") is None
        assert eventually(lambda: clone.kubectl(*where) == "local-node")
        clone.kubectl(*ready)
        first = clone.first_process()
        clone.nodes = 2
        assert clone.ready
        assert clone.first_process() == first, "the other one goes on as it was"
    finally:
        clone.nodes = 2
    clone.kubectl("delete", "deployment/moves")


def test_the_number_of_nodes_is_remembered(clone: Clone) -> None:
    clone.run(UP)
    clone.run(f"import os; del os.environ[{count.VARIABLE!r}]; {UP}")
    assert clone.kubectl("get", "nodes").count(" Ready ") == 2


def test_a_number_of_nodes_that_is_none_changes_nothing(clone: Clone) -> None:
    clone.run(UP)
    before = clone.first_process(), clone.first_process("local-node-2")
    said = clone.refused(f"import os; os.environ[{count.VARIABLE!r}] = '7'; {UP}")
    assert said == f"error: {count.VARIABLE}=7: give a whole number from 1 to 5"
    assert (clone.first_process(), clone.first_process("local-node-2")) == before


def test_the_data_of_a_release_with_one_node_goes_on(clone: Clone) -> None:
    """Its record had another form, and its API server no certificate for loopback."""
    clone.run(UP)
    clone.kubectl("create", "configmap", "old", "--from-literal=key=value")
    clone.run(DOWN)
    data = clone.folder / ".local" / "node"
    old = {"with": "abc", "since": "2026-01-01T00:00:00Z", "network": clone.net}
    (data / "run.json").write_text(json.dumps(old))
    (data / "kubernetes" / "complete").write_text("")
    kubeadm = data / "kubernetes" / "kubeadm.yaml"
    lines = kubeadm.read_text().splitlines(keepends=True)
    kubeadm.write_text("".join(x for x in lines if "apiServer" not in x and "certSANs" not in x))
    for file in ("apiserver.crt", "apiserver.key"):
        (data / "kubernetes" / "pki" / file).unlink()
    phase = ("init", "phase", "certs", "apiserver", "--config", str(kubeadm))
    subprocess.run([binaries.kube() / "kubeadm", *phase], check=True, capture_output=True)
    kubeconfig = clone.folder / ".local" / "kubeconfig"
    address = f"https://{Network.of(clone.net).node}:6443"
    kubeconfig.write_text(re.sub(r"https://[0-9.:]+", address, kubeconfig.read_text()))
    shutil.rmtree(data / "nodes")
    assert clone.ready
    assert clone.kubectl("get", "configmap", "old", "-o", "jsonpath={.data.key}") == "value"
    assert Network.of(clone.net).api_url in kubeconfig.read_text()


@pytest.fixture
def old_node(clone: Clone) -> Iterator[list[subprocess.Popen[bytes]]]:
    """What a release that knew one node has running: its control groups, a bridge, no switch."""
    clone.run(DOWN)
    bridge = f"{network.BRIDGES}{clone_id(clone)}"
    # It waits until it has been moved into its control group.
    script = "read -r _; exec unshare --net --pid --fork --kill-child sleep infinity"
    running = [subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE) for _ in range(2)]
    # `node` was right below the clone's group.
    for group, process in zip((".", "kubepods"), running, strict=True):
        clone.run(f"from local.node import cgroups; cgroups.join({group!r}, {process.pid})")
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.close()
    assert eventually(lambda: clone.first_process("kubepods"))
    network.ip("link", "add", bridge, "type", "bridge")
    network.ip("link", "set", bridge, "alias", f"{network.ALIAS}{clone.folder}"[:255])
    yield running
    for process in running:
        process.kill()
        process.wait()
    clone.run(DOWN)


@pytest.mark.parametrize("command", [UP, DOWN])
def test_a_node_of_an_older_release_that_still_runs_is_ended(
    clone: Clone, old_node: list[subprocess.Popen[bytes]], command: str
) -> None:
    groups = [root / f"{cgroups.NAMES}{clone_id(clone)}" for root in cgroups.hierarchies()]
    assert all((group / part).exists() for group in groups for part in ("node", "kubepods"))
    clone.run(command)
    assert all(process.wait(timeout=PATIENCE) != 0 for process in old_node)
    assert not any((group / part).exists() for group in groups for part in ("node", "kubepods"))
    if command == UP:
        assert clone.ready


def test_down_after_the_data_was_deleted_by_hand(clone: Clone) -> None:
    before = traces()
    clone.run(UP)
    namespaces = namespaces_of(clone.first_process())
    ran = processes_in(namespaces)
    shutil.rmtree(clone.folder / ".local", ignore_errors=True)
    clone.run(DOWN)
    assert not ran & processes_in(namespaces)
    assert {trace for trace in traces() - before if clone_id(clone) in trace} == set()


class TestBesideAnother:
    """While another clone's node runs; one each, for inotify's sake."""

    @pytest.fixture(scope="class")
    @classmethod
    def other(cls, clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
        kept = own_network(), Network.of(clone.net)
        folder = copy_of_local(tmp_path_factory.mktemp("other"))
        made = Clone(folder, str(free_network(*kept).all), nodes=1)
        made.run(UP)
        clone.nodes = 1
        yield made
        clone.nodes = 2
        made.run(DOWN)

    def test_its_network_is_refused_by_its_folder(self, clone: Clone, other: Clone) -> None:
        shutil.rmtree(clone.folder / ".local", ignore_errors=True)
        clone.run(DOWN)
        said = clone.refused(UP, net=other.net)
        assert said.startswith(f"error: {other.net} belongs to the local nodes of {other.folder}: ")

    def test_both_work_side_by_side(self, clone: Clone, other: Clone) -> None:
        """Here a fresh start: the data was deleted, but not the kubeconfig of the former nodes."""
        kubeconfig = clone.folder / ".local" / "kubeconfig"
        former = (other.folder / ".local" / "kubeconfig").read_text()
        api, others = (Network.of(each.net).api_url for each in (clone, other))
        kubeconfig.write_text(former.replace(others, api))
        clone.run(UP)
        assert "kube-dns" in clone.kubectl("get", "services", "-n", "kube-system")
        assert "local-node" in other.kubectl("get", "nodes")
        assert "local-node" in clone.kubectl("get", "nodes")


def test_the_network_of_killed_nodes_is_free(clone: Clone) -> None:
    clone.run(UP)
    held = Network.of(clone.net)
    for part in ("local-node-2", "local-node"):
        with pytest.raises(LocalError, match="belongs to the local nodes of "):
            network.refuse_conflicts(held)
        first = clone.first_process(part)
        assert first
        os.kill(first, signal.SIGKILL)
    assert eventually(lambda: is_free(held))
    assert clone.ready


def test_data_made_for_another_network_is_refused(clone: Clone) -> None:
    clone.run(UP)
    other = str(free_network(Network.of(clone.net)).all)
    said = clone.refused(UP, net=other)
    assert f"have their data for {clone.net}, not {other}" in said


def test_two_clones_that_start_at_once_take_two_networks(clone: Clone, tmp_path: Path) -> None:
    """In a network of their own, where both usual ones are free."""
    clone.run(DOWN)
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up; echo; read -r _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as machine:
        assert machine.stdin
        assert machine.stdout
        machine.stdout.readline()
        enter = ("nsenter", "--net", f"--target={machine.pid}", "--")
        both = [Clone(copy_of_local(tmp_path / name), net="", nodes=1) for name in ("a", "b")]
        try:
            ups = [each.start(UP, *enter) for each in both]
            for up in ups:
                status, said = Clone.finish(up)
                assert status == 0, said
            used = "from local import node; print(node.own_network().all)"
            assert {each.run(used).strip() for each in both} == set(network.USUAL)
        finally:
            for each in both:
                each.run(DOWN, *enter)
            machine.stdin.close()


def test_a_network_in_use_is_refused(clone: Clone) -> None:
    clone.run(DOWN)
    shutil.rmtree(clone.folder / ".local", ignore_errors=True)
    script = 'ip link add lan type bridge && ip addr add 10.213.7.1/24 dev lan && exec "$@"'
    elsewhere = ("unshare", "--net", "sh", "-c", script, "sh")
    said = clone.refused(UP, *elsewhere, net="10.213.0.0/16")
    assert said.startswith("error: 10.213.0.0/16 overlaps with 10.213.7.1/32, in use here on lan")


def test_without_the_right_to_make_namespaces(clone: Clone) -> None:
    clone.run(DOWN)
    said = clone.refused(UP, "setpriv", "--bounding-set=-sys_admin")
    assert "the node could not be set up: unshare: " in said


def clone_id(clone: Clone) -> str:
    return clone.run("from local.node.identity import ID; print(ID)").strip()


KINDS = frozenset({"mnt", "pid", "net", "uts", "ipc"})
"""The namespaces that a node has of its own."""


def namespaces_of(pid: int | None, kinds: Collection[str] = KINDS) -> set[str]:
    """The namespaces of a process 1 that this machine's own processes do not have."""
    found = {_link(Path(f"/proc/{pid}/ns/{kind}")) for kind in kinds}
    assert not found & {_link(Path(f"/proc/self/ns/{kind}")) for kind in kinds}
    return found


def processes_in(namespaces: set[str]) -> set[tuple[int, str]]:
    """The processes that are in any of these namespaces: id, and when it started.

    The number of a namespace that is gone is soon another's, of other nodes that come up.
    """
    processes = {
        path.parts[2] for path in Path("/proc").glob("[0-9]*/ns/*") if _link(path) in namespaces
    }
    return {(int(process), _started(process)) for process in processes}


def _started(process: str) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:  # the process has just ended
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # the process has just ended
        return ""


def traces() -> set[str]:
    """This machine's mounts, links, addresses, routes, rules, control groups and settings."""
    nft = debs.unpacked() / "usr"
    libraries = next((nft / "lib").glob("*-linux-gnu*"))
    commands: tuple[tuple[list[str], dict[str, str]], ...] = (
        (["cat", "/proc/self/mountinfo"], {}),
        (["ip", "-oneline", "link"], {}),
        (["ip", "-oneline", "address"], {}),
        (["ip", "route", "show", "table", "all"], {}),
        (["ip", "rule"], {}),
        ([str(nft / "sbin" / "nft"), "list", "ruleset"], {"LD_LIBRARY_PATH": str(libraries)}),
    )
    found = {
        line
        for command, more in commands
        for line in subprocess.check_output(command, env=os.environ | more, text=True).splitlines()
    }
    groups = {str(path) for root in cgroups.hierarchies() for path in root.glob("*")}
    settings = {f"{name}={Path('/proc/sys', name).read_text()}" for name in KERNEL_SETTINGS}
    return found | groups | settings | {str(path) for path in Path("/run/netns").glob("*")}
