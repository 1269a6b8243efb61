"""What every pod of the stack may do on its node: as little as Pod Security's `restricted` allows.

linkerd, namerd and kubectl were run like this, with TLS and under load.
"""

from collections.abc import Mapping
from typing import Any

USER = 65532
"""The user and group that containers run as: `nonroot` of the distroless images."""

TMP = "/tmp"  # the container's own

SIDECARS_TMP = "l5d-tmp"
"""The volume of a sidecar's own /tmp, which its app cannot fill or read."""


def pod(user: int = USER) -> dict[str, Any]:
    """The security context of a pod whose containers run as a user; 0 is root."""
    return {
        **_as_user(user),
        # So that the group may read mounted Secrets, and write to the emptyDir.
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def nobody() -> dict[str, Any]:
    """What keeps one container of a pod from running as the pod's user."""
    return _as_user(USER)


def _as_user(user: int) -> dict[str, Any]:
    return {"runAsNonRoot": user != 0, "runAsUser": user, "runAsGroup": user}


def container(writable_root: bool = False) -> dict[str, Any]:
    """The security context of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": not writable_root,
        "capabilities": {"drop": ["ALL"]},
    }


def tmp_volume(name: str = "tmp") -> dict[str, Any]:
    """The writable folder of a pod whose containers have a read-only root."""
    return {"name": name, "emptyDir": {}}


def tmp_mount(name: str = "tmp") -> dict[str, Any]:
    """Where a container finds it: linkerd unpacks its native epoll and TLS there, and goes on in
    silence with Java's own where it cannot."""
    return {"name": name, "mountPath": TMP}


def resources(cpu: str, memory_mb: int, limit_mb: int) -> dict[str, Any]:
    """Requests and a limit of memory. Without one of CPU: it would only make a request wait."""
    return {
        "requests": {"cpu": cpu, "memory": f"{memory_mb}Mi"},
        "limits": {"memory": f"{limit_mb}Mi"},
    }


def stops_after(seconds: int) -> Mapping[str, Any]:
    """The lifecycle of a container that serves on for so long once its pod is to go.

    Others send to it until they know, which takes kube-proxy and linkerd up to a second or two. The
    kubelet does the waiting (Kubernetes 1.30 or newer), so the image needs no shell.
    """
    return {"preStop": {"sleep": {"seconds": seconds}}}
