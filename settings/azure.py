"""Readers of config values whose form Azure prescribes.

Names by https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules,
tags by https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources.
"""

import ipaddress
import re
from collections.abc import Mapping

from settings import readers
from settings.errors import quoted

location = readers.form(r"[a-z][a-z0-9]{2,39}", "a region's name without spaces: westeurope")

resource_group = readers.form(
    r"[\w.()-]{0,89}[\w()-]",
    "up to 90 letters, digits and _ - . ( ), without a . at the end",
)

cluster = readers.form(
    r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?",
    "up to 63 letters, digits, _ and -, with a letter or digit at either end",
)

kubernetes_version = readers.form(
    r"1\.(0|[1-9][0-9]?)(\.(0|[1-9][0-9]{0,2}))?", "a version such as 1.36, in quotes"
)

vm_size = readers.form(r"Standard_[A-Za-z0-9_-]+", "a size such as Standard_D2s_v5")

registry = readers.form(
    r"[a-zA-Z0-9]{5,50}|/subscriptions/[^/\s]+/resourceGroups/[^/\s]+"
    r"/providers/Microsoft\.ContainerRegistry/registries/[a-zA-Z0-9]{5,50}",
    "a name of 5 to 50 letters and digits for a new registry, or the resource id of one that "
    "exists: /subscriptions/…/registries/…",
)

MOST_RANGES = 200
"""Address ranges that AKS takes
(https://learn.microsoft.com/azure/aks/api-server-authorized-ip-ranges)."""

MOST_TAGS = 50
_RESERVED_TAGS = ("microsoft", "azure", "windows")
"""Azure reserves names that start with these."""


def zones(value: str) -> tuple[str, ...]:
    """A list of availability zones' numbers."""
    found = readers.texts(value)
    if not set(found) <= {"1", "2", "3"} or len(set(found)) != len(found):
        raise ValueError('it must be a list of zones, each once, such as ["1", "2", "3"]')
    return found


def authorized_ranges(value: str) -> tuple[str, ...]:
    """A list of IPv4 addresses and ranges, as Azure writes them: an address is a range of one."""
    found = readers.cidrs(value)
    if len(found) > MOST_RANGES:
        raise ValueError(f"Azure takes at most {MOST_RANGES} ranges")
    for each in found:
        if ipaddress.ip_network(each).version != 4:
            raise ValueError(f"{each!r} is IPv6; AKS accepts IPv4 only")
    return found


def object_ids(value: str) -> tuple[str, ...]:
    """A list of ids of Entra objects."""
    found = readers.texts(value)
    for each in found:
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each, re.IGNORECASE):
            raise ValueError(
                f"{quoted(each)} is no object id such as 11111111-2222-3333-4444-555555555555 "
                "(`az ad group show` tells a group's)"
            )
    return tuple(dict.fromkeys(found))


def tags(value: str) -> Mapping[str, str]:
    """Strings by name."""
    found = readers.parsed_json(value)
    if not isinstance(found, dict) or len(found) > MOST_TAGS:
        raise ValueError(f"it must be an object of at most {MOST_TAGS} strings by tag name")
    for name, text in found.items():
        if not re.fullmatch(r"[^<>%&\\?/]{1,512}", name):
            raise ValueError(
                f"a tag's name is up to 512 characters without < > % & \\ ? /: {quoted(name)}"
            )
        if not isinstance(text, str) or len(text) > 256:
            raise ValueError(
                f"the tag {quoted(name)} must be a string, in quotes, of up to 256 characters"
            )
        if name.lower().startswith(_RESERVED_TAGS):
            raise ValueError(
                f"{quoted(name)}: Azure reserves tag names that start with "
                f"{', '.join(_RESERVED_TAGS)}"
            )
    if len({name.lower() for name in found}) < len(found):
        raise ValueError("two tag names differ only in case, and Azure takes them for one")
    return found
