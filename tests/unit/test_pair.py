"""Which certificates, keys and authorities linkerd can use, as it was measured on the real one."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat

from mesh import pair
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
        assert said.startswith(f"{WHERE}: tls.key is not PKCS#8 (BEGIN PRIVATE KEY)")
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
            "the certificate in ca.crt has expired at 2026-07-01T00:00:00Z",
        ),
    ],
)
def test_dates_are_told(made: Made, said: str) -> None:
    assert f"{WHERE}: {said}, and linkerd serves nothing with it" in refused(pairs.files(made))


def test_an_expired_authority_beside_a_good_one_is_refused_too() -> None:
    """linkerd reads the file as a whole."""
    files = pairs.files(leaf(), ROOT, pairs.authority("former", ends=NOW - DAY / 2))
    assert "the certificate in ca.crt has expired" in refused(files)
