"""TLS between two linkerds: what fails, what each side is told, and files that change.

The caller's linkerd is `caller`, the one in the pod of the service `secured` is the server. Each
handshake that fails is the same 502 to who asks; only a log tells them apart.
"""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import PrivateFormat

from tests.contract import sidecars
from tests.contract.certificates import Signed, authority, intermediate, issue
from tests.contract.namerd_api import until
from tests.contract.sidecars import INCOMING, OUTGOING, Sidecar
from tests.contract.stand_ins import APPS_NAMESPACE, StandIns

pytestmark = pytest.mark.stand_ins

Section = Mapping[str, Any]
"""A section `tls` of linkerd's configuration."""

SECURE_PORT = 4143
TO_SECURE = {"kind": "io.l5d.port", "port": SECURE_PORT}
CLIENT = f"%/io.l5d.port/{INCOMING}/#/io.l5d.k8s/{APPS_NAMESPACE}/http/secured"


@pytest.fixture
def ca(tmp_path: Path) -> Signed:
    return authority(tmp_path, "ca")


@pytest.fixture
def other(tmp_path: Path) -> Signed:
    """An authority that the other side does not trust."""
    return authority(tmp_path, "other")


@dataclass(frozen=True)
class Pair:
    caller: Sidecar
    server: Sidecar

    def ask(self) -> Any:
        return self.caller.ask("secured")


@pytest.fixture(scope="module")
def pod(world: StandIns) -> str:
    """The address of an app."""
    address = world.address()
    world.start_pod(address, 7778, TARGET_WORLD="secured")
    world.endpoints("secured", [address], 7778)
    return address


Pairing = Callable[[Section | None, Section | None], Pair]


@pytest.fixture
def pair(world: StandIns, pod: str) -> Iterator[Pairing]:
    """Starts a server and a caller, each with its section `tls` or without one."""
    running: list[Sidecar] = []

    def start(server: Section | None, client: Section | None) -> Pair:
        listening = {"ip": pod, "port": INCOMING, **({"tls": dict(server)} if server else {})}
        address = world.address()
        way = sidecars.outgoing(address, **({"client": {"tls": dict(client)}} if client else {}))
        running.append(sidecars.start(world, pod, sidecars.incoming(pod, listening)))
        running.append(sidecars.start(world, address, way))
        return Pair(caller=running[1], server=running[0])

    yield start
    for each in running:
        each.process.end()


def trusting(ca: Signed, name: str = "linkerd") -> dict[str, Any]:
    return {"commonName": name, "trustCertsBundle": str(ca.cert_path)}


def mutual(ca: Signed, certificate: Signed) -> tuple[dict[str, Any], Callable[[Signed], Section]]:
    """Of a server that wants certificates of `ca`, and of a client that shows one."""
    server = {**certificate.paths, "requireClientAuth": True, "caCertPath": str(ca.cert_path)}
    return server, lambda shown: {**trusting(ca), "clientAuth": dict(shown.paths)}


def assert_no_connection(pair: Pair) -> None:
    """The caller is told that none could be made."""
    answer = pair.ask()
    assert answer.status == 502
    address = f"{pair.server.address}:{INCOMING}"
    assert answer.text.startswith(f"Unable to establish connection to {address}.")
    for part in ("service name: /svc/secured", f"client name: /{CLIENT}", f"[{address}]"):
        assert part in answer.text
    assert answer.headers["l5d-err"].startswith("Unable+to+establish+connection+to+")


def assert_logged(linkerd: Sidecar, text: str) -> None:
    assert text in until(lambda: linkerd.log, lambda log: text in log)


# What works


def test_a_right_certificate_is_taken_and_its_connections_are_counted(
    pair: Pairing, ca: Signed
) -> None:
    it = pair(issue(ca, "leaf").paths, trusting(ca))
    assert it.ask().text.startswith("secured ")
    caller, server = it.caller.metrics(), it.server.metrics()
    assert caller[f'rt:client:tls:connections{{rt="outgoing", client="{CLIENT}"}}'] == 1
    at = f"{it.server.address}/{INCOMING}"
    assert server[f'rt:server:tls:connections{{rt="incoming", server="{at}"}}'] == 1


def test_a_connection_that_has_ended_is_not_counted(pair: Pairing, ca: Signed) -> None:
    it = pair(issue(ca, "leaf").paths, trusting(ca))
    assert it.ask().status == 200
    it.caller.process.end()
    at = f"{it.server.address}/{INCOMING}"
    name = f'rt:server:tls:connections{{rt="incoming", server="{at}"}}'
    assert until(lambda: it.server.metrics()[name], lambda count: count == 0) == 0


