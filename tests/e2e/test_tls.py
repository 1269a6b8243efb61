"""TLS between linkerds of a live stack: turned on, renewed and turned off without a loss."""

import base64
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from canary import handshake, tls_log
from local import node
from local.paths import KUBECONFIG, PYTHON
from mesh import live, pair, routers
from mesh.live import Linkerd
from mesh.tls import Way
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.wire import Heard, listening
from tests.harness import pairs
from tests.harness.pairs import DAY, Made

pytestmark = pytest.mark.long

MESH, APPS = "linkerd", "hello-world"
ON = [("off", True), ("mutual", True), ("mutual", False)]
BACK = [("mutual", True), ("off", True), ("off", False)]

HTTP = {
    "request": rb"GET / HTTP/1\.1\r\n",
    "answer": rb"HTTP/1\.1 200 OK\r\n",
    "host": rb"(?i)\r\nhost: (hello|world)\r\n",
    "choice": rb"(?i)\r\nl5d-dst-client: ",
    "body": rb"Hello \([0-9.]+\) world",
}
"""What a request, or its answer, has in clear."""

Files = dict[str, bytes]


def now() -> datetime:
    return datetime.now(UTC)


def deploy(**config: str) -> str:
    """Bring the stack to this config."""
    given = (f"--config=linkerd-canary:{key}={value}" for key, value in config.items())
    return local_stack.command("pulumi", "up", "--yes", "--skip-preview", *given)


def turn(mode: str, permissive: bool) -> None:
    deploy(meshTls=mode, meshTlsPermissive=str(permissive).lower())


@contextmanager
def without_loss(url: str) -> Iterator[None]:
    """Requests all the while, none of which fails."""
    with local_stack.load(url, connections=4, pause=0.2) as traffic:
        eventually(lambda: traffic.count > 20)
        yield
        seen = traffic.count
        eventually(lambda: traffic.count > seen + 40)
    print(f"{traffic.count} requests, {len(traffic.failures)} failed: {traffic.failures[:3]}")
    assert traffic.failures == []
    # A moment's race, and no loss: each linkerd that stops closes some kept connections.
    assert traffic.again <= traffic.count / 200, (traffic.again, traffic.count)


@pytest.fixture(scope="module")
def url(cluster: Cluster, settings: dict[str, Any]) -> str:
    address = str(local_stack.outputs()["url"])
    local_stack.first_answer(address)
    return address


@pytest.fixture(scope="module", params=[[], ["both", "sidecar"]], ids=["daemonset", "sidecar"])
def topology(url: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """Linkerds on nodes, or beside apps: one pod each, as every step replaces all of them."""
    if request.param:
        deploy(replicas="1")
    for each in request.param:
        deploy(meshTopology=each)
    yield
    for each in ["daemonset", *request.param][-2::-1]:
        deploy(meshTopology=each)


@pytest.fixture(scope="module")
def mutual(cluster: Cluster, url: str, topology: None) -> Iterator[str]:
    """Where hello answers, with mutual TLS; turned on and, in the end, off under load."""
    in_clear = heard(url, routers.INCOMING)
    assert found_in(in_clear) == set(HTTP), "or the proof proves nothing"
    try:
        with without_loss(url):
            for mode, permissive in ON:
                turn(mode, permissive)
                assert ways(cluster) == {Way.of(mode, permissive, "")}
        yield url
    finally:  # also after a failure: from mutual no test to come could go on
        with without_loss(url):
            for mode, permissive in BACK:
                if not permissive:  # what is for certificates is refused where there are none
                    local_stack.command("pulumi", "config", "rm", "meshTlsSerial")
                turn(mode, permissive)
                assert ways(cluster) == {Way.of(mode, permissive, "")}
    assert secrets(cluster) == {}


def ways(cluster: Cluster) -> set[Way]:
    """How the linkerds that run speak with one another."""
    return {each.way for each in running()}


def running() -> list[Linkerd]:
    found = live.linkerds(KUBECONFIG.read_text(), [MESH, APPS])
    assert len(found) >= 3
    return found


def receivers(cluster: Cluster) -> dict[str, str]:
    """The addresses of pods whose linkerd takes other linkerds' requests, by their names."""
    taking = [each for each in running() if {4141, 4143} & each.ports]
    return {
        str(each): cluster.get("pod", each.name, "-n", each.namespace)["status"]["podIP"]
        for each in taking
    }


def secrets(cluster: Cluster) -> dict[str, Files]:
    """The Secrets of the project's certificates, by name."""
    return {
        each["metadata"]["name"]: {
            name: base64.b64decode(text) for name, text in each["data"].items()
        }
        for each in cluster.get("secrets", "-n", MESH)["items"]
        if each["metadata"]["name"].startswith("l5d-tls-")
    }


def own(cluster: Cluster) -> Files:
    (found,) = secrets(cluster).values()
    return found


def heard(url: str, port: int) -> Heard:
    """What linkerds of a node and those of others say at a port while hello is asked."""
    with listening(node.nodes()[0], port) as found:
        for _ in range(60):
            local_stack.ask(url)
    assert len(found.content) > 1000
    return found


def found_in(heard: Heard) -> set[str]:
    """What of HTTP is in clear."""
    return {part for part, pattern in HTTP.items() if re.search(pattern, heard.content)}


def test_linkerds_say_nothing_in_clear(cluster: Cluster, mutual: str) -> None:
    assert found_in(heard(mutual, routers.INCOMING_TLS)) == set()


def test_the_plain_port_is_closed(cluster: Cluster, mutual: str) -> None:
    for address in receivers(cluster).values():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, routers.INCOMING), timeout=10)


