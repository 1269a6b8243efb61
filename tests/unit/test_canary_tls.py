"""`python -m canary tls`: what a linkerd serves and refuses, and what its log means."""

import itertools
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from canary import handshake, tls_log
from canary import tls as command
from canary.errors import CanaryError
from canary.handshake import Shaken
from canary.tls import Examined
from mesh import pair
from mesh.live import Linkerd
from tests.harness import pairs
from tests.harness.pairs import DAY, Made

NOW = datetime.now(UTC)
AUTHORITY = pairs.authority(begins=NOW - DAY, ends=NOW + DAY)
ANOTHER = pairs.authority("another", begins=NOW - DAY, ends=NOW + DAY)


def leaf(by: Made = AUTHORITY) -> Made:
    return Made(by=by, begins=NOW - DAY, ends=NOW + DAY)


@contextmanager
def serving(folder: Path, made: Made, asks_for: Made | None = None) -> Iterator[int]:
    """The port of a server with a certificate, that may ask for one of an authority."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(made.pem)
    key.write_bytes(made.key_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if asks_for:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=asks_for.pem.decode())
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    return  # it has said so to the client

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def shaken(port: int, files: dict[str, bytes] | None) -> Shaken:
    return handshake.shake(socket.create_connection(("127.0.0.1", port)), files)


class TestHandshake:
    def test_what_is_served_is_told_whoever_issued_it(self, tmp_path: Path) -> None:
        made = leaf()
        with serving(tmp_path, made) as port:
            assert shaken(port, None) == Shaken(made.certificate)

    def test_a_certificate_that_is_asked_for(self, tmp_path: Path) -> None:
        with serving(tmp_path, leaf(), AUTHORITY) as port:
            assert not shaken(port, pairs.files(leaf())).refused

    @pytest.mark.parametrize("files", [None, pairs.files(leaf(ANOTHER))])
    def test_a_refusal_is_told(self, tmp_path: Path, files: dict[str, bytes] | None) -> None:
        with serving(tmp_path, leaf(), AUTHORITY) as port:
            found = shaken(port, files)
        assert found.refused
        assert found.certificate is None

    def test_a_pair_that_openssl_does_not_take_is_told(self, tmp_path: Path) -> None:
        short = Made(by=AUTHORITY, begins=NOW - DAY, ends=NOW + DAY, key=pairs.rsa_key(1024))
        with (
            serving(tmp_path, leaf()) as port,
            socket.create_connection(("127.0.0.1", port)) as connection,
            pytest.raises(CanaryError, match="OpenSSL does not take it") as raised,
        ):
            handshake.shake(connection, pairs.files(short))
        assert "\n" not in str(raised.value)

    def test_one_that_hangs_up_is_told(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def hang_up() -> None:
                server.accept()[0].close()

            thread = threading.Thread(target=hang_up)
            thread.start()
            assert shaken(server.getsockname()[1], None).refused == "it hangs up"
            thread.join()

    def test_no_key_is_left_on_the_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept = tmp_path / "temporary"
        kept.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(kept))
        with serving(tmp_path, leaf(), AUTHORITY) as port:
            assert not shaken(port, pairs.files(leaf())).refused
        assert list(kept.iterdir()) == []


LINES = {
    "not an SSL/TLS record: 474554202f20": "something sends plain HTTP to its TLS port",
    "not an SSL/TLS record: 485454502f312e31": "the linkerd that it sends to answers in plain HTTP",
    "OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE": "something that has no certificate",
    "PKIX path building failed: unable to find valid certification path": "of an authority that is",
    "No subject alternative DNS name matching linkerd found": "a certificate for another name",
    "No name matching linkerd found": "a certificate for another name",
    "X509Certificate (/f) failed to load: NotAfter: Thu Jan 01": "its own certificate has expired",
    "PrivateKeyFile (tls.key) failed to load: None of RSA, DSA, EC worked.": "of a kind that link",
    "InvalidPemFormatException: Missing -----BEGIN PRIVATE KEY-----": "tls.key is not PKCS#8",
    "OPENSSL_internal:CERTIFICATE_AND_PRIVATE_KEY_MISMATCH": "is not the key of its tls.crt",
}
"""Of linkerd's log, as it was measured on the real one, and once read in its sources."""


@pytest.mark.parametrize(("line", "meaning"), LINES.items())
def test_a_line_of_the_log_is_told_in_other_words(line: str, meaning: str) -> None:
    ((told, count),) = tls_log.causes(f"W 1126 {line}\nI 1126 all is well\nW 1127 {line}\n").items()
    assert meaning in told
    assert count == 2


def test_the_page_has_every_line_that_the_command_knows() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tls-operation.md").read_text()
    for part in tls_log.MEANINGS:
        assert all(word in page for word in part.split(": ")), part


def examined(made: Made, *authorities: Made, name: str = "l5d-1") -> Examined:
    annotations = {"linkerd-canary/tls": "mutual"}
    found = Examined(Linkerd("linkerd", name, annotations, "certs", frozenset({4143})))
    found.way = found.linkerd.way
    found.pair = pair.read(pairs.files(made, *authorities), "Secret linkerd/certs", True, NOW)
    return found


def judged(served: Shaken) -> Examined:
    found = examined(leaf())
    assert found.pair
    command._judge(found, found.pair, served)
    return found


class TestVerdicts:
    def test_what_another_linkerd_would_take_is_right(self) -> None:
        found = judged(Shaken(leaf().certificate))
        assert found.wrong == []
        (line,) = found.right
        assert line.startswith("it takes a linkerd's certificate, and serves one until ")

    def test_what_its_own_authorities_have_not_issued_is_wrong(self) -> None:
        (line,) = judged(Shaken(leaf(ANOTHER).certificate)).wrong
        assert line.startswith("it serves a certificate that the authorities of its Secret have ")

    def test_a_refusal_is_wrong(self) -> None:
        (line,) = judged(Shaken(None, "it hangs up")).wrong
        assert line.startswith("it refuses a linkerd with the certificate of its own Secret: it ha")

    def test_two_that_do_not_trust_each_other_are_both_named(self) -> None:
        one, other = examined(leaf()), examined(leaf(ANOTHER), name="l5d-2")
        command._compare([one, other])
        assert [line.partition(": between")[0] for line in one.wrong + other.wrong] == [
            "its authorities have not issued the certificate of linkerd/l5d-2",
            "its authorities have not issued the certificate of linkerd/l5d-1",
        ]

    def test_those_of_two_steps_of_a_rotation_are_right(self) -> None:
        steps = [
            examined(leaf()),
            examined(leaf(), AUTHORITY, ANOTHER),
            examined(leaf(ANOTHER), AUTHORITY, ANOTHER),
            examined(leaf(ANOTHER)),
        ]
        for one, other in itertools.pairwise(steps):
            command._compare([one, other])
            assert one.wrong == other.wrong == []

    def test_the_lines_of_one(self) -> None:
        found = judged(Shaken(None, "it hangs up"))
        found.told.append("3 × in 10 minutes: nothing")
        first, wrong, told = found.lines()
        assert first == "linkerd/l5d-1: meshTls mutual with meshTlsPermissive false"
        assert wrong.startswith("  WRONG  it refuses")
        assert told == "  log    3 × in 10 minutes: nothing"
