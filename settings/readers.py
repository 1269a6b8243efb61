"""From a config value's text to what it means; a ValueError says what is allowed."""

import ipaddress
import json
import re
from collections.abc import Callable
from typing import Any

from settings.errors import quoted, shortened


def text(value: str) -> str:
    """Any text."""
    return value


def boolean(value: str) -> bool:
    """`true` or `false`."""
    if value not in ("true", "false"):
        raise ValueError("it must be true or false")
    return value == "true"


def optional(reader: Callable[[str], str]) -> Callable[[str], str]:
    """What a reader takes, or nothing."""
    return lambda value: reader(value) if value else value


def integer(low: int, high: int) -> Callable[[str], int]:
    """A whole number of a range, both ends included."""

    def read(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}")
        return int(value)

    return read


def percent(low: float) -> Callable[[str], float]:
    """A percent of at most two decimals, up to 100: an int where it is whole."""

    def read(value: str) -> float:
        found = two_decimals(value)
        if found is None or not low <= found <= 100:
            raise ValueError(percent_from(low))
        return found

    return read


def percent_from(low: float) -> str:
    """What a percent must be."""
    return f"it must be a percent from {low:g} to 100 with at most two decimals, such as 10 or 0.5"


def two_decimals(value: str) -> float | None:
    """The number that a text such as 10, 0.5 or 33.30 stands for; None where it is none."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,2})?", value, re.ASCII):
        return None
    whole, _, decimals = value.partition(".")
    return float(value) if decimals.strip("0") else int(whole)


def number(low: float, high: float) -> Callable[[str], float]:
    """A number of a range, both ends included: an int where it is whole."""

    def read(value: str) -> float:
        is_number = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value, re.ASCII)
        if not is_number or not low <= float(value) <= high:
            raise ValueError(f"it must be a number from {low:g} to {high:g}")
        found = float(value)
        return int(found) if found.is_integer() else found

    return read


_SECONDS = {"s": 1, "m": 60, "h": 3600}


def duration(low: int, high: int) -> Callable[[str], int]:
    """Seconds of a time such as 60s, 10m or 1h, within a range of seconds."""

    def read(value: str) -> int:
        found = re.fullmatch(r"([0-9]{1,6})([smh])", value, re.ASCII)
        seconds = int(found[1]) * _SECONDS[found[2]] if found else -1
        if not low <= seconds <= high:
            raise ValueError(
                f"it must be a time from {in_units(low)} to {in_units(high)}, such as 60s, 10m or "
                "1h"
            )
        return seconds

    return read


def in_units(seconds: int) -> str:
    """Seconds as `duration` reads them, in the largest unit that divides them."""
    unit = next(unit for unit in ("h", "m", "s") if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def one_of(*allowed: str) -> Callable[[str], str]:
    """One of some words."""

    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"it must be {' or '.join(allowed)}")
        return value

    return read


def form(pattern: str, what: str) -> Callable[[str], str]:
    """A text that a pattern matches as a whole; `what` it must be otherwise."""

    def read(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"it must be {what}")
        return value

    return read


_DNS_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

dns_label = form(
    _DNS_LABEL,
    "a Kubernetes name: up to 63 of a–z, 0–9 and -, no - at either end",
)

cluster_domain = form(
    rf"(?=.{{1,253}}\Z){_DNS_LABEL}(\.{_DNS_LABEL})*",
    "a DNS name such as cluster.local: parts of a–z, 0–9 and -, with no - at either end, and no "
    "dot at the end",
)

secret_name = form(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
    "the name of a Secret: up to 253 of a–z, 0–9, - and ., each part with no - at either end",
)

service_name = form(
    r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
    "the name of a Kubernetes service: up to 63 of a–z, 0–9 and -, a letter first, no - at the end",
)
"""The API server is stricter with services than with other objects (RFC 1035)."""


def namespace(value: str) -> str:
    """A namespace that a stack may make, and delete in the end."""
    if value == "default" or value.startswith("kube-"):
        raise ValueError("it is one of Kubernetes' own namespaces: name another one")
    return dns_label(value)


def identifier(value: str) -> str:
    """A name of one's own choice, or nothing."""
    if value and not re.fullmatch(r"[^\s\x00-\x1f\x7f]{1,100}", value):
        raise ValueError("it must be up to 100 characters without blanks")
    return value


_HOST_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_HOST_LABEL}(\.{_HOST_LABEL})*"

# https://github.com/distribution/reference. What comes before the first slash is a registry only
# where it holds a dot or a colon, or is localhost.
_REGISTRY = rf"(localhost|{_HOST_LABEL}(\.{_HOST_LABEL})+|{_HOST}(?=:)|\[[0-9a-fA-F:]+\])"
_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?P<name>({_REGISTRY}(:(?P<port>[0-9]{{1,5}}))?/)?{_PART}(/{_PART})*)"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?"
)


def image(value: str) -> str:
    """The name of an image, as container runtimes take it."""
    found = _IMAGE.fullmatch(value)
    is_id = re.fullmatch("[0-9a-f]{64}", value)
    if not found or is_id or len(found["name"]) > 255 or not 0 < int(found["port"] or 80) < 65536:
        raise ValueError(
            "it must be an image such as registry.example/name:tag or name@sha256:…, the name in "
            "lower case"
        )
    return value


def is_host_name(text: str) -> bool:
    """Whether a text is a host's name; one that URLs take for an address is none."""
    is_number = re.fullmatch(r"(.*\.)?(0[xX][0-9a-fA-F]*|[0-9]+)", text)
    return not is_number and bool(re.fullmatch(rf"(?=.{{1,253}}\Z){_HOST}", text))


def host_or_empty(value: str) -> str:
    """A host's name or address, or nothing."""
    if not value:
        return value
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        if not is_host_name(value):
            raise ValueError(
                "it must be a host's name or address, without http:// and port"
            ) from None
        return value
    if address.is_unspecified or "%" in value:
        raise ValueError("it is the address of no host that others reach")
    return str(address)


def cidrs(value: str) -> tuple[str, ...]:
    """A list of ranges as Kubernetes and Azure write them: an address is a range of one."""
    return tuple(dict.fromkeys(map(_cidr, texts(value))))


def _cidr(text: str) -> str:
    try:
        if "%" in text:
            raise ValueError("it names an interface of this machine")
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(
            f"{quoted(text)} is no address range such as 203.0.113.0/24: {shortened(str(error))}"
        ) from None


def texts(value: str) -> tuple[str, ...]:
    """A list of strings."""
    parsed = parsed_json(value)
    if not isinstance(parsed, list) or not all(isinstance(item, str) for item in parsed):
        raise ValueError("it must be a list of strings")
    return tuple(parsed)


def parsed_json(value: str) -> Any:
    """A structured config value, which the engine hands over as JSON; None where it is none.

    Raises ValueError for one that Python cannot hold, or that is nested deeper than any key asks.
    """
    try:
        parsed = json.loads(value)
    except json.JSONDecodeError:
        return None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError:
        raise ValueError("a number in it has thousands of digits") from None
    if not _is_within(parsed, _DEEPEST):
        raise ValueError(_TOO_DEEP)
    return parsed


_DEEPEST = 32
"""Levels of lists and objects. `services`, the deepest key, has six."""

_TOO_DEEP = f"its lists and objects are nested more than {_DEEPEST} deep"


def _is_within(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_within(each, levels - 1) for each in inner)
