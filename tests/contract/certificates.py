"""Authorities and certificates for tests, right ones and wrong ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Signed:
    """A certificate, the files that hold it and its key, and who signs by it."""

    certificate: x509.Certificate
    key: Key
    cert_path: Path
    key_path: Path

    @property
    def paths(self) -> Mapping[str, Any]:
        """As linkerd's configuration takes them."""
        return {"certPath": str(self.cert_path), "keyPath": str(self.key_path)}

    def replace_by(self, other: "Signed") -> None:
        """Let the files hold another one from now on."""
        self.cert_path.write_bytes(other.cert_path.read_bytes())
        self.key_path.write_bytes(other.key_path.read_bytes())


def authority(folder: Path, name: str, *, ca: bool = True, expired: bool = False) -> Signed:
    """An authority that signs itself, in NAME.crt and NAME.key; it may lack the constraint CA."""
    return _signed(folder, name, name, None, ca=ca, expired=expired)


def intermediate(by: Signed, name: str) -> Signed:
    """An authority that another one vouches for."""
    return _signed(by.cert_path.parent, name, name, by, ca=True)


def issue(
    by: Signed,
    file: str,
    name: str = "linkerd",
    *,
    alternative: str = "",
    expired: bool = False,
    key_format: PrivateFormat = PrivateFormat.PKCS8,
    key: Key | None = None,
) -> Signed:
    """A certificate for a common name and perhaps an alternative one, in FILE.crt and FILE.key."""
    folder = by.cert_path.parent
    return _signed(
        folder, file, name, by, alternative=alternative, expired=expired, form=key_format, key=key
    )


def _signed(
    folder: Path,
    file: str,
    name: str,
    by: Signed | None,
    *,
    ca: bool = False,
    alternative: str = "",
    expired: bool = False,
    form: PrivateFormat = PrivateFormat.PKCS8,
    key: Key | None = None,
) -> Signed:
    key = key or ec.generate_private_key(ec.SECP256R1())
    end = datetime.now(UTC) + timedelta(days=-1 if expired else 1)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=3))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if alternative:
        names = x509.SubjectAlternativeName([x509.DNSName(alternative)])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(by.key if by else key, hashes.SHA256())
    made = Signed(certificate, key, folder / f"{file}.crt", folder / f"{file}.key")
    made.cert_path.write_bytes(certificate.public_bytes(Encoding.PEM))
    made.key_path.write_bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))
    return made
