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

CONFIG_MAP = "l5d-sidecar-config"
"""It has a file for each app."""

_VOLUME = "l5d-config"


@dataclass(frozen=True)
class Sidecar:
    """What a pod needs for a linkerd of its own; nothing where it has none."""

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
    opts: pulumi.ResourceOptions | None = None,
) -> tuple[dict[str, Sidecar], k8s.core.v1.ConfigMap]:
    """Sidecars by the name of the app, for the apps of a namespace with their ports; and their
    config files there, which come before the pods."""
    files = {
        name: workload.config_text(routers.sidecar_config(routing, App(namespace, name, port)))
        for name, port in ports.items()
    }
    config_map = k8s.core.v1.ConfigMap(
        CONFIG_MAP,
        metadata={"name": CONFIG_MAP, "namespace": namespace},
        data={_file(name): text for name, text in files.items()},
        opts=opts,
    )
    container = _container(routing, image, memory, mounted)
    found = {name: _sidecar(name, text, container, mounted) for name, text in files.items()}
    return found, config_map


def _file(app: str) -> str:
    return f"{app}.json"


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


def _sidecar(app: str, config: str, container: Mapping[str, Any], mounted: Mounted) -> Sidecar:
    file = {"key": _file(app), "path": workload.CONFIG_FILE}
    return Sidecar(
        containers=[container],
        volumes=[
            {"name": _VOLUME, "configMap": {"name": CONFIG_MAP, "items": [file]}},
            hardening.tmp_volume(hardening.SIDECARS_TMP),
            *mounted.volumes,
        ],
        labels=LABELS,
        annotations={workload.CONFIG_HASH: workload.config_hash(config), **mounted.annotations},
    )
