"""Asking a linkerd's TLS port for a connection, as another linkerd would."""

import socket
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from canary.errors import CanaryError
from mesh import tls

SECONDS = 10.0


@dataclass(frozen=True)
class Shaken:
    """How a handshake ended."""

    certificate: x509.Certificate | None
    """What the server showed."""
    refused: str = ""
    """Why there is no connection; "" where there is one."""


def shake(raw: socket.socket, pair: Mapping[str, bytes] | None) -> Shaken:
    """Begin TLS on a connection, with the client certificate of a pair or without one.

    The server's certificate is not judged here. The connection is closed. Raises CanaryError for a
    pair that OpenSSL does not take, and for a certificate of the server's that cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # linkerd's rules are others than Python's
    # The only version that linkerd speaks. By TLS 1.3 a refusal would also come only later.
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    if pair:
        _load(context, pair)
    raw.settimeout(SECONDS)
    try:
        with context.wrap_socket(raw, server_hostname=tls.COMMON_NAME) as connection:
            shown = connection.getpeercert(binary_form=True)
    except (ssl.SSLError, OSError) as error:
        raw.close()
        return Shaken(None, _reason(error))
    try:
        return Shaken(x509.load_der_x509_certificate(shown) if shown else None)
    except (ValueError, x509.InvalidVersion) as error:
        raise CanaryError(f"it serves a certificate that cannot be read: {error}") from None


def _load(context: ssl.SSLContext, pair: Mapping[str, bytes]) -> None:
    """Python reads keys from files only: these are this user's, and gone at once.

    Raises CanaryError.
    """
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        certificate.write_bytes(pair[tls.CERTIFICATE])
        key.touch(mode=0o600)
        key.write_bytes(pair[tls.KEY])
        try:
            context.load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            raise CanaryError(
                f"the certificate of its Secret cannot be shown to it from here, as OpenSSL does "
                f"not take it ({_reason(error)}): have one issued with another key or signature"
            ) from None


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError):
        return "it hangs up"
    if isinstance(error, TimeoutError):
        return f"it does not answer within {SECONDS:g} s"
    return str(getattr(error, "reason", None) or error)
