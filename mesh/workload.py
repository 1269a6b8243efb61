"""What namerd's and linkerd's pods have in common: a JVM with a config file."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from mesh import hardening

CONFIG_FOLDER = "/io.buoyant/config"
CONFIG_FILE = "config.json"
CONFIG_PATH = f"{CONFIG_FOLDER}/{CONFIG_FILE}"
CONFIG_HASH = "linkerd-canary/config-hash"

STOPS_AFTER = 8
"""Seconds that linkerd or namerd serves on when its pod is to go."""

GRACE_SECONDS = 30
"""Until the last of a pod's containers is killed. linkerd ends open requests for up to 10 s after
STOPS_AFTER; its kubectl stops after 20."""

MIN_READY_SECONDS = 5
"""How long a new pod must be ready before an old one may go."""


@dataclass(frozen=True)
class Memory:
    """What a JVM may have."""

    heap_mb: int = 256
    limit_mb: int = 512
    """Of its container."""


def config_text(config: Mapping[str, Any]) -> str:
    """A config file's text. linkerd and namerd take JSON as well as YAML."""
    return json.dumps(config, indent=2) + "\n"


def container(
    name: str, image: str, ports: Mapping[str, int], admin: int, memory: Memory
) -> dict[str, Any]:
    """The container spec of a linkerd or namerd that is ready when its admin port answers."""
    return {
        "name": name,
        "image": image,
        "args": [CONFIG_PATH],
        "env": [
            # The image's JDK 8 does not see cgroup v2 limits, so the heap is bounded by hand.
            {"name": "JVM_HEAP_MIN", "value": f"{min(64, memory.heap_mb)}M"},
            {"name": "JVM_HEAP_MAX", "value": f"{memory.heap_mb}M"},
            # The start script turns it off, which doubles the time that a new JVM is slow.
            {"name": "LOCAL_JVM_OPTIONS", "value": "-XX:+TieredCompilation"},
            {"name": "GC_LOG", "value": f"{hardening.TMP}/log"},
            from_pod("POD_IP", "status.podIP"),
            from_pod("NODE_NAME", "spec.nodeName"),
        ],
        "ports": [{"name": port, "containerPort": number} for port, number in ports.items()],
        "readinessProbe": {
            "httpGet": {"path": "/admin/ping", "port": admin},
            "periodSeconds": 1,
            "timeoutSeconds": 3,
        },
        # A JVM on a busy node needs a while; a minute without an answer is a hang.
        "livenessProbe": {
            "httpGet": {"path": "/admin/ping", "port": admin},
            "initialDelaySeconds": 60,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "lifecycle": hardening.stops_after(STOPS_AFTER),
        "resources": hardening.resources("100m", memory.heap_mb, memory.limit_mb),
        "securityContext": hardening.container(),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            hardening.tmp_mount(),
        ],
    }


def pod_template(
    labels: Mapping[str, str],
    service_account: str | None,
    config_map: str,
    config: str,
    containers: Sequence[Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]] = (),
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
) -> dict[str, Any]:
    """A pod template that mounts a ConfigMap and is rolled out anew when its text changes."""
    return {
        "metadata": {
            "labels": dict(labels),
            "annotations": {CONFIG_HASH: config_hash(config), **(annotations or {})},
        },
        "spec": {
            **({"serviceAccountName": service_account} if service_account else {}),
            "automountServiceAccountToken": False,
            "securityContext": hardening.pod(),
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "containers": [dict(container) for container in containers],
            "volumes": [
                {"name": "config", "configMap": {"name": config_map}},
                hardening.tmp_volume(),
                *map(dict, volumes),
            ],
        },
    }


def config_hash(config: str) -> str:
    """What changes in a pod template whenever a config file does."""
    return hashlib.sha256(config.encode()).hexdigest()[:16]


def rolled_without_a_gap() -> dict[str, Any]:
    """The part of a Deployment's spec by which an old pod goes only once a new one is ready."""
    return {
        "minReadySeconds": MIN_READY_SECONDS,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
    }


def spread(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Constraints by which a Deployment's pods run on different nodes where there are enough."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels)},
        }
    ]


def disruption_budget(
    name: str, namespace: str, labels: Mapping[str, str], opts: pulumi.ResourceOptions
) -> k8s.policy.v1.PodDisruptionBudget:
    """Has drained nodes give up one pod of these labels at a time."""
    return k8s.policy.v1.PodDisruptionBudget(
        name,
        metadata={"name": name, "namespace": namespace},
        # Counted by those that may be away, so that a single pod can still be moved.
        spec={"maxUnavailable": 1, "selector": {"matchLabels": dict(labels)}},
        opts=opts,
    )


def from_pod(name: str, path: str) -> dict[str, Any]:
    """An environment variable that holds a field of the container's own pod."""
    return {"name": name, "valueFrom": {"fieldRef": field(path)}}


def field(path: str) -> dict[str, str]:
    """A `fieldRef` to a field of the pod itself."""
    # The API server fills in an absent `apiVersion`. A `fieldRef` has one owner as a whole, so
    # another manager's apply of the same manifest would then conflict with the filled-in one.
    return {"apiVersion": "v1", "fieldPath": path}
