"""Where the kinds of workloads keep their pods' spec and its containers."""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.rule import Seen, at, items, object_type

_SPECS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        (
            "DaemonSet",
            "Deployment",
            "Job",
            "ReplicaSet",
            "ReplicationController",
            "StatefulSet",
        ),
        ("spec", "template", "spec"),
    ),
}


def is_workload(type_: str) -> bool:
    """Whether resources of a type run pods."""
    return _kind(type_) in _SPECS


def pod_spec(workload: Seen) -> Any:
    """The spec of a workload's pods."""
    return workload.at(*_SPECS[_kind(workload.type)])


def containers(spec: Any) -> Iterator[Any]:
    """All containers of a pod's spec, those that only run at its start first."""
    for key in ("initContainers", "containers"):
        yield from items(at(spec, key))


def _kind(type_: str) -> str:
    return object_type(type_).rpartition(":")[2] if type_.startswith("kubernetes:") else ""
