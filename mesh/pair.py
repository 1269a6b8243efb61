"""Whether a certificate, its key and its authorities are such that linkerd can use them.

linkerd starts, is ready and listens with a bad pair, and then fails each connection. So pairs are
checked before they reach a cluster. The rules are those of linkerd 1.7.5, as measured or else as
read in the sources of what it is made of.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from mesh import key_kinds, pem
from mesh.tls import AUTHORITIES, CERTIFICATE, COMMON_NAME, KEY

FILES = (AUTHORITIES, CERTIFICATE, KEY)

_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What a malformed certificate raises, as a whole or when a part of it is looked at."""


class PairError(OneLineError):
    """A certificate, key or authority that linkerd cannot use: where it is, and what to do."""


@dataclass(frozen=True)
class Pair:
    """A certificate and the authorities that are trusted with it; not the key."""

    authorities: tuple[x509.Certificate, ...]
    certificate: x509.Certificate

    @property
    def issuer(self) -> x509.Certificate | None:
        """Which of the authorities has issued the certificate.

        Of several of one key, as after the renewal of an authority, the last to end.
        """
        issuers = [each for each in self.authorities if issued(each, self.certificate)]
        return max(issuers, key=lambda each: each.not_valid_after_utc, default=None)

    @property
    def expires(self) -> dict[str, str]:
        """When the certificate and its authority end: `2027-03-01T12:00:00Z`.

        Other authorities may end unheeded: nothing is refused for it.
        """
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
    except (*_UNREADABLE, InvalidSignature):
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
    with _malformed(AUTHORITIES, where):
        authorities = _authorities(files[AUTHORITIES], where)
    with _malformed(CERTIFICATE, where):
        chain = _chain(files[CERTIFICATE], where)
        pair = Pair(tuple(authorities), chain[0])
        _refuse_key(files[KEY], chain[0], where)
        _refuse_name(chain[0], where)
        _refuse_usages(chain[0], mutual, where)
    with _malformed(AUTHORITIES, where):
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


@contextmanager
def _malformed(name: str, where: str) -> Iterator[None]:
    """Raise PairError where a part of a file's certificates cannot be read."""
    try:
        yield
    except _UNREADABLE as error:
        raise PairError(
            f"{where}: a certificate in {name} is malformed ({error}): have it issued anew"
        ) from None


def _authorities(text: bytes, where: str) -> list[x509.Certificate]:
    found = [x509.load_der_x509_certificate(der) for der in pem.authorities(text)]
    if not found:
        raise PairError(
            f"{where}: {AUTHORITIES} holds no certificate in PEM form (BEGIN CERTIFICATE), or "
            "indented ones only: put one there"
        )
    return found


def _chain(text: bytes, where: str) -> list[x509.Certificate]:
    try:
        found = pem.blocks(text, "CERTIFICATE")
    except ValueError:
        raise PairError(
            f"{where}: {CERTIFICATE} holds no certificate in PEM form (BEGIN CERTIFICATE) in lines "
            "without blanks around them: put one there"
        ) from None
    return [x509.load_der_x509_certificate(der) for der in found]


def _refuse_key(text: bytes, certificate: x509.Certificate, where: str) -> None:
    try:
        key = pem.blocks(text, "PRIVATE KEY")[0]
    except binascii.Error:
        _refuse_unreadable_key(where)
    except ValueError:
        raise PairError(
            f"{where}: {KEY} is not PKCS#8 (BEGIN PRIVATE KEY) in lines without blanks around "
            "them, the only form that linkerd reads: with cert-manager set `privateKey.encoding: "
            "PKCS8` in the Certificate, else convert it with `openssl pkcs8 -topk8 -nocrypt`"
        ) from None
    try:
        found = load_pem_private_key(pem.block(key, "PRIVATE KEY"), None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        _refuse_unreadable_key(where)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if found.public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise PairError(
            f"{where}: {KEY} is not the key of the certificate in {CERTIFICATE}: put both there "
            "as they were issued together"
        )
    kind = key_kinds.unserved(certificate, key)
    if kind:
        raise PairError(
            f"{where}: the key of {CERTIFICATE} is {kind}, which linkerd cannot serve: have it "
            f"issued with {key_kinds.SERVED}"
        )


def _refuse_unreadable_key(where: str) -> NoReturn:
    raise PairError(
        f"{where}: {KEY} cannot be read as a private key: put the certificate's there"
    ) from None


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
        _refuse_authority(pair.issuer, where)
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


def _refuse_authority(issuer: x509.Certificate, where: str) -> None:
    """Refuse an issuer that Java takes for no authority, or whose signatures it cannot verify."""
    its = f"{where}: the certificate in {AUTHORITIES} that {CERTIFICATE} is issued by"
    if not _may_issue(issuer):
        raise PairError(
            f"{its} is no authority's: issue by one with the basic constraint CA and, if it has "
            "key usages, with keyCertSign among them"
        )
    kind = key_kinds.unjudged(issuer)
    if kind:
        raise PairError(
            f"{its} has a key that linkerd cannot verify signatures by ({kind}): issue by one "
            "with an EC key on P-256, P-384 or P-521, or with an RSA key"
        )


def _may_issue(authority: x509.Certificate) -> bool:
    """By the rules of Java's PKIXValidator, which has none for certificates of version 1."""
    if authority.version != x509.Version.v3:
        return True
    try:
        if not authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        usages = authority.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        return error.oid == x509.KeyUsage.oid
    return usages.key_cert_sign


def _refuse_dates(pair: Pair, where: str, now: datetime) -> None:
    """Raise PairError for a certificate, or an issuer of it, that is not valid now.

    Other authorities may have expired: neither Netty nor Java looks at the dates of what is
    trusted, and what such an authority issued is out of date itself.
    """
    issuer = f"the authority in {AUTHORITIES} that issued {CERTIFICATE}"
    named = {f"the certificate in {CERTIFICATE}": pair.certificate, issuer: pair.issuer}
    for what, each in named.items():
        if each and each.not_valid_after_utc <= now:
            _refuse_date(where, f"{what} has expired at {when(each.not_valid_after_utc)}")
        if each and each.not_valid_before_utc > now:
            _refuse_date(where, f"{what} is not valid before {when(each.not_valid_before_utc)}")


def _refuse_date(where: str, what: str) -> NoReturn:
    raise PairError(
        f"{where}: {what}: put a valid one there, or set this machine's clock if that is wrong"
    )
