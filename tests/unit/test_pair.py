"""Which certificates, keys and authorities linkerd can use, as it was measured on the real one."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.x509.oid import ExtensionOID

from mesh import pair, pem
from tests.harness import pairs
from tests.harness.pairs import DAY, NOW, Made

WHERE = "Secret linkerd/certs"
ROOT = pairs.authority()


def leaf(**more: Any) -> Made:
    return Made(**{"by": ROOT, **more})


def refused(files: dict[str, bytes], mutual: bool = True) -> str:
    with pytest.raises(pair.PairError) as raised:
        pair.read(files, WHERE, mutual, NOW)
    said = str(raised.value)
    assert "\n" not in said
    assert "PRIVATE KEY-----" not in said
    return said


@pytest.mark.parametrize(
    "made",
    [
        leaf(),
        leaf(key=pairs.rsa_key()),
        leaf(key=pairs.ec_key(ec.SECP384R1())),
        leaf(dns_names=None),  # a common name alone is enough
        leaf(common_name="other", dns_names=("other", "linkerd")),
        leaf(usages=("server auth", "client auth")),
    ],
)
def test_what_linkerd_takes(made: Made) -> None:
    found = pair.read(pairs.files(made), WHERE, True, NOW)
    assert found.issuer == ROOT.certificate
    assert found.expires == {
        "certificate": "2027-07-01T00:00:00Z",
        "authority": "2027-07-01T00:00:00Z",
    }


def test_a_bundle_of_two_authorities_is_taken() -> None:
    other = pairs.authority("another")
    files = pairs.files(leaf(), other, ROOT)
    found = pair.read(files, WHERE, True, NOW)
    assert found.issuer == ROOT.certificate
    assert found.trusts(Made(by=other).certificate)
    assert not found.trusts(Made(by=pairs.authority("another")).certificate)


@pytest.mark.parametrize("name", pair.FILES)
def test_a_missing_key_is_named(name: str) -> None:
    files = pairs.files(leaf())
    del files[name]
    assert refused(files) == (
        f"{WHERE} lacks {name}: linkerd needs ca.crt, tls.crt, tls.key, which cert-manager writes "
        "for an issuer of the kind CA"
    )
    assert refused(files | {name: b""}).startswith(f"{WHERE} lacks {name}")


@pytest.mark.parametrize("name", ["ca.crt", "tls.crt"])
def test_no_certificate_is_told(name: str) -> None:
    said = refused(pairs.files(leaf()) | {name: b"hello"})
    assert said.startswith(f"{WHERE}: {name} holds no certificate in PEM form")


def test_a_key_in_another_form_names_the_one_that_linkerd_reads() -> None:
    elliptic, with_rsa = leaf(), leaf(key=pairs.rsa_key())
    forms = [
        (elliptic, elliptic.key_pem(PrivateFormat.TraditionalOpenSSL)),  # SEC1
        (with_rsa, with_rsa.key_pem(PrivateFormat.TraditionalOpenSSL)),  # PKCS#1
        (elliptic, elliptic.key_pem(password=b"secret")),
    ]
    for made, key in forms:
        said = refused(pairs.files(made) | {"tls.key": key})
        assert said.startswith(f"{WHERE}: tls.key is not PKCS#8 (BEGIN PRIVATE KEY) in lines")
        assert "privateKey.encoding: PKCS8" in said


def test_a_key_that_is_cut_off_is_told() -> None:
    made = leaf()
    key = made.key_pem().replace(b"\nM", b"\n!", 1)
    assert "tls.key cannot be read as a private key" in refused(
        pairs.files(made) | {"tls.key": key}
    )


def test_another_ones_key_is_told() -> None:
    for other in (leaf(), leaf(key=pairs.rsa_key())):
        said = refused(pairs.files(leaf()) | {"tls.key": other.key_pem()})
        assert "tls.key is not the key of the certificate in tls.crt" in said


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (leaf(dns_names=("world",)), "DNS names: world"),
        (leaf(dns_names=("*.linkerd", "linkerd.local")), "DNS names: *.linkerd, linkerd.local"),
        (leaf(common_name="world", dns_names=None), "common name: world"),
    ],
)
def test_another_name_is_told_with_the_one_that_is_wanted(made: Made, named: str) -> None:
    said = refused(pairs.files(made))
    assert f"tls.crt is for another name ({named})" in said
    assert said.endswith("issue one with the DNS name linkerd, which linkerds ask each other for")


def test_a_server_only_certificate_is_for_meshTls_server_alone() -> None:  # noqa: N802
    files = pairs.files(leaf(usages=("server auth",)))
    assert (
        "tls.crt is not for client auth: issue one with the usages server auth and client auth"
        in (refused(files))
    )
    assert pair.read(files, WHERE, False, NOW)


def test_the_certificate_of_another_authority_is_told() -> None:
    said = refused(pairs.files(leaf(), pairs.authority("another")))
    assert "tls.crt is issued by none of the authorities in ca.crt" in said
    assert "its issuer: CN=an authority" in said


def test_an_authority_of_the_same_name_is_another_one() -> None:
    assert "issued by none" in refused(pairs.files(leaf(), pairs.authority()))


def test_a_chain_is_refused_unless_the_first_ones_issuer_is_trusted() -> None:
    between = pairs.authority("between", by=ROOT)
    made = Made(by=between)
    chain = {"tls.crt": made.pem + between.pem}
    said = refused(pairs.files(made, ROOT) | chain)
    assert "tls.crt holds a chain of 2, of which linkerd serves the first only" in said
    assert "its issuer (CN=between) is not in ca.crt" in said
    assert pair.read(pairs.files(made, ROOT, between) | chain, WHERE, True, NOW)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (leaf(ends=NOW), "the certificate in tls.crt has expired at 2026-07-01T00:00:00Z"),
        (
            leaf(begins=NOW + DAY),
            "the certificate in tls.crt is not valid before 2026-07-02T00:00:00Z",
        ),
        (
            Made(by=pairs.authority(ends=NOW)),
            "the authority in ca.crt that issued tls.crt has expired at 2026-07-01T00:00:00Z",
        ),
    ],
)
def test_dates_are_told(made: Made, said: str) -> None:
    assert refused(pairs.files(made)) == (
        f"{WHERE}: {said}: put a valid one there, or set this machine's clock if that is wrong"
    )


@pytest.mark.parametrize("days", [-1, 1])
def test_an_authority_that_issued_nothing_here_may_have_any_dates(days: int) -> None:
    """Java does not look at the dates of what is trusted."""
    other = pairs.authority("another", begins=NOW + days * DAY - DAY / 2, ends=NOW + days * DAY)
    found = pair.read(pairs.files(leaf(), other, ROOT), WHERE, True, NOW)
    assert found.expires == {
        "certificate": "2027-07-01T00:00:00Z",
        "authority": "2027-07-01T00:00:00Z",
    }


def test_of_an_authority_and_its_renewal_the_last_to_end_counts() -> None:
    renewed = pairs.authority(key=ROOT.key, ends=NOW + 900 * DAY)
    expired = pairs.authority(key=ROOT.key, ends=NOW - DAY / 2)
    found = pair.read(pairs.files(leaf(), expired, renewed), WHERE, True, NOW)
    assert found.issuer == renewed.certificate


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
        (ed448.Ed448PrivateKey.generate(), "Ed448"),
        (pairs.ec_key(ec.SECP256K1()), "EC on secp256k1"),
        (pairs.ec_key(ec.BrainpoolP256R1()), "EC on brainpoolP256r1"),
        (pairs.ec_key(ec.SECP521R1()), "EC on secp521r1"),
        (pairs.rsa_key(1024), "RSA of 1024 bits"),
    ],
)
def test_a_key_of_another_kind_is_told_with_those_that_linkerd_serves(
    key: pairs.Key, kind: str
) -> None:
    assert refused(pairs.files(leaf(key=key))) == (
        f"{WHERE}: the key of tls.crt is {kind}, which linkerd cannot serve: have it issued with "
        "EC on P-256 or P-384, or RSA of 2048 bits or more"
    )


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    octets = size.to_bytes(size.bit_length() // 8 + 1).lstrip(b"\0")
    length = bytes([size]) if size < 128 else bytes([0x80 + len(octets)]) + octets
    return bytes([tag]) + length + content


def _integer(number: int) -> bytes:
    return _der(2, number.to_bytes(number.bit_length() // 8 + 1))


def with_explicit_parameters(key: pairs.Key) -> bytes:
    """The PKCS#8 of a key on P-256 that spells the curve out (SEC 1, C.2)."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    base = ec.derive_private_key(1, ec.SECP256R1()).public_key().public_numbers()
    generator = b"\x04" + base.x.to_bytes(32) + base.y.to_bytes(32)
    prime_field = bytes.fromhex("06072a8648ce3d0101")
    parameters = _der(
        0x30,
        _integer(1),
        _der(0x30, prime_field, _integer(prime)),
        _der(0x30, _der(4, (prime - 3).to_bytes(32)), _der(4, b.to_bytes(32))),
        _der(4, generator),
        _integer(order),
        _integer(1),
    )
    algorithm = _der(0x30, bytes.fromhex("06072a8648ce3d0201"), parameters)
    secret = _der(4, key.private_numbers().private_value.to_bytes(32))
    return _der(0x30, _integer(0), algorithm, _der(4, _der(0x30, _integer(1), secret)))


