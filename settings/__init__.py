"""The stack's config as one typed, checked, frozen object.

The keys, their types, defaults and descriptions are in Pulumi.yaml; the engine fills the defaults
in. This package adds what a type cannot say: ranges, forms, and that there are no unknown keys.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret

from canary.analysis.limits import Limits
from mesh import dns
from settings import aks, analysis, foreign, no_proxy, readers, services, tls
from settings.aks import Aks
from settings.errors import SettingsError, quoted
from settings.services import Service
from settings.tls import Tls

__all__ = [
    "Aks",
    "Service",
    "Settings",
    "SettingsError",
    "Tls",
    "ignored_keys",
    "load",
    "parse",
]

T = TypeVar("T")

SIDECAR_PORTS = (4140, 4141, 4143, 9990)
"""Of the linkerd beside an app: outgoing, incoming plain and with TLS, admin."""

OVERHEAD_MB = 200
"""What a linkerd needs beyond its heap, in MiB: 150 were measured under mutual TLS."""


@dataclass(frozen=True)
class Settings:
    """One stack's config, checked."""

    canary_weight: float
    """Percent of the traffic for the second of two versions, 0–100, with at most two decimals."""
    max_weight_step: float
    """The most percents that one update may add to a branch, 0.01–100."""
    adopt_existing: bool
    """Whether tables that exist already are taken over, whoever keeps them; it acts once."""
    platform: str
    """Where the cluster comes from: kubeconfig or aks."""
    aks: Aks | None
    """The cluster to make, where platform is aks."""
    kubeconfig: str
    """Path or content of a kubeconfig; empty for the ambient one. Not to be shown."""
    kube_context: str
    """Name of a context in it; empty for its current one."""
    cluster_identifier: str
    """A name for the cluster that outlives address and credentials; empty for the stack's first."""
    mesh_namespace: str
    apps_namespace: str
    cluster_domain: str
    """What the cluster's DNS has behind `svc`: cluster.local."""
    no_proxy: tuple[str, ...]
    """Hosts that services call past linkerd: names, .suffixes, addresses and ranges."""
    network_policies: str
    """auto, true or false; auto is true where the platform has an engine for them."""
    create_namespaces: bool
    """Whether the stack makes both namespaces; else an administrator has made them for it."""
    mesh_topology: str
    """Where linkerds run: daemonset, sidecar, or both on the way from one to the other."""
    edge_replicas: int
    """Linkerds that requests from outside enter by where there are sidecars, 1–100."""
    total_timeout_ms: int
    """How long a service's request to another may take with its retries; 0 for any time."""
    max_connections: int
    """The most connections of a linkerd to one endpoint, 1–10000."""
    linkerd_heap_mb: int
    """The most of the JVM's heap, in MiB."""
    linkerd_memory_mb: int
    """The most that linkerd's container may use, in MiB."""
    namerd_replicas: int
    linkerd_image: str
    namerd_image: str
    kubectl_image: str
    helloworld_image: str
    """What a service runs that names no image."""
    exposure: str
    """LoadBalancer, NodePort or ClusterIP."""
    node_address: str
    """Host name or address for the URL of a NodePort; empty for a node's own."""
    source_ranges: tuple[str, ...]
    """CIDRs that the load balancer lets in; empty for all."""
    replicas: int
    """Pods of each service or version that does not say, 1–100."""
    services: tuple[Service, ...]
    """Sorted by name."""
    entry_service: str
    """The name of the service that requests from outside reach."""
    canary_analysis: Limits
    """What a rollout judges by; the program only checks it."""
    tls: Tls
    """TLS between linkerds."""
    secret: frozenset[str]
    """The keys that the stack keeps encrypted, and whose values must not be shown."""

    @property
    def entry(self) -> Service:
        """The service that requests from outside reach."""
        return next(each for each in self.services if each.name == self.entry_service)

    @property
    def has_network_policies(self) -> bool:
        """Whether the stack restricts who may speak to its pods."""
        if self.network_policies == "auto":
            return self.platform == "aks"
        return self.network_policies == "true"

    @property
    def of_linkerd(self) -> dict[str, str]:
        """What the linkerds on nodes are started with, by config key."""
        plain = {key: str(getattr(self, _field(key))) for key in _OF_LINKERD}
        if self.cluster_domain != dns.CLUSTER_DOMAIN:  # which a former state does not have
            plain["clusterDomain"] = self.cluster_domain
        return {**plain, **{key: str(getattr(self.tls, _field(key))) for key in tls.KEYS}}

    @property
    def runs_as_root(self) -> bool:
        """Whether any service's containers run as root."""
        every = (each for service in self.services for each in service.deployments)
        return any(each.run_as_user == 0 for each in every)