def connected(cluster: Cluster) -> socket.socket:
    """To the TLS port of some linkerd."""
    address = next(iter(receivers(cluster).values()))
    return socket.create_connection((address, routers.INCOMING_TLS), timeout=30)


def received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1000)
    except ConnectionResetError:
        return b""


def logged(cluster: Cluster, part: str) -> bool:
    """Whether some linkerd's log says it."""
    return any(
        part in cluster.kubectl("logs", "-n", each.namespace, each.name, "-c", "l5d")
        for each in running()
    )


class TestRefusals:
    def test_plain_http(self, cluster: Cluster, mutual: str) -> None:
        with connected(cluster) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: world\r\n\r\n")
            assert received(connection) == b""
        self.is_told(cluster, "something sends plain HTTP to its TLS port")

    def test_no_certificate(self, cluster: Cluster, mutual: str) -> None:
        assert handshake.shake(connected(cluster), None).refused
        self.is_told(cluster, "something that has no certificate sends to it")

    def test_a_certificate_of_another_authority(self, cluster: Cluster, mutual: str) -> None:
        another = Made(by=pairs.authority("another", ends=now() + DAY), ends=now() + DAY)
        assert handshake.shake(connected(cluster), pairs.files(another)).refused
        self.is_told(cluster, "the other side's certificate is of an authority that is not in its")

    def test_a_linkerds_own_certificate_is_taken(self, cluster: Cluster, mutual: str) -> None:
        files = own(cluster)
        shaken = handshake.shake(connected(cluster), files)
        assert not shaken.refused
        assert shaken.certificate == pair.read(files, "own", True, now()).certificate

    def is_told(self, cluster: Cluster, meaning: str) -> None:
        """In linkerd's log, and by the command in the words of who has to put it right."""
        part = next(part for part, said in tls_log.MEANINGS.items() if meaning in said)
        eventually(lambda: logged(cluster, part))
        said = canary_tls()
        assert re.search(rf"  log    \d+ × in 10 minutes: {re.escape(meaning)}", said), said


def canary_tls() -> str:
    return local_stack.command(str(PYTHON), "-m", "canary", "tls")


def test_the_command_finds_all_right(cluster: Cluster, mutual: str) -> None:
    said = canary_tls()
    assert "WRONG" not in said
    count = len(receivers(cluster))
    assert said.count("it takes a linkerd's certificate, and serves one until ") == count
    assert said.count("it refuses who has no certificate") == count


def test_a_rotation_loses_nothing(cluster: Cluster, mutual: str) -> None:
    before = pair.read(own(cluster), "before", True, now())
    seen = []
    with without_loss(mutual):
        for rotation in ("both", "new", "none"):
            deploy(meshTlsRotation=rotation)
            seen.append(pair.read(own(cluster), rotation, True, now()))
            served = handshake.shake(connected(cluster), own(cluster)).certificate
            assert served == seen[-1].certificate, "every pod has it once the update is done"
    after = seen[-1]
    assert not before.trusts(after.certificate)
    assert not after.trusts(before.certificate)
    assert set(seen[0].authorities) == {*before.authorities, *after.authorities}


def test_a_new_certificate_loses_nothing(cluster: Cluster, mutual: str) -> None:
    before = pair.read(own(cluster), "before", True, now())
    with without_loss(mutual):
        deploy(meshTlsSerial="2")
    after = pair.read(own(cluster), "after", True, now())
    assert after.authorities == before.authorities
    assert after.certificate != before.certificate


def test_an_unsafe_step_is_refused_and_nothing_happens(cluster: Cluster, mutual: str) -> None:
    local_stack.command("pulumi", "config", "set", "meshTls", "server")
    try:
        said = local_stack.command("pulumi", "up", "--yes", "--skip-preview", status=1)
    finally:
        local_stack.command("pulumi", "config", "set", "meshTls", "mutual")
    assert "(1) meshTls mutual with meshTlsPermissive true; (2) meshTls server with " in said
    assert ways(cluster) == {Way.of("mutual", False, "")}
