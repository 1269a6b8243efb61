"""Whether a certificate, its key and its authorities are such that linkerd can use them.

linkerd starts, is ready and listens with a bad pair, and then fails each connection. So pairs are
checked before they reach a cluster. The rules are those of linkerd 1.7.5, as measured.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube.errors import OneLineError
from mesh.tls import AUTHORITIES, CERTIFICATE, COMMON_NAME, KEY

FILES = (AUTHORITIES, CERTIFICATE, KEY)

_PKCS8 = b"-----BEGIN PRIVATE KEY-----"
"""The only form of a key that linkerd reads: it refuses PKCS#1, SEC1 and encrypted ones."""


class PairError(OneLineError):
    """A certificate, key or authority that linkerd cannot use: where it is, and what to do."""


@dataclass(frozen=True)
class Pair:
    """A certificate and the authorities that are trusted with it; not the key."""

    authorities: tuple[x509.Certificate, ...]
    certificate: x509.Certificate

    @property
    def issuer(self) -> x509.Certificate | None:
        """Which of the authorities has issued the certificate."""
        return next((each for each in self.authorities if issued(each, self.certificate)), None)

    @property
    def expires(self) -> dict[str, str]:
        """When the certificate and its authority end: `2027-03-01T12:00:00Z`."""
        issuer = self.issuer
        ends = {"certificate": self.certificate, **({"authority": issuer} if issuer else {})}
        return {which: when(each.not_valid_after_utc) for which, each in ends.items()}

    def trusts(self, certificate: x509.Certificate) -> bool:
        """Whether one of the authorities has issued another certificate."""
        return any(issued(each, certificate) for each in self.authorities)


def when(time: datetime) -> str:
    """A time as the outputs have it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether an authority has signed a certificate itself, without others between them."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def read(files: Mapping[str, bytes], where: str, mutual: bool, now: datetime) -> Pair:
    """The pair of a Secret's data. Raises PairError for the first thing that is wrong with it.

    `where` is what messages call the Secret; `mutual` whether the certificate is a client's too.
    """
    missing = [name for name in FILES if not files.get(name)]
    if missing:
        raise PairError(
            f"{where} lacks {' and '.join(missing)}: linkerd needs {', '.join(FILES)}, which "
            "cert-manager writes for an issuer of the kind CA"
        )
    authorities = _certificates(files, AUTHORITIES, where)
    chain = _certificates(files, CERTIFICATE, where)
    pair = Pair(tuple(authorities), chain[0])
    _refuse_key(files[KEY], chain[0], where)
    _refuse_name(chain[0], where)
    _refuse_usages(chain[0], mutual, where)
    _refuse_issuer(pair, chain, where)
    _refuse_dates(pair, where, now)
    return pair


def of_secret(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a Secret, as an API server shows it; none where it cannot be read."""
    data: Mapping[str, str] = secret.get("data") or {}
    try:
        return {key: base64.b64decode(value, validate=True) for key, value in data.items()}
    except (binascii.Error, TypeError):
        return {}


def _certificates(files: Mapping[str, bytes], name: str, where: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(files[name])
    except ValueError:
        raise PairError(
            f"{where}: {name} holds no certificate in PEM form (BEGIN CERTIFICATE): put one there"
        ) from None


def _refuse_key(key: bytes, certificate: x509.Certificate, where: str) -> None:
    if _PKCS8 not in key:
        raise PairError(
            f"{where}: {KEY} is not PKCS#8 (BEGIN PRIVATE KEY), the only form that linkerd reads: "
            "with cert-manager set `privateKey.encoding: PKCS8` in the Certificate, else convert "
            "it with `openssl pkcs8 -topk8 -nocrypt`"
        )
    try:
        found = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise PairError(
            f"{where}: {KEY} cannot be read as a private key: put the certificate's there"
        ) from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if found.public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise PairError(
            f"{where}: {KEY} is not the key of the certificate in {CERTIFICATE}: put both there "
            "as they were issued together"
        )


def _refuse_name(certificate: x509.Certificate, where: str) -> None:
    """Refuse another name. A common name alone is enough; alternative names come before it."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = names.get_values_for_type(x509.DNSName)
        is_for = "DNS names"
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        found = [str(each.value) for each in common]
        is_for = "common name"
    if COMMON_NAME not in (name.lower() for name in found):
        raise PairError(
            f"{where}: {CERTIFICATE} is for another name ({is_for}: {', '.join(found) or 'none'}): "
            f"issue one with the DNS name {COMMON_NAME}, which linkerds ask each other for"
        )


def _refuse_usages(certificate: x509.Certificate, mutual: bool, where: str) -> None:
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return  # may be used for all
    wanted = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH}
    if mutual:
        wanted["client auth"] = ExtendedKeyUsageOID.CLIENT_AUTH
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in found:
        return
    lacking = [usage for usage, identifier in wanted.items() if identifier not in found]
    if lacking:
        raise PairError(
            f"{where}: {CERTIFICATE} is not for {' and '.join(lacking)}: issue one with the usages "
            f"{' and '.join(wanted)}"
        )


def _refuse_issuer(pair: Pair, chain: Sequence[x509.Certificate], where: str) -> None:
    if pair.issuer:
        return
    by = pair.certificate.issuer.rfc4514_string() or "no name"
    if len(chain) > 1:
        raise PairError(
            f"{where}: {CERTIFICATE} holds a chain of {len(chain)}, of which linkerd serves the "
            f"first only, and its issuer ({by}) is not in {AUTHORITIES}: put the issuer's "
            f"certificate into {AUTHORITIES}, or issue by the authority that is there"
        )
    raise PairError(
        f"{where}: {CERTIFICATE} is issued by none of the authorities in {AUTHORITIES} (its "
        f"issuer: {by}): put that authority's certificate there, or issue the certificate anew"
    )


def _refuse_dates(pair: Pair, where: str, now: datetime) -> None:
    """Raise PairError for a certificate, or an authority, that is not valid now."""
    authorities = [(AUTHORITIES, each) for each in pair.authorities]
    for name, each in [(CERTIFICATE, pair.certificate), *authorities]:
        if each.not_valid_after_utc <= now:
            _refuse_date(where, name, f"has expired at {when(each.not_valid_after_utc)}")
        if each.not_valid_before_utc > now:
            _refuse_date(where, name, f"is not valid before {when(each.not_valid_before_utc)}")


def _refuse_date(where: str, name: str, what: str) -> NoReturn:
    said = f"{where}: the certificate in {name} {what}, and linkerd serves nothing with it"
    raise PairError(f"{said}: put a valid one there, or set this machine's clock if that is wrong")
