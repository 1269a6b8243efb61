"""The config key `noProxy`: hosts that services call past linkerd.

The forms are those that Go, curl and Python's clients know in the variable `no_proxy`.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence

from mesh import dns
from settings import readers
from settings.errors import SettingsError, quoted, shortened
from settings.services import Service

KEY = "noProxy"

_WITH_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:]+):(?P<port>[0-9]{1,5})")


def read(value: str) -> tuple[str, ...]:
    """A list of names, addresses and ranges, as they are given; a ValueError for another thing."""
    hosts = readers.texts(value)
    for host in hosts:
        if not (_is_range(host) or _is_address(host) or _is_host(host)):
            raise ValueError(
                f"{quoted(host)} is no host such as example.com, .example.com (all below it), "
                "example.com:8080, 203.0.113.7, 2001:db8::7 or 203.0.113.0/24"
            )
    return hosts


def refuse_own_services(
    hosts: Sequence[str], services: Iterable[Service], apps_namespace: str, cluster_domain: str
) -> None:
    """Raise SettingsError where clients would take an entry for a service of the stack's own."""
    spellings = list(_spellings(services, apps_namespace, cluster_domain))
    for index, host in enumerate(hosts):
        covered = next((each for each in spellings if _covers(host, each)), None)
        if covered is not None:
            raise SettingsError(
                f"config {KEY} has {quoted(host)}, which covers {shortened(covered)}, a service of "
                "the stack: its requests would go past linkerd, without its split and TLS; name "
                "the hosts outside the mesh one by one, and remove this with `pulumi config rm "
                f"--path '{KEY}[{index}]'`"
            )


def _is_range(text: str) -> bool:
    # Clients know no other mask than the length of the prefix.
    return bool(re.fullmatch(r"[^/%]+/[0-9]{1,3}", text)) and _network(text) is not None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_address(text: str) -> bool:
    return "/" not in text and "%" not in text and _network(text) is not None


def _is_host(text: str) -> bool:
    """A name, or what is below it, or an address; with a port or without."""
    host = _without_port(text)
    if host.startswith("["):  # which only keep the colons of an address from the port's
        return host != text and ":" in host and _is_address(host[1:-1])
    return _is_address(host) or readers.is_host_name(host.removeprefix("."))


def _without_port(text: str) -> str:
    """The host of `host:port`, and what is nothing like that as it is."""
    found = _WITH_PORT.fullmatch(text)
    return found["host"] if found and 0 < int(found["port"]) < 65536 else text


def _spellings(
    services: Iterable[Service], apps_namespace: str, cluster_domain: str
) -> Iterator[str]:
    domains = dns.domains(apps_namespace, cluster_domain)
    for service in services:
        prefix = service.prefix.rpartition("/")[2].partition(":")[0]
        versions = (deployment.name for deployment in service.deployments)
        for name in dict.fromkeys((service.name, prefix, *versions)):
            yield name
            yield from (f"{name}.{domain}" for domain in domains)


def _covers(entry: str, spelling: str) -> bool:
    """Whether clients that heed an entry call a spelling directly: one of them does, at least."""
    if network := _network(entry):
        try:
            return ipaddress.ip_address(spelling) in network
        except ValueError:
            return False
    # Some take `.example.com` for example.com as well, and all `example.com` for what is below it.
    host = _without_port(entry).removeprefix(".").lower()
    return spelling == host or spelling.endswith(f".{host}")
