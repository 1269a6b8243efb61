"""Pods as an API server lists them."""

from collections.abc import Mapping
from typing import Any


def selector(labels: Mapping[str, str]) -> str:
    """What selects the pods of these labels: `app=l5d,tier=mesh`."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether the kubelet says that a pod is ready."""
    listed = (pod.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in listed)
