"""Certificates of every kind that a Secret may hold, right and wrong ones."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
USAGES = {
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
}

Key = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)
_HASHES_ITSELF = ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


def ec_key(curve: ec.EllipticCurve | None = None) -> Key:
    """By default on P-256."""
    return ec.generate_private_key(curve or ec.SECP256R1())


def rsa_key(bits: int = 2048) -> Key:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@dataclass
class Made:
    """A certificate with its key; one without `by` is an authority that signs itself."""

    common_name: str = "linkerd"
    dns_names: tuple[str, ...] | None = ("linkerd",)
    usages: tuple[str, ...] = ()
    by: "Made | None" = None
    is_authority: bool = False
    extensions: tuple[x509.ExtensionType, ...] = ()
    """More of them."""
    begins: datetime = NOW - DAY
    ends: datetime = NOW + 365 * DAY
    key: Key = field(default_factory=ec_key)
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)])
        issuer = self.by.certificate.subject if self.by else subject
        constraints = x509.BasicConstraints(self.is_authority, None)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.begins)
            .not_valid_after(self.ends)
            .add_extension(constraints, critical=True)
        )
        if self.dns_names is not None:
            names = x509.SubjectAlternativeName([x509.DNSName(name) for name in self.dns_names])
            builder = builder.add_extension(names, critical=False)
        if self.usages:
            usages = x509.ExtendedKeyUsage([USAGES[name] for name in self.usages])
            builder = builder.add_extension(usages, critical=False)
        for extension in self.extensions:
            builder = builder.add_extension(extension, critical=False)
        signing = (self.by or self).key
        hashed = None if isinstance(signing, _HASHES_ITSELF) else hashes.SHA256()
        self.certificate = builder.sign(signing, hashed)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(
        self, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None
    ) -> bytes:
        encryption: KeySerializationEncryption = NoEncryption()
        if password:
            encryption = BestAvailableEncryption(password)
        return self.key.private_bytes(Encoding.PEM, form, encryption)


def authority(name: str = "an authority", **more: Any) -> Made:
    return Made(name, None, is_authority=True, **more)


def files(made: Made, *authorities: Made) -> dict[str, bytes]:
    """The data of a Secret; by default the certificate's issuer is the only authority."""
    trusted = authorities or ((made.by,) if made.by else ())
    return {
        "ca.crt": b"".join(each.pem for each in trusted),
        "tls.crt": made.pem,
        "tls.key": made.key_pem(),
    }