def test_a_curve_that_is_spelt_out_is_refused() -> None:
    made = leaf()
    spelt_out = pem.block(with_explicit_parameters(made.key), "PRIVATE KEY")
    assert "EC with explicit parameters" in refused(pairs.files(made) | {"tls.key": spelt_out})


@pytest.mark.parametrize(
    ("name", "kind"), [("tls.crt", b"CERTIFICATE"), ("tls.key", b"PRIVATE KEY")]
)
def test_the_lines_of_pem_have_to_be_exact(name: str, kind: bytes) -> None:
    files = pairs.files(leaf())
    text = files[name]
    assert pair.read(files | {name: text.replace(b"\n", b"\r\n")}, WHERE, True, NOW)
    assert pair.read(files | {name: b"a comment\n" + text}, WHERE, True, NOW)
    for wrong in (
        b"".join(b"  " + line + b"\n" for line in text.splitlines()),
        text.replace(b"-\n", b"- \n"),
        text.replace(b"-----BEGIN", b"----BEGIN"),
        text.replace(b"BEGIN " + kind, b"BEGIN X509 " + kind),
        text.replace(b"-----END", b"-----FIN"),
    ):
        assert f"(BEGIN {kind.decode()}) in lines without blanks" in refused(files | {name: wrong})


def test_of_authorities_only_what_linkerd_finds_counts() -> None:
    files = pairs.files(leaf())
    other = {"ca.crt": files["ca.crt"].replace(b" CERTIFICATE", b" X509 CERTIFICATE")}
    assert pair.read(files | other, WHERE, True, NOW)
    indented = b"".join(b"  " + line + b"\n" for line in ROOT.pem.splitlines())
    assert "ca.crt holds no certificate in PEM form" in refused(files | {"ca.crt": indented})
    beside = pairs.authority("another").pem + indented
    assert "issued by none of the authorities" in refused(files | {"ca.crt": beside})


