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
from mesh.routers import ADMIN, OUTGOING, Routing
from mesh.workload import Memory

LABELS: Mapping[str, str] = {"linkerd-canary/linkerd": "sidecar"}
"""Of the pods that have one."""

PROXY_URL = f"http://127.0.0.1:{OUTGOING}"
"""Where an app finds it: the value of `http_proxy`."""

STOPS_AFTER = 20
"""Seconds that it serves on when its pod is to go: longer than the app, which sends by it."""

CONFIG_MAP = "l5d-sidecar-config"
_VOLUME = "l5d-config"


@dataclass(frozen=True)
class Sidecar:
    """What a pod needs for a linkerd of its own; nothing where it has none."""

    containers: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


def sidecar(
    routing: Routing,
    namespace: str,
    image: str,
    memory: Memory,
    mounted: Mounted,
    opts: pulumi.ResourceOptions | None = None,
) -> tuple[Sidecar, k8s.core.v1.ConfigMap]:
    """A sidecar for the pods of a namespace, and its config there, which comes before them."""
    text = workload.config_text(routers.sidecar_config(routing))
    config_map = k8s.core.v1.ConfigMap(
        CONFIG_MAP,
        metadata={"name": CONFIG_MAP, "namespace": namespace},
        data={workload.CONFIG_FILE: text},
        opts=opts,
    )
    ports = {**routers.incoming_ports(routing.way), "admin": ADMIN}
    container = linkerd.container(image, ports, memory, mounted)
    container["lifecycle"] = hardening.stops_after(STOPS_AFTER)
    container["volumeMounts"] = [
        {"name": _VOLUME, "mountPath": workload.CONFIG_FOLDER, "readOnly": True},
        hardening.tmp_mount(hardening.SIDECARS_TMP),
        *mounted.mounts,
    ]
    found = Sidecar(
        containers=[container],
        volumes=[
            {"name": _VOLUME, "configMap": {"name": CONFIG_MAP}},
            hardening.tmp_volume(hardening.SIDECARS_TMP),
            *mounted.volumes,
        ],
        labels=LABELS,
        annotations={workload.CONFIG_HASH: workload.config_hash(text), **mounted.annotations},
    )
    return found, config_map