def load() -> Settings:
    """The running stack's settings; a SettingsError for the first wrong value."""
    prefix = f"{pulumi.get_project()}:"
    ours = {key: value for key, value in _everything().items() if key.startswith(prefix)}
    config = {key.removeprefix(prefix): str(value) for key, value in ours.items()}
    return parse(config, secret={key for key in config if is_config_secret(f"{prefix}{key}")})


def ignored_keys(settings: Settings) -> str | None:
    """A line that names the running stack's config keys without effect; None for none."""
    return foreign.warning(_everything(), pulumi.get_project(), settings.platform)


def _everything() -> dict[str, Any]:
    """All config of the stack; pulumi.Config looks single keys up."""
    return {**get_config_env(), **CONFIG.get()}


def parse(config: Mapping[str, str], secret: Collection[str] = ()) -> Settings:
    """Settings of config values by their short keys; a SettingsError for the first wrong one.

    `secret` are the keys that the stack keeps encrypted.
    """
    every_key = (*_KEYS, SERVICES, analysis.KEY, *tls.KEYS, *aks.KEYS)
    for key, instead in _GONE.items():
        if key in config:
            raise SettingsError(
                f"config {key} is gone: {instead}; remove it with `pulumi config rm {key}`"
            )
    unknown = sorted(set(config) - {*every_key})
    if unknown:
        raise SettingsError(
            f"config key {unknown[0]!r} is not one of this project's: remove it with "
            f"`pulumi config rm {unknown[0]}`; the keys are {', '.join(every_key)}"
        )
    _refuse_what_cannot_be_secret(secret)
    values = {_field(key): _value(key, reader, config, secret) for key, reader in _KEYS.items()}
    if values["mesh_namespace"] == values["apps_namespace"]:
        raise SettingsError(
            f"config appsNamespace is {values['apps_namespace']!r}, the same as meshNamespace: "
            "the mesh and the apps need a namespace each"
        )
    found = Settings(
        **values,
        aks=_aks(values, config, secret),
        tls=_tls(config, secret),
        services=services.read(
            _given(SERVICES, config), _service_defaults(values), SERVICES in secret
        ),
        canary_analysis=analysis.read(_given(analysis.KEY, config)),
        secret=frozenset(secret),
    )
    _refuse_missing_entry(found)
    _refuse_what_the_exposure_ignores(found)
    _refuse_too_little_memory(found)
    _refuse_ports_of_sidecars(found)
    no_proxy.refuse_own_services(
        found.no_proxy, found.services, found.apps_namespace, found.cluster_domain
    )
    return found


def _aks(
    values: Mapping[str, Any], config: Mapping[str, str], secret: Collection[str]
) -> Aks | None:
    given = {key: _value(key, reader, config, secret) for key, (_, reader) in aks.KEYS.items()}
    if values["platform"] != "aks":
        aks.refuse_on_other_platforms(given, values["platform"])
        return None
    for key in ("kubeconfig", "kubeContext"):
        if values[_field(key)]:
            raise SettingsError(
                f"config {key} is for a cluster that exists, and platform aks makes its own: "
                f"remove it with `pulumi config rm {key}`, or set platform to kubeconfig"
            )
    fields = {_field(key): value for key, value in given.items()}
    found = Aks(**fields, secret=frozenset(secret) & aks.KEYS.keys())
    aks.refuse_what_does_not_fit(found)
    return found


def _tls(config: Mapping[str, str], secret: Collection[str]) -> Tls:
    given = {key: _value(key, reader, config, secret) for key, (_, reader) in tls.KEYS.items()}
    found = Tls(**{_field(key): value for key, value in given.items()})
    tls.refuse_without_effect(found)
    return found


def _service_defaults(values: Mapping[str, Any]) -> services.Defaults:
    return services.Defaults(
        values["helloworld_image"], values["replicas"], values["canary_weight"]
    )


def _refuse_missing_entry(settings: Settings) -> None:
    names = [service.name for service in settings.services]
    if settings.entry_service not in names:
        raise SettingsError(
            f"config entryService is {settings.entry_service!r}, which is no service: it must be "
            f"one of {', '.join(names)}" + ("" if "hello" in names else f"; {services.REPLACED}")
        )


def _refuse_ports_of_sidecars(settings: Settings) -> None:
    """A pod's containers share its ports."""
    if settings.mesh_topology == "daemonset":
        return
    for service in settings.services:
        for deployment in service.deployments:
            if deployment.port in SIDECAR_PORTS:
                raise SettingsError(
                    f"config services: {deployment.name} listens on port {deployment.port}, which "
                    f"the linkerd beside it takes with meshTopology {settings.mesh_topology}: give "
                    "it another port"
                )


