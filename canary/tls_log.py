"""What linkerd's log says of failed handshakes, in the words of who has to put it right.

To callers linkerd says the same 502 for all of them.
"""

from collections import Counter
from collections.abc import Mapping

_ANOTHER_NAME = "the linkerd that it sends to has a certificate for another name than linkerd"

MEANINGS: Mapping[str, str] = {
    "not an SSL/TLS record: 485454502f": "the linkerd that it sends to answers in plain HTTP: it "
    "runs with another meshTls",
    "not an SSL/TLS record": "something sends plain HTTP to its TLS port: a linkerd with another "
    "meshTls, or another program",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "something that has no certificate sends to it: a linkerd "
    "with meshTls server, or another program",
    "PKIX path building failed": "the other side's certificate is of an authority that is not in "
    "its ca.crt: a rotation that skipped a step, or another mesh",
    "No subject alternative DNS name matching": _ANOTHER_NAME,
    "No name matching": _ANOTHER_NAME,
    "failed to load: NotAfter": "its own certificate has expired, and it serves and sends nothing",
    "failed to load: NotBefore": "its own certificate is not valid yet, and it serves and sends "
    "nothing: the node's clock may be wrong",
    "Missing -----BEGIN PRIVATE KEY-----": "its own tls.key is not PKCS#8",
    "None of RSA, DSA, EC worked": "its own tls.key is of a kind that linkerd cannot load",
    "CERTIFICATE_AND_PRIVATE_KEY_MISMATCH": "its own tls.key is not the key of its tls.crt",
}
"""By a part of a line of linkerd's log; of several that fit, the first one counts."""


def causes(log: str) -> Counter[str]:
    """How often each meaning occurs in a log."""
    found: Counter[str] = Counter()
    for line in log.splitlines():
        meaning = next((said for part, said in MEANINGS.items() if part in line), None)
        if meaning:
            found[meaning] += 1
    return found
