"""The container that linkerd and namerd reach the Kubernetes API through.

Both speak plain HTTP to localhost:8001; `kubectl proxy` there adds the pod's own credentials, which
no other container of the pod has.
"""

from typing import Any

from mesh import hardening, workload

PORT = 8001

STOPS_AFTER = 20
"""Seconds that it serves on when its pod is to go: longer than linkerd, which watches by it."""

_ACCESS = "api-server"
_ACCESS_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


def container(image: str) -> dict[str, Any]:
    """The container spec of a `kubectl proxy` that only its own pod can reach."""
    return {
        "name": "kubectl",
        "image": image,
        "args": ["proxy", f"--port={PORT}"],
        "resources": hardening.resources("10m", 32, 128),
        "securityContext": hardening.container(),
        "lifecycle": hardening.stops_after(STOPS_AFTER),
        "volumeMounts": [
            {"name": _ACCESS, "mountPath": _ACCESS_FOLDER, "readOnly": True},
            hardening.tmp_mount(),
        ],
    }


def volume() -> dict[str, Any]:
    """What Kubernetes would mount into every container by itself: the account's token, renewed each
    hour, with the cluster's CA and the namespace."""
    namespace = workload.field("metadata.namespace")
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        },
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]
    return {"name": _ACCESS, "projected": {"sources": sources}}
