"""PEM as linkerd reads it, which is not as OpenSSL does.

twitter/util reads `tls.crt` and `tls.key` (PemFile.scala), and Netty `ca.crt` (PemReader.java).
"""

import base64
import re
from collections.abc import Iterator

_AUTHORITY = re.compile(
    rb"-+BEGIN\s+[^\r\n]*CERTIFICATE[^-]*-+\s+([a-z0-9+/=\r\n]+)-+END\s+[^\r\n]*CERTIFICATE[^-]*-+",
    re.IGNORECASE,
)


def blocks(text: bytes, kind: str) -> list[bytes]:
    """The DER of each block of a kind such as CERTIFICATE, at least one.

    Its first and last line have to be exact, without blanks, and all between them base64. Raises
    ValueError where linkerd refuses the file; binascii.Error, which is one, for what is no base64.
    """
    begin, end = f"-----BEGIN {kind}-----".encode(), f"-----END {kind}-----".encode()
    found: list[bytes] = []
    lines: list[bytes] | None = None
    for line in text.splitlines():
        if lines is None:
            lines = [] if line == begin else None
        elif line == end:
            found.append(base64.b64decode(b"".join(lines), validate=True))
            lines = None
        else:
            lines.append(line)
    if lines is not None or not found:
        raise ValueError(f"no {kind} that ends")
    return found


def block(der: bytes, kind: str) -> bytes:
    """DER as a file of one block."""
    encoded = base64.encodebytes(der).decode()
    return f"-----BEGIN {kind}-----\n{encoded}-----END {kind}-----\n".encode()


def authorities(text: bytes) -> Iterator[bytes]:
    """The DER of each certificate that linkerd finds in `ca.crt`; it passes over indented ones."""
    for found in _AUTHORITY.finditer(text):
        yield base64.b64decode(b"".join(found[1].split()), validate=True)
