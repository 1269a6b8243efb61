"""The config key `canaryAnalysis`: what a rollout judges a canary by.

The program does nothing with it but check it, so that a preview tells a mistake before a rollout
does.
"""

import json
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from canary.analysis.limits import Limits
from settings import readers
from settings.errors import SettingsError, shortened

KEY = "canaryAnalysis"

DAY = 24 * 3600


def read(text: str) -> Limits:
    """Limits of the key's value, an object as JSON; a SettingsError for the first thing wrong."""
    try:
        given = readers.parsed_json(text)
    except ValueError as error:
        raise SettingsError(f"config {KEY} is {_shown(text)}: {error}") from None
    if not isinstance(given, dict):
        raise SettingsError(
            f"config {KEY} is {_shown(text)}: it must be an object such as {{interval: 60s}}"
        )
    unknown = sorted(given.keys() - _READERS.keys())
    if unknown:
        raise SettingsError(
            f"config {KEY}.{unknown[0]}: there is no such key, only {', '.join(_READERS)}"
        )
    found = Limits(**{_READERS[key][0]: _value(key, given) for key in given})
    if found.scrape > found.interval:
        raise SettingsError(
            f"config {KEY}.scrape is {found.scrape:g}s: it must not be longer than the interval, "
            f"which is {found.interval:g}s"
        )
    return found


def value(key: str, text: str) -> Any:
    """A single value, as on a command line. Raises ValueError."""
    return _READERS[key][1](text)


def _value(key: str, given: Mapping[str, Any]) -> Any:
    value, (_, reader) = given[key], _READERS[key]
    try:
        # `pulumi config set --path` makes a string of a number with decimals.
        return reader(value if isinstance(value, str) else json.dumps(value))
    except ValueError as error:
        raise SettingsError(f"config {KEY}.{key} is {_shown(value)}: {error}") from None


_SCHEME = re.compile(r"\W*\w*://|\W?")


def _shown(value: object) -> str:
    """A value in a line, without what comes before a host: a password is not for a log."""
    whole = repr(value)
    _, at, host = whole.rpartition("@")
    scheme = _SCHEME.match(whole)
    return shortened(f"{scheme[0]}…@{host}" if at and scheme else whole)


def _steps(value: str) -> tuple[float, ...]:
    """A list of percents, or as on a command line: 1,5,10."""
    given = readers.parsed_json(value)
    parts = [str(part) for part in given] if isinstance(given, list) else value.split(",")
    try:
        found = tuple(readers.percent(0.01)(part.strip()) for part in parts)
    except ValueError:
        found = ()
    if not found or any(low >= high for low, high in pairwise(found)):
        raise ValueError(
            "it must be percents from 0.01 to 100 with at most two decimals, each higher than the "
            "one before, such as [1, 5, 10, 25, 50, 100]"
        )
    return found


_SERVICE = re.compile(r"([^/]+)/([^/:]+):([^/:]+)")
_MATCHER = r'\s*[a-zA-Z_][a-zA-Z0-9_]*\s*(?:=|!=|=~|!~)\s*"(?:[^"\\\n]|\\.)*"\s*'
_PORT_NAME = r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*"


def _prometheus(value: str) -> str:
    """A URL, without a slash at its end, or a service in the cluster."""
    if not value:
        return value
    is_known = _is_url(value) if "://" in value else _is_service(value)
    if not is_known:
        raise ValueError(
            "it must be a URL such as https://prometheus.example.com, without a password, or a "
            "service in the cluster as namespace/service:port, such as monitoring/prometheus:9090"
        )
    return value.rstrip("/")


def _is_url(value: str) -> bool:
    if not re.fullmatch(r"https?://[^\s?#@\\]+", value):
        return False
    try:
        parts = urlsplit(value)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_service(value: str) -> bool:
    found = _SERVICE.fullmatch(value)
    if not found:
        return False
    try:
        readers.dns_label(found[1])
        readers.dns_label(found[2])
    except ValueError:
        return False
    if found[3].isdecimal():
        return 0 < int(found[3]) < 65536
    return len(found[3]) <= 15 and bool(re.fullmatch(_PORT_NAME, found[3]))


def _selector(value: str) -> str:
    if value and not re.fullmatch(rf"{_MATCHER}(?:,{_MATCHER})*", value):
        raise ValueError('it must be label matchers of Prometheus, such as cluster="prod"')
    return value.strip()


_READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "interval": ("interval", readers.duration(10, DAY)),
    "scrape": ("scrape", readers.duration(1, 600)),
    "steps": ("steps", _steps),
    "minSuccessRate": ("min_success_rate", readers.number(1, 99.999)),
    "maxLatencyMs": ("max_latency_ms", readers.integer(1, 600_000)),
    "oddsMargin": ("odds_margin", readers.number(1, 100)),
    "minEffectPoints": ("min_effect_points", readers.number(0, 50)),
    "latencyMargin": ("latency_margin", readers.number(1, 100)),
    "latencyMarginMs": ("latency_margin_ms", readers.integer(0, 600_000)),
    "falseAlarmRate": ("false_alarm_rate", readers.number(0.0001, 0.2)),
    "minRequests": ("min_requests", readers.integer(1, 1_000_000)),
    "onNoData": ("on_no_data", readers.one_of("hold", "go", "abort")),
    "maxHold": ("max_hold", readers.duration(10, 7 * DAY)),
    "scrapeErrors": ("scrape_errors", readers.integer(1, 100)),
    "prometheus": ("prometheus", _prometheus),
    "prometheusSelector": ("prometheus_selector", _selector),
}
"""The field of Limits by its key here, and what reads it."""

KEYS = tuple(_READERS)
"""All keys that it may have."""
