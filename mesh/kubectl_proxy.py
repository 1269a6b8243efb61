"""The container that linkerd and namerd reach the Kubernetes API through.

Both speak plain HTTP to localhost:8001; `kubectl proxy` there adds the pod's own credentials.
"""

from typing import Any

PORT = 8001


def container(image: str) -> dict[str, Any]:
    """The container spec of a `kubectl proxy` that only its own pod can reach."""
    return {
        "name": "kubectl",
        "image": image,
        "args": ["proxy", f"--port={PORT}"],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False},
    }
