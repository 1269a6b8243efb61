"""Which kinds of keys linkerd can load and serve.

twitter/util loads RSA, DSA and EC keys (PrivateKeyFile.scala). Of these BoringSSL, which does
linkerd's TLS, takes no DSA, and no curve but P-256 and P-384 (kDefaultGroups in extensions.cc); a
key on P-521 is loaded, and each handshake fails. Java knows curves by their names only. OpenSSL,
by which `python -m canary tls` asks, refuses RSA keys of fewer bits.
"""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SERVED = "EC on P-256 or P-384, or RSA of 2048 bits or more"
"""What a certificate of linkerd may have."""

RSA_BITS = 2048

_CURVES = {
    "secp256r1": bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107"),
    "secp384r1": bytes.fromhex("301006072a8648ce3d020106052b81040022"),
}
"""By a curve's name the AlgorithmIdentifier of its keys, in DER (RFC 5480)."""

_ISSUERS_CURVES = {*_CURVES, "secp521r1"}


def unserved(certificate: x509.Certificate, key: bytes) -> str | None:
    """What a certificate's key is where linkerd cannot serve it; `key` is the private one's DER.

    Raises ValueError or UnsupportedAlgorithm for a public key that cannot be read.
    """
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < RSA_BITS:
        return f"RSA of {public.key_size} bits"
    if isinstance(public, ec.EllipticCurvePublicKey):
        named = _CURVES.get(public.curve.name)
        if named is None:
            return f"EC on {public.curve.name}"
        if named not in key:
            return "EC with explicit parameters in place of the curve's name"
    elif not isinstance(public, rsa.RSAPublicKey):
        return _kind(public)
    if _written(public) not in certificate.tbs_certificate_bytes:
        return "written in another form than named curves and plain RSA have"
    return None


def unjudged(issuer: x509.Certificate) -> str | None:
    """What an authority's key is where linkerd cannot verify its signatures by it.

    Raises ValueError or UnsupportedAlgorithm for one that cannot be read.
    """
    public = issuer.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return None
    if isinstance(public, ec.EllipticCurvePublicKey):
        is_known = public.curve.name in _ISSUERS_CURVES
        return None if is_known else f"EC on {public.curve.name}"
    return _kind(public)


def _written(public: CertificatePublicKeyTypes) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _kind(public: CertificatePublicKeyTypes) -> str:
    return type(public).__name__.removesuffix("PublicKey")
