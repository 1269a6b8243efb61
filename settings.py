"""The stack's config as one typed, checked, frozen object.

The keys, their types, defaults and descriptions are in Pulumi.yaml; the engine fills the defaults
in. This module adds what a type cannot say: ranges, forms, and that there are no unknown keys.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

PLATFORMS = ("kubeconfig",)
EXPOSURES = ("LoadBalancer", "NodePort", "ClusterIP")

T = TypeVar("T")


class SettingsError(Exception):
    """A config value that cannot be used: its key, the value, what is allowed."""


@dataclass(frozen=True)
class Settings:
    """One stack's config, checked."""

    canary_weight: int
    """Percent of world's traffic for world-v2, 0–100."""
    max_weight_step: int
    """The most percents that one update may add to a branch, 1–100."""
    adopt_existing: bool
    """Whether tables that exist in namerd with other content are taken over."""
    platform: str
    """One of PLATFORMS."""
    kubeconfig: str
    """Path or content of a kubeconfig; empty for the ambient one. Not to be shown."""
    kube_context: str
    """Name of a context in it; empty for its current one."""
    cluster_identifier: str
    """A name for the cluster that outlives address and credentials; empty for the stack's name."""
    mesh_namespace: str
    apps_namespace: str
    linkerd_image: str
    namerd_image: str
    kubectl_image: str
    helloworld_image: str
    exposure: str
    """One of EXPOSURES."""
    source_ranges: tuple[str, ...]
    """CIDRs that the load balancer lets in; empty for all."""
    replicas: int
    """Pods of each app, 1–100."""


def load() -> Settings:
    """The running stack's settings; a SettingsError for the first wrong value."""
    prefix = f"{pulumi.get_project()}:"
    # pulumi.Config looks single keys up; unknown ones show only in the whole.
    everything = {**get_config_env(), **CONFIG.get()}
    ours = {key: value for key, value in everything.items() if key.startswith(prefix)}
    return parse({key.removeprefix(prefix): str(value) for key, value in ours.items()})


def parse(config: Mapping[str, str]) -> Settings:
    """Settings of config values by their short keys; a SettingsError for the first wrong one."""
    unknown = sorted(set(config) - set(_KEYS))
    if unknown:
        raise SettingsError(
            f"config key {unknown[0]!r} is not one of this project's: remove it with "
            f"`pulumi config rm {unknown[0]}`; the keys are {', '.join(_KEYS)}"
        )
    values = {_field(key): _value(key, reader, config) for key, reader in _KEYS.items()}
    if values["mesh_namespace"] == values["apps_namespace"]:
        raise SettingsError(
            f"config appsNamespace is {values['apps_namespace']!r}, the same as meshNamespace: "
            "the mesh and the apps need a namespace each"
        )
    return Settings(**values)


def _value(key: str, reader: Callable[[str], T], config: Mapping[str, str]) -> T:
    if key not in config:
        raise SettingsError(f"config {key} is missing: set it with `pulumi config set {key} …`")
    try:
        return reader(config[key])
    except ValueError as error:
        raise SettingsError(f"config {key} is {config[key]!r}: {error}") from None


def _field(key: str) -> str:
    return re.sub(r"[A-Z]", lambda capital: f"_{capital[0].lower()}", key)


def _text(value: str) -> str:
    return value


def _boolean(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("it must be true or false")
    return value == "true"


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]+", value) or not low <= int(value) <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}")
        return int(value)

    return read


def _one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"it must be {' or '.join(allowed)}")
        return value

    return read


def _dns_label(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", value):
        raise ValueError(
            "it must be a Kubernetes name: up to 63 of a–z, 0–9 and -, no - at either end"
        )
    return value


def _image(value: str) -> str:
    if not re.fullmatch(
        r"[^\s:@]+(:[0-9]+/[^\s:@]+)?(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?", value
    ):
        raise ValueError("it must be an image such as registry.example/name:tag or name@sha256:…")
    return value


def _cidrs(value: str) -> tuple[str, ...]:
    ranges = _json_list(value)
    for text in ranges:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(
                f"{text!r} is no address range such as 203.0.113.0/24: {error}"
            ) from None
    return ranges


def _json_list(value: str) -> tuple[str, ...]:
    try:
        parsed: Any = json.loads(value)
    except json.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, list) or not all(isinstance(item, str) for item in parsed):
        raise ValueError("it must be a list of texts")
    return tuple(parsed)


_KEYS: Mapping[str, Callable[[str], Any]] = {
    "canaryWeight": _integer(0, 100),
    "maxWeightStep": _integer(1, 100),
    "adoptExisting": _boolean,
    "platform": _one_of(PLATFORMS),
    "kubeconfig": _text,
    "kubeContext": _text,
    "clusterIdentifier": _text,
    "meshNamespace": _dns_label,
    "appsNamespace": _dns_label,
    "linkerdImage": _image,
    "namerdImage": _image,
    "kubectlImage": _image,
    "helloworldImage": _image,
    "exposure": _one_of(EXPOSURES),
    "sourceRanges": _cidrs,
    "replicas": _integer(1, 100),
}