@pytest.mark.parametrize("name", ["caller", "linkerd"])
def test_with_mutual_tls_any_certificate_of_the_authority_is_taken(
    pair: Pairing, ca: Signed, name: str
) -> None:
    server, client = mutual(ca, issue(ca, "leaf"))
    assert pair(server, client(issue(ca, "shown", name))).ask().status == 200


def test_one_router_serves_plain_and_secured_at_two_ports(
    world: StandIns, pod: str, ca: Signed
) -> None:
    """The prefix that a name comes with is that of the port its sender was given."""
    secured = {"ip": pod, "port": SECURE_PORT, "tls": dict(issue(ca, "leaf").paths)}
    entrance = sidecars.incoming(pod, {"ip": pod, "port": INCOMING}, secured)
    entrance["dtab"] += f" /svc/%/io.l5d.port/{SECURE_PORT} => / ;"
    server = sidecars.start(world, pod, entrance)
    plain, tls = world.address(), world.address()
    to_secured = sidecars.outgoing(tls, client={"tls": trusting(ca)})
    to_secured["interpreter"]["transformers"] = [TO_SECURE]
    callers = [
        sidecars.start(world, plain, sidecars.outgoing(plain)),
        sidecars.start(world, tls, to_secured),
    ]
    assert [caller.ask("secured").status for caller in callers] == [200, 200]
    counted = server.metrics()
    for port in (INCOMING, SECURE_PORT):
        assert counted[f'rt:server:requests{{rt="incoming", server="{pod}/{port}"}}'] == 1
    for each in (server, *callers):
        each.process.end()


def test_a_name_in_the_subject_alone_is_taken(pair: Pairing, ca: Signed) -> None:
    assert pair(issue(ca, "leaf", "other").paths, trusting(ca, "other")).ask().status == 200


def test_of_alternative_names_one_has_to_match(pair: Pairing, ca: Signed) -> None:
    leaf = issue(ca, "leaf", "other", alternative="linkerd")
    assert pair(leaf.paths, trusting(ca)).ask().status == 200


# What fails, and which log says why


def test_plain_http_to_a_port_with_tls_is_hung_up_on(pair: Pairing, ca: Signed) -> None:
    it = pair(issue(ca, "leaf").paths, trusting(ca))
    with it.caller.world.network.connect((it.server.address, INCOMING), 60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert _received(connection) == b""
    assert_logged(it.server, "not an SSL/TLS record: 474554")


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 16)
    except ConnectionResetError:
        return b""


def test_a_caller_without_tls_is_502(pair: Pairing, ca: Signed) -> None:
    it = pair(issue(ca, "leaf").paths, None)
    answer = it.ask()
    assert answer.status == 502
    address = f"{it.server.address}:{INCOMING}"
    assert answer.text.startswith(f"ChannelException at remote address: {address}")
    assert_logged(it.server, "not an SSL/TLS record: 474554")


def test_tls_to_a_plain_port_is_502(pair: Pairing, ca: Signed) -> None:
    it = pair(None, trusting(ca))
    assert_no_connection(it)
    assert_logged(it.caller, "not an SSL/TLS record: 485454502f")


def test_another_authority_is_502(pair: Pairing, ca: Signed, other: Signed) -> None:
    it = pair(issue(other, "leaf").paths, trusting(ca))
    assert_no_connection(it)
    assert_logged(it.caller, "PKIX path building failed")
    assert "unable to find valid certification path" in it.caller.log


def test_another_common_name_is_502(pair: Pairing, ca: Signed) -> None:
    it = pair(issue(ca, "leaf", "other").paths, trusting(ca))
    assert_no_connection(it)
    assert_logged(it.caller, "No name matching linkerd found")


def test_another_alternative_name_is_502_whatever_the_subject_says(
    pair: Pairing, ca: Signed
) -> None:
    it = pair(issue(ca, "leaf", "linkerd", alternative="other").paths, trusting(ca))
    assert_no_connection(it)
    assert_logged(it.caller, "No subject alternative DNS name matching linkerd found")


def test_no_certificate_of_the_caller_is_502(pair: Pairing, ca: Signed) -> None:
    server, _ = mutual(ca, issue(ca, "leaf"))
    it = pair(server, trusting(ca))
    assert_no_connection(it)
    assert_logged(it.server, "PEER_DID_NOT_RETURN_A_CERTIFICATE")


