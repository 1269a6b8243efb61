"""From a config value's text to what it means; a ValueError says what is allowed."""

import ipaddress
import json
import re
from collections.abc import Callable
from typing import Any


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
        if not re.fullmatch(r"-?[0-9]+", value) or not low <= int(value) <= high:
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


dns_label = form(
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
    "a Kubernetes name: up to 63 of a–z, 0–9 and -, no - at either end",
)

image = form(
    r"[^\s:@]+(:[0-9]+/[^\s:@]+)?(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?",
    "an image such as registry.example/name:tag or name@sha256:…",
)


def host_or_empty(value: str) -> str:
    """A host's name or address, or nothing."""
    label = r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
    if not value or re.fullmatch(rf"{label}(\.{label})*", value):
        return value
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("it must be a host's name or address, without http:// and port") from None


def cidrs(value: str) -> tuple[str, ...]:
    """A list of address ranges."""
    ranges = texts(value)
    for each in ranges:
        try:
            ipaddress.ip_network(each)
        except ValueError as error:
            raise ValueError(
                f"{each!r} is no address range such as 203.0.113.0/24: {error}"
            ) from None
    return ranges


def texts(value: str) -> tuple[str, ...]:
    """A list of texts."""
    parsed = parsed_json(value)
    if not isinstance(parsed, list) or not all(isinstance(item, str) for item in parsed):
        raise ValueError("it must be a list of texts")
    return tuple(parsed)


def parsed_json(value: str) -> Any:
    """A structured config value, which the engine hands over as JSON; None where it is none."""
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return None
