"""linkerd's namers that only rewrite a name, as the routing tables of this project use them.

They are documented under "Rewriting namers" at https://api.linkerd.io/1.7.4/linkerd/; what the
documentation leaves out, such as the port that `subdomainOfPfx` drops, is in linkerd's
namer/core/src/main/scala/io/buoyant/http.scala. What they make of a name is known without asking
namerd.
"""

import re
from collections.abc import Sequence

PORT_FIRST = "/$/io.buoyant.porthostPfx"
"""`<this>/pfx/host:port/more` becomes `/pfx/port/host/more`."""

HOST_FIRST = "/$/io.buoyant.hostportPfx"
"""`<this>/pfx/host:port/more` becomes `/pfx/host/port/more`."""

SUBDOMAIN = "/$/io.buoyant.http.subdomainOfPfx"
"""`<this>/domain/pfx/sub.domain/more` becomes `/pfx/sub/more`, and so does `sub.domain:port`."""

_PORT = re.compile(r"[a-z0-9][-a-z0-9]{0,62}")


def rewritten(labels: Sequence[str]) -> list[str] | None:
    """The labels that such a namer makes of a path; None of a path that it does not rewrite."""
    name, rest = "/" + "/".join(labels[:2]), list(labels[2:])
    if name in (PORT_FIRST, HOST_FIRST):
        return _without_colon(rest, name == PORT_FIRST)
    return _subdomain(rest) if name == SUBDOMAIN else None


def _without_colon(labels: list[str], port_first: bool) -> list[str] | None:
    if len(labels) < 2:
        return None
    prefix, full, *more = labels
    host, colon, port = full.partition(":")
    if not colon or not host or not _PORT.fullmatch(port):
        return None
    return [prefix, port, host, *more] if port_first else [prefix, host, port, *more]


def _subdomain(labels: list[str]) -> list[str] | None:
    if len(labels) < 3:
        return None
    domain, prefix, host, *more = labels
    name = _without_port(host)
    sub = name.removesuffix(f".{domain}")
    return [prefix, sub, *more] if sub and sub != name else None


def _without_port(host: str) -> str:
    """A host up to its first colon, unless that is its first character."""
    name, _, _ = host.partition(":")
    return name or host
