"""The linkerd beside an app: takes what its app sends, and what other linkerds send to its app.

It asks Kubernetes for nothing, so it needs no token, no rights and no kubectl.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from mesh import hardening, linkerd, routers, workload
from mesh.encryption import Mounted
from mesh.routers import ADMIN, OUTGOING, App, Routing
from mesh.workload import Memory

LABELS: Mapping[str, str] = {"linkerd-canary/linkerd": "sidecar"}
"""Of the pods that have one."""

PROXY_URL = f"http://127.0.0.1:{OUTGOING}"
"""Where an app finds it: the value of `http_proxy`."""

STOPS_AFTER = 20
"""Seconds that it serves on when its pod is to go: longer than the app, which sends by it."""

_VOLUME = "l5d-config"


@dataclass(frozen=True)
class Sidecar:
    """What a pod needs for a linkerd of its own; nothing where it has none."""

    files: Mapping[str, str] = field(default_factory=dict)
    """The data of the ConfigMap that the pod mounts."""
    containers: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


def sidecars(
    routing: Routing,
    namespace: str,
    ports: Mapping[str, int],
    image: str,
    memory: Memory,
    mounted: Mounted,
) -> dict[str, Sidecar]:
    """Sidecars by the name of the app, for the apps of a namespace with their ports."""
    container = _container(routing, image, memory, mounted)
    return {
        name: _sidecar(App(namespace, name, port), routing, container, mounted)
        for name, port in ports.items()
    }


def config_map(
    app: str, namespace: str, beside: Sidecar, opts: pulumi.ResourceOptions
) -> k8s.core.v1.ConfigMap:
    """The ConfigMap with the files of one app's sidecars, which comes before the pods.

    Each app has its own: an object may hold 1 MiB (MaxSecretSize in Kubernetes' validation), which
    the files of 400 apps would exceed.
    """
    name = _config_map_name(app)
    metadata: Any = {"name": name, "namespace": namespace}
    return k8s.core.v1.ConfigMap(name, metadata=metadata, data=beside.files, opts=opts)


def _config_map_name(app: str) -> str:
    # Not l5d-sidecar-…: all apps once shared l5d-sidecar-config, which pods of such a stack mount
    # until they are replaced, and an app may be called config.
    return f"l5d-config-{app}"


def _container(routing: Routing, image: str, memory: Memory, mounted: Mounted) -> Mapping[str, Any]:
    ports = {**routers.incoming_ports(routing.way), "admin": ADMIN}
    container = linkerd.container(image, ports, memory, mounted)
    container["lifecycle"] = hardening.stops_after(STOPS_AFTER)
    # Whoever its app runs as, by the pod's own.
    container["securityContext"] = {**container["securityContext"], **hardening.nobody()}
    container["volumeMounts"] = [
        {"name": _VOLUME, "mountPath": workload.CONFIG_FOLDER, "readOnly": True},
        hardening.tmp_mount(hardening.SIDECARS_TMP),
        *mounted.mounts,
    ]
    return container


def _sidecar(app: App, routing: Routing, container: Mapping[str, Any], mounted: Mounted) -> Sidecar:
    config = workload.config_text(routers.sidecar_config(routing, app))
    return Sidecar(
        files={workload.CONFIG_FILE: config},
        containers=[container],
        volumes=[
            {"name": _VOLUME, "configMap": {"name": _config_map_name(app.name)}},
            hardening.tmp_volume(hardening.SIDECARS_TMP),
            *mounted.volumes,
        ],
        labels=LABELS,
        annotations={workload.CONFIG_HASH: workload.config_hash(config), **mounted.annotations},
    )
