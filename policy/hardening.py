"""What pods may do on their node."""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.rule import Options, Rule, Seen, Unknown, at, items, judged, shown
from policy.workloads import containers, is_workload, pod_spec

_OF_THE_NODE = {
    "hostPID": "the node's processes, whose memory and environment they may read",
    "hostIPC": "the shared memory of the node's processes",
}

_MAY_ADD = ("NET_BIND_SERVICE", Unknown())
"""What Pod Security's `restricted` lets a container add, and what is not known yet."""

_UNLIMITED = (None, "", "0", 0)
"""Limits that the kubelet takes for none."""


def _port_violations(workload: Seen, _: Options) -> Iterator[str]:
    spec = pod_spec(workload)
    if judged(at(spec, "hostNetwork")) is True:
        yield "its pods have the node's network: every port is open on the node; drop hostNetwork"
        return
    for container in containers(spec):
        for port in items(at(container, "ports")):
            number = judged(at(port, "hostPort"))
            if isinstance(number, (int, float)) and number:
                name = shown(at(container, "name"))
                yield (
                    f"container {name} takes the port {shown(at(port, 'hostPort'))} of its node, "
                    "which whoever reaches the node can use: use a service with "
                    "internalTrafficPolicy Local instead"
                )


def _hardening_violations(workload: Seen, options: Options) -> Iterator[str]:
    if _full_name(workload) in options.get("exempt", []):
        return
    spec = pod_spec(workload)
    yield from _shared_with_the_node(spec)
    for container in containers(spec):
        if isinstance(container, Unknown):
            continue
        missing = list(_missing(spec, container))
        if missing:
            name = shown(at(container, "name"))
            yield f"container {name} is not hardened: set {', '.join(missing)}"


def _full_name(workload: Seen) -> str:
    namespace = judged(workload.at("metadata", "namespace")) or "default"
    return f"{namespace}/{judged(workload.at('metadata', 'name'))}"


def _shared_with_the_node(spec: Any) -> Iterator[str]:
    for key, what in _OF_THE_NODE.items():
        if judged(at(spec, key)) is True:
            yield f"its pods share {what}: drop {key}"
    for volume in items(at(spec, "volumes")):
        if isinstance(judged(at(volume, "hostPath")), Mapping):
            yield (
                f"its volume {shown(at(volume, 'name'))} is a part of the node's file system "
                "(hostPath): use an emptyDir, a ConfigMap, a Secret or a PersistentVolumeClaim"
            )


def _missing(spec: Any, container: Any) -> Iterator[str]:
    """The settings that a container of a pod lacks, as they should read."""

    def own(*path: str) -> Any:
        return at(container, "securityContext", *path)

    def inherited(*path: str) -> Any:
        found = own(*path)
        return at(spec, "securityContext", *path) if found is None else found

    if not _is(inherited("runAsNonRoot"), True):
        yield "runAsNonRoot: true"
    if _is_known(inherited("runAsUser")) and judged(inherited("runAsUser")) == 0:
        yield "runAsUser to another one than 0"
    if not _is(own("readOnlyRootFilesystem"), True):
        yield "readOnlyRootFilesystem: true"
    if not _is(own("allowPrivilegeEscalation"), False):
        yield "allowPrivilegeEscalation: false"
    if _is_known(own("privileged")) and judged(own("privileged")) is True:
        yield "privileged: false"
    dropped = own("capabilities", "drop")
    if _is_known(dropped) and "ALL" not in map(judged, items(dropped)):
        yield "capabilities.drop: [ALL]"
    if any(judged(each) not in _MAY_ADD for each in items(own("capabilities", "add"))):
        yield "capabilities.add: [NET_BIND_SERVICE] at most"
    mount = own("procMount")
    if _is_known(mount) and judged(mount) not in (None, "Default"):
        yield "procMount: Default"
    profile = inherited("seccompProfile", "type")
    if _is_known(profile) and judged(profile) not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile.type: RuntimeDefault"
    # Newer versions of Kubernetes take a limit for the pod as a whole too.
    limits = [at(each, "resources", "limits", "memory") for each in (container, spec)]
    if all(judged(each) in _UNLIMITED for each in limits):
        yield "resources.limits.memory"


def _is(value: Any, wanted: bool) -> bool:
    """Whether a value is what it must be; one that is not known yet may become it."""
    return not _is_known(value) or judged(value) is wanted


def _is_known(value: Any) -> bool:
    return not isinstance(judged(value), Unknown)


NO_HOST_PORTS = Rule(
    name="no-host-ports",
    description="No pod takes a port of its node.",
    types=is_workload,
    violations=_port_violations,
)

HARDENED_PODS = Rule(
    name="hardened-pods",
    description="Pods run without root, capabilities, a writable root and parts of their node, and "
    "with a memory limit.",
    types=is_workload,
    violations=_hardening_violations,
    options={
        "exempt": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z0-9-]+/[a-z0-9.-]+$"},
            "description": "Workloads that need more: namespace/name.",
        }
    },
)