def _refuse_too_little_memory(settings: Settings) -> None:
    """The kernel would end linkerd under load, with all the requests that it has."""
    least = settings.linkerd_heap_mb + OVERHEAD_MB
    if settings.linkerd_memory_mb < least:
        raise SettingsError(
            f"config linkerdMemoryMb is {settings.linkerd_memory_mb}, and linkerdHeapMb is "
            f"{settings.linkerd_heap_mb}: it must be at least {OVERHEAD_MB} above the heap, so "
            f"{least}"
        )


def _refuse_what_the_exposure_ignores(settings: Settings) -> None:
    """Only a load balancer has source ranges, and only a NodePort takes the address of a node."""
    for key, value, exposure in (
        ("sourceRanges", settings.source_ranges, "LoadBalancer"),
        ("nodeAddress", settings.node_address, "NodePort"),
    ):
        if value and settings.exposure != exposure:
            raise SettingsError(
                f"config {key} has an effect with exposure {exposure} only, and exposure is "
                f"{settings.exposure}: remove it with `pulumi config rm {key}`, or set exposure to "
                f"{exposure}"
            )


def _refuse_what_cannot_be_secret(secret: Collection[str]) -> None:
    for key in sorted(secret):
        if key not in MAY_BE_SECRET:
            raise SettingsError(
                f"config {key} is set with --secret, but its value is shown in clear in the "
                f"stack's state and previews: set it again with `pulumi config set --plaintext "
                f"{key} …`; what can be kept secret is {', '.join(MAY_BE_SECRET)}"
            )


def _value(
    key: str, reader: Callable[[str], T], config: Mapping[str, str], secret: Collection[str]
) -> T:
    value = _given(key, config)
    try:
        return reader(value)
    except ValueError as error:
        if key in secret:
            # What is wrong with it may show a part of it.
            raise SettingsError(
                f"config {key} is a secret and cannot be used: see Pulumi.yaml for its form, and "
                f"`pulumi config get {key}`"
            ) from None
        raise SettingsError(f"config {key} is {quoted(value)}: {error}") from None


def _given(key: str, config: Mapping[str, str]) -> str:
    if key not in config:
        raise SettingsError(f"config {key} is missing: set it with `pulumi config set {key} …`")
    return config[key]


def _field(key: str) -> str:
    return re.sub(r"[A-Z]", lambda capital: f"_{capital[0].lower()}", key)


SERVICES = "services"

_OF_LINKERD = (
    "linkerdImage",
    "kubectlImage",
    "linkerdHeapMb",
    "linkerdMemoryMb",
    "totalTimeoutMs",
    "maxConnections",
)
"""Keys beside those of TLS that the nodes' linkerds depend on."""

_GONE = {"hostPort": "services reach the linkerd of their node by the service l5d-node"}
"""Keys of earlier releases, and what is there instead."""

MAY_BE_SECRET = (
    "kubeconfig",
    SERVICES,
    "sourceRanges",
    "nodeAddress",
    "authorizedIpRanges",
    "adminGroupObjectIds",
    "tags",
)
"""The keys whose values are kept out of the state and of previews where they are secret."""

_KEYS: Mapping[str, Callable[[str], Any]] = {
    "canaryWeight": readers.percent(0),
    "maxWeightStep": readers.percent(0.01),
    "adoptExisting": readers.boolean,
    "platform": readers.one_of("kubeconfig", "aks"),
    "kubeconfig": readers.text,
    "kubeContext": readers.text,
    "clusterIdentifier": readers.identifier,
    "meshNamespace": readers.namespace,
    "appsNamespace": readers.namespace,
    "clusterDomain": readers.cluster_domain,
    "createNamespaces": readers.boolean,
    "meshTopology": readers.one_of("daemonset", "both", "sidecar"),
    "edgeReplicas": readers.integer(1, 100),
    no_proxy.KEY: no_proxy.read,
    "networkPolicies": readers.one_of("auto", "true", "false"),
    "totalTimeoutMs": readers.integer(0, 86_400_000),
    "maxConnections": readers.integer(1, 10_000),
    "linkerdHeapMb": readers.integer(48, 65_536),
    "linkerdMemoryMb": readers.integer(48 + OVERHEAD_MB, 131_072),
    "namerdReplicas": readers.integer(1, 9),
    "linkerdImage": readers.image,
    "namerdImage": readers.image,
    "kubectlImage": readers.image,
    "helloworldImage": readers.image,
    "exposure": readers.one_of("LoadBalancer", "NodePort", "ClusterIP"),
    "nodeAddress": readers.host_or_empty,
    "sourceRanges": readers.cidrs,
    "replicas": readers.integer(1, 100),
    "entryService": readers.dns_label,
}
