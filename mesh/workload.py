"""What namerd's and linkerd's pods have in common: a JVM with a config file."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

CONFIG_FOLDER = "/io.buoyant/config"
CONFIG_FILE = "config.json"
CONFIG_PATH = f"{CONFIG_FOLDER}/{CONFIG_FILE}"
CONFIG_HASH = "linkerd-canary/config-hash"


def config_text(config: Mapping[str, Any]) -> str:
    """A config file's text. linkerd and namerd take JSON as well as YAML."""
    return json.dumps(config, indent=2) + "\n"


def container(name: str, image: str, ports: Mapping[str, int], admin: int) -> dict[str, Any]:
    """The container spec of a linkerd or namerd that is ready when its admin port answers."""
    return {
        "name": name,
        "image": image,
        "args": [CONFIG_PATH],
        "env": [
            # The image's JDK 8 does not see cgroup v2 limits, so the heap is bounded by hand.
            {"name": "JVM_HEAP_MIN", "value": "64M"},
            {"name": "JVM_HEAP_MAX", "value": "256M"},
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
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": {"allowPrivilegeEscalation": False},
        "volumeMounts": [{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}],
    }


def pod_template(
    labels: Mapping[str, str],
    service_account: str,
    config_map: str,
    config: str,
    containers: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A pod template that mounts a ConfigMap and is rolled out anew when its text changes."""
    return {
        "metadata": {
            "labels": dict(labels),
            "annotations": {CONFIG_HASH: hashlib.sha256(config.encode()).hexdigest()[:16]},
        },
        "spec": {
            "serviceAccountName": service_account,
            "containers": [dict(container) for container in containers],
            "volumes": [{"name": "config", "configMap": {"name": config_map}}],
        },
    }


def from_pod(name: str, field: str) -> dict[str, Any]:
    """An environment variable that holds a field of the container's own pod."""
    # The API server fills in an absent `apiVersion`. A `fieldRef` has one owner as a whole, so
    # another manager's apply of the same manifest would then conflict with the filled-in one.
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": field}}}