def test_a_callers_certificate_of_another_authority_is_502(
    pair: Pairing, ca: Signed, other: Signed
) -> None:
    server, client = mutual(ca, issue(ca, "leaf"))
    it = pair(server, client(issue(other, "shown")))
    assert_no_connection(it)
    assert_logged(it.server, "PKIX path building failed")


def test_an_expired_certificate_is_not_even_served(pair: Pairing, ca: Signed) -> None:
    leaf = issue(ca, "leaf", expired=True)
    it = pair(leaf.paths, {"disableValidation": True})
    assert_no_connection(it)
    assert_logged(it.server, f"X509Certificate ({leaf.cert_path}) failed to load: NotAfter: ")


def test_an_expired_certificate_of_the_caller_is_502_at_any_server(
    pair: Pairing, ca: Signed
) -> None:
    shown = issue(ca, "shown", expired=True)
    it = pair(issue(ca, "leaf").paths, {**trusting(ca), "clientAuth": dict(shown.paths)})
    assert_no_connection(it)
    assert_logged(it.caller, f"X509Certificate ({shown.cert_path}) failed to load: NotAfter: ")


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL])
def test_a_key_in_another_form_than_pkcs8_serves_nothing(
    pair: Pairing, ca: Signed, form: PrivateFormat
) -> None:
    it = pair(issue(ca, "leaf", key_format=form).paths, trusting(ca))
    assert_no_connection(it)
    assert_logged(it.server, "InvalidPemFormatException")
    assert "Missing -----BEGIN PRIVATE KEY-----" in it.server.log


# Read in the sources: PrivateKeyFile and PemFile of twitter/util, Netty's SslContext, and Java's
# PKIXValidator


def test_a_key_that_is_neither_rsa_nor_ec_serves_nothing(pair: Pairing, ca: Signed) -> None:
    it = pair(issue(ca, "leaf", key=Ed25519PrivateKey.generate()).paths, trusting(ca))
    assert_no_connection(it)
    assert_logged(it.server, "failed to load: None of RSA, DSA, EC worked")


def x509_in_its_lines(text: bytes) -> bytes:
    return text.replace(b"BEGIN ", b"BEGIN X509 ").replace(b"END ", b"END X509 ")


def indented(text: bytes) -> bytes:
    return b"".join(b"  " + line for line in text.splitlines(keepends=True))


def blanks_after(text: bytes) -> bytes:
    return text.replace(b"\n", b" \n")


@pytest.mark.parametrize("spoilt", [x509_in_its_lines, indented, blanks_after])
@pytest.mark.parametrize(
    ("which", "kind"), [("certPath", "CERTIFICATE"), ("keyPath", "PRIVATE KEY")]
)
def test_lines_of_pem_that_are_not_exact_are_not_seen(
    pair: Pairing, ca: Signed, which: str, kind: str, spoilt: Callable[[bytes], bytes]
) -> None:
    leaf = issue(ca, "leaf")
    path = Path(leaf.paths[which])
    path.write_bytes(spoilt(path.read_bytes()))
    it = pair(leaf.paths, trusting(ca))
    assert_no_connection(it)
    assert_logged(it.server, f"Missing -----BEGIN {kind}-----")


def test_lines_of_pem_may_end_as_those_of_windows(pair: Pairing, ca: Signed) -> None:
    leaf = issue(ca, "leaf")
    for path in (leaf.cert_path, leaf.key_path):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert pair(leaf.paths, trusting(ca)).ask().status == 200


def test_an_issuer_that_is_no_authority_is_not_trusted(pair: Pairing, tmp_path: Path) -> None:
    other = authority(tmp_path, "server", ca=False)
    it = pair(issue(other, "leaf").paths, trusting(other))
    assert_no_connection(it)
    assert_logged(it.caller, "PKIX path building failed")


def test_an_expired_authority_beside_the_issuer_changes_nothing(
    pair: Pairing, ca: Signed, tmp_path: Path
) -> None:
    former = authority(tmp_path, "former", expired=True)
    ca.cert_path.write_bytes(former.cert_path.read_bytes() + ca.cert_path.read_bytes())
    server, client = mutual(ca, issue(ca, "leaf"))
    assert pair(server, client(issue(ca, "shown"))).ask().status == 200


def test_a_key_of_another_certificate_serves_nothing(pair: Pairing, ca: Signed) -> None:
    leaf, another = issue(ca, "leaf"), issue(ca, "another")
    it = pair({**leaf.paths, "keyPath": str(another.key_path)}, trusting(ca))
    assert_no_connection(it)
    assert_logged(it.server, "CERTIFICATE_AND_PRIVATE_KEY_MISMATCH")


