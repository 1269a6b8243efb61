"""Starting, mending and ending the node."""

import fcntl
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from local import binaries, debs
from local.archives import OwnImage
from local.cache import key
from local.errors import LocalError
from local.node import certificates, cgroups, configuration, contact, mounts, network, preflight
from local.node.identity import KUBERNETES, LOGS, NODE_NAME, STATE
from local.node.network import Network
from local.node.waiting import Kubectl, dns_answers, last_words, until
from local.paths import LOCAL, PYTHON, ROOT
from local.progress import say, step

NAMESPACES = (
    "--mount", "--pid", "--net", "--uts", "--ipc",
    "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
)  # fmt: skip
"""What the node has of its own; when its process 1 ends, so does all the rest."""

RECORD = STATE / "run.json"
"""What the node was last started with, and when."""

LOCK_SECONDS = 300.0
SET_UP_SECONDS = 120.0
END_SECONDS = 10.0


def check() -> None:
    """Raise a LocalError for what makes a node impossible here, before anything is built."""
    preflight.check()
    debs.check()
    network.refuse_conflicts(network.chosen(_record().get("network")))
    if not contact.running():
        preflight.check_disk()


def up() -> None:
    """Start the node, or mend it, or see that all is well; then pods can run on it."""
    check()
    wanted = network.chosen(_record().get("network"))
    programs, packages = binaries.kube(), debs.unpacked()
    images = {
        "PAUSE_IMAGE": OwnImage(binaries.pause()),
        "COREDNS_IMAGE": OwnImage(binaries.coredns()),
    }
    files = configuration.rendered(wanted, {name: image.name for name, image in images.items()})
    started_with = key([programs.name, packages.name, *files.values()])
    with _alone():
        network.refuse_conflicts(wanted)
        record = _record()
        _refuse_other_data(record, wanted)
        if not contact.running() or record.get("with") != started_with:
            preflight.check_disk()
            with step("starting Kubernetes"):
                _end()
                configuration.write(files)
                certificates.make(programs)
                _start(programs, packages, wanted)
                _remember(started_with, wanted)
        _finish(Kubectl(programs / "kubectl", certificates.SUPER_ADMIN), images, wanted)


def down() -> None:
    """End the node: no process, mount, namespace, route, firewall rule or control group is left.

    Its data stays, for the next `up`. Does nothing where nothing runs.
    """
    preflight.check_tools()
    with _alone():
        _end()


def own_network() -> Network:
    """The network that the node's data was made for; a LocalError where there is none."""
    made_for = _record().get("network")
    if made_for is None:
        raise LocalError("there is no local node yet: `make up` makes it")
    return Network.of(made_for)


def _start(programs: Path, packages: Path, wanted: Network) -> None:
    """Start process 1 in its namespaces and give it its network; nothing is left if that fails."""
    for name in mounts.DATA:
        (STATE / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = (str(packages), str(programs))
    inside = [str(PYTHON), "-m", "local.node.inside", *paths, str(wanted.all)]
    try:
        with (
            (LOGS / "node.log").open("w") as log,
            subprocess.Popen(
                ["setsid", "--fork", "unshare", *NAMESPACES, *inside],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            ) as starting,
        ):
            first = cgroups.first_process() if _says_ready(starting) else None
            if first is None:
                raise LocalError(f"the node could not be set up: {last_words()}")
            network.connect(wanted, first)
    except BaseException:
        _end()
        raise


def _says_ready(starting: subprocess.Popen[bytes]) -> bool:
    """Whether the new process 1 asks for its network, within SET_UP_SECONDS."""
    if not starting.stdout:
        return False
    said, _, _ = select.select([starting.stdout], [], [], SET_UP_SECONDS)
    return bool(said) and starting.stdout.readline() == b"ready\n"


def _finish(kubectl: Kubectl, images: dict[str, OwnImage], wanted: Network) -> None:
    """Bring a started node to where pods can run; quick when it is there already."""

    def dns() -> bool:
        return dns_answers(wanted.dns, "kubernetes.default.svc.cluster.local")

    def objects() -> bool:
        return kubectl("apply", "-f", str(KUBERNETES / "manifests.yaml")) is not None

    until("containerd", contact.containerd_ready, log="containerd.log")
    present = contact.image_names()
    for image in images.values():
        if image.name not in present:
            contact.load(image.archive())
    until(f"the API server at {wanted.node}:6443", kubectl.api_ready, log="kube-apiserver.log")
    if not dns():
        until("the API server to take the node's objects", objects, log="kube-apiserver.log")
    since = _record()["since"]
    until("kubelet", lambda: kubectl.node_ready(NODE_NAME, since), log="kubelet.log")
    until(f"the cluster's DNS at {wanted.dns}", dns, log="kubelet.log")


def _end() -> None:
    """Kill what runs of the node, and remove what is outside its namespaces."""
    first = cgroups.first_process()
    starter = _starter_of(first) if first else None
    for pid in [first] if first else cgroups.processes():
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + END_SECONDS
    while cgroups.processes() or (starter and cgroups.alive(starter)):
        if time.monotonic() > deadline:
            raise LocalError(f"these processes of the node do not end: {cgroups.processes()}")
        time.sleep(0.01)
    network.disconnect()
    cgroups.remove()


def _starter_of(first: int) -> int | None:
    """The `unshare` that waits for the node's process 1."""
    parent = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
    return parent if Path(f"/proc/{parent}/comm").read_text() == "unshare\n" else None


def _record() -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(RECORD.read_text())
    except (OSError, ValueError):
        return {}
    return known


def _remember(started_with: str, wanted: Network) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    record = {"with": started_with, "since": now, "network": str(wanted.all)}
    RECORD.write_text(json.dumps(record, indent=2) + "\n")


def _refuse_other_data(record: dict[str, str], wanted: Network) -> None:
    """Cluster IPs and certificates are made for one network, and stay with the data."""
    made_for = record.get("network", str(wanted.all))
    if made_for != str(wanted.all):
        raise LocalError(
            f"this clone's node has its data for {made_for}, not {wanted.all}: set "
            f"{network.VARIABLE} back, or `make down` and delete {STATE} to start afresh"
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Keep two starts or ends of this node from meeting."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "node.lock").open("w") as lock:
        deadline = time.monotonic() + LOCK_SECONDS
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LocalError(
                        "another `make up` or `make down` of this clone does not end"
                    ) from None
                if not told:
                    say("… waiting for another start or end of this node")
                    told = True
                time.sleep(0.1)
        yield