SIGNS_NO_CERTIFICATES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@pytest.mark.parametrize(
    ("issuer", "said"),
    [
        (Made("a server", None), "is no authority's: issue by one with the basic constraint CA"),
        (pairs.authority(extensions=(SIGNS_NO_CERTIFICATES,)), "is no authority's"),
        (
            pairs.authority(key=ed25519.Ed25519PrivateKey.generate()),
            "has a key that linkerd cannot verify signatures by (Ed25519)",
        ),
        (pairs.authority(key=pairs.ec_key(ec.SECP256K1())), "(EC on secp256k1)"),
    ],
)
def test_an_issuer_that_is_no_authority_to_linkerd_is_told(issuer: Made, said: str) -> None:
    line = refused(pairs.files(Made(by=issuer)))
    assert line.startswith(f"{WHERE}: the certificate in ca.crt that tls.crt is issued by ")
    assert said in line


@pytest.mark.parametrize(
    "identifier", [ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.EXTENDED_KEY_USAGE]
)
def test_a_malformed_extension_is_one_line(identifier: x509.ObjectIdentifier) -> None:
    malformed = x509.UnrecognizedExtension(identifier, b"\x30\x05")
    line = refused(pairs.files(leaf(dns_names=None, extensions=(malformed,))))
    assert line.startswith(f"{WHERE}: a certificate in tls.crt is malformed (")
    authority = pairs.authority(extensions=(malformed,))
    line = refused(pairs.files(Made(by=authority)))
    assert line.startswith(f"{WHERE}: a certificate in ca.crt is malformed (")


@pytest.mark.parametrize("name", ["ca.crt", "tls.crt"])
def test_what_is_no_certificate_inside_is_one_line(name: str) -> None:
    wrong = pem.block(b"\x30\x03\x02\x01\x00", "CERTIFICATE")
    line = refused(pairs.files(leaf()) | {name: wrong})
    assert line.startswith(f"{WHERE}: a certificate in {name} is malformed (")