def test_of_a_chain_in_the_file_only_the_first_certificate_is_served(
    pair: Pairing, ca: Signed
) -> None:
    between = intermediate(ca, "between")
    leaf = issue(between, "leaf")
    chain = leaf.cert_path.read_text() + between.cert_path.read_text()
    leaf.cert_path.write_text(chain)
    it = pair(leaf.paths, trusting(ca))
    assert_no_connection(it)
    assert_logged(it.caller, "PKIX path building failed")


def test_a_failed_handshake_is_no_request_of_the_client(pair: Pairing, ca: Signed) -> None:
    """Three attempts, one failure of the service."""
    it = pair(None, trusting(ca))
    assert_no_connection(it)
    counted = it.caller.metrics()
    by_client = f'{{rt="outgoing", client="{CLIENT}"}}'
    assert counted[f"rt:client:service_creation:failures{by_client}"] == 3
    assert counted[f"rt:client:requests{by_client}"] == 0
    assert counted['rt:service:failures{rt="outgoing", service="svc/secured"}'] == 1


@contextmanager
def speaking(it: Pair, version: ssl.TLSVersion) -> Iterator[ssl.SSLSocket]:
    """A connection to the server by one version of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    with (
        it.caller.world.network.connect((it.server.address, INCOMING), 60) as plain,
        context.wrap_socket(plain) as connection,
    ):
        yield connection


def test_only_tls_1_2_is_spoken(pair: Pairing, ca: Signed) -> None:
    it = pair(issue(ca, "leaf").paths, trusting(ca))
    with speaking(it, ssl.TLSVersion.TLSv1_2) as connection:
        assert connection.version() == "TLSv1.2"
    with pytest.raises(OSError), speaking(it, ssl.TLSVersion.TLSv1_3):  # noqa: PT011 (any of them)
        pass


# Files that change


def test_with_files_that_are_missing_linkerd_is_ready_and_each_connection_fails(
    pair: Pairing, tmp_path: Path
) -> None:
    """So readiness says nothing of TLS. The files may come later."""
    paths = {"certPath": str(tmp_path / "leaf.crt"), "keyPath": str(tmp_path / "leaf.key")}
    it = pair(paths, {"commonName": "linkerd", "trustCertsBundle": str(tmp_path / "ca.crt")})
    for linkerd in (it.caller, it.server):
        assert linkerd.talker(sidecars.ADMIN).get("/admin/ping").text == "pong"
    assert_no_connection(it)
    issue(authority(tmp_path, "ca"), "leaf")
    assert it.ask().status == 200


def test_open_connections_go_on_and_new_ones_get_the_new_certificate(
    pair: Pairing, ca: Signed, other: Signed, world: StandIns
) -> None:
    served = issue(ca, "served")
    it = pair(served.paths, trusting(ca))
    with it.caller.talker(OUTGOING).keep() as conversation:
        assert conversation.ask("GET", "/", {"Host": "secured"}).status == 200
        served.replace_by(issue(other, "leaf"))
        assert conversation.ask("GET", "/", {"Host": "secured"}).status == 200
    address = world.address()
    fresh = sidecars.start(world, address, sidecars.outgoing(address, client={"tls": trusting(ca)}))
    assert fresh.ask("secured").status == 502
    both = ca.cert_path.read_text() + other.cert_path.read_text()
    ca.cert_path.write_text(both)
    assert until(lambda: fresh.ask("secured").status, lambda status: status == 200) == 200
    fresh.process.end()


def test_a_callers_certificate_is_read_anew_too(pair: Pairing, ca: Signed, other: Signed) -> None:
    shown = issue(other, "shown")
    server, client = mutual(ca, issue(ca, "leaf"))
    it = pair(server, client(shown))
    assert_no_connection(it)
    shown.replace_by(issue(ca, "right"))
    assert until(lambda: it.ask().status, lambda status: status == 200) == 200


@pytest.mark.parametrize("bundled", ["client", "server"])
def test_a_bundle_of_both_authorities_takes_certificates_of_either(
    pair: Pairing, ca: Signed, other: Signed, bundled: str
) -> None:
    leaf, shown = issue(other, "leaf"), issue(other, "shown")
    both = ca.cert_path.read_text() + other.cert_path.read_text()
    ca.cert_path.write_text(both)
    server, client = mutual(ca, leaf if bundled == "client" else issue(ca, "leaf"))
    assert pair(server, client(shown)).ask().status == 200
