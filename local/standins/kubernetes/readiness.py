"""When an object is ready, and why it is not yet.

The rules are pulumi-kubernetes' (its provider/pkg/await), each read off the object itself; only a
Service also needs to know whether it has endpoints.
"""

from collections.abc import Callable, Iterable
from typing import Any

from local.standins.kubernetes import objects
from local.standins.kubernetes.errors import FailedError
from local.standins.kubernetes.paths import value_at
from local.standins.kubernetes.values import Object

SKIP = "pulumi.com/skipAwait"


def missing(obj: Object, *, has_endpoints: bool = True) -> str | None:
    """What an object is still waiting for, or None when it is ready.

    Raises FailedError when it says itself that it will not become ready.
    """
    rule = _RULES.get(objects.group_kind(obj))
    if rule is None:
        return None
    if waits_for_endpoints(obj) and not has_endpoints:
        return "no ready pod behind it yet; are there pods that its selector matches?"
    return rule(obj)


def waits_for_endpoints(obj: Object) -> bool:
    """Whether this is a Service that is ready only with a ready pod behind it."""
    spec = obj.get("spec") or {}
    return (
        objects.group_kind(obj) == ("", "Service")
        and bool(spec.get("selector"))
        and spec.get("clusterIP") != "None"
        and spec.get("type") != "ExternalName"
    )


def _deployment(obj: Object) -> str | None:
    progressing = _condition(obj, "Progressing")
    if _stale(obj):
        return "waiting for the controller to see it"
    what = _rollout(obj)
    if what and progressing.get("reason") == "ProgressDeadlineExceeded":
        raise FailedError(str(progressing.get("message") or "its progress deadline is over"))
    return what


def _rollout(obj: Object) -> str | None:
    wanted = _wanted(obj)
    updated, total = _count(obj, "updatedReplicas"), _count(obj, "replicas")
    available = _count(obj, "availableReplicas")
    if updated < wanted:
        return f"{updated} of {wanted} replicas updated"
    if total > updated:
        return f"{total - updated} old replicas still to end"
    if available < updated:
        return f"{available} of {updated} replicas available"
    return None


def _daemon_set(obj: Object) -> str | None:
    if _stale(obj):
        return "waiting for the controller to see it"
    wanted = _count(obj, "desiredNumberScheduled")
    updated, available = _count(obj, "updatedNumberScheduled"), _count(obj, "numberAvailable")
    if _strategy(obj) != "OnDelete" and updated < wanted:
        return f"{updated} of {wanted} pods updated"
    if available < wanted:
        return f"{available} of {wanted} pods available"
    return None


def _stateful_set(obj: Object) -> str | None:
    if _stale(obj):
        return "waiting for the controller to see it"
    wanted, ready = _wanted(obj), _count(obj, "readyReplicas")
    if ready < wanted:
        return f"{ready} of {wanted} replicas ready"
    partition = value_at(obj, ("spec", "updateStrategy", "rollingUpdate", "partition")) or 0
    to_update = max(0, wanted - int(partition))
    updated = _count(obj, "updatedReplicas")
    if _strategy(obj) != "OnDelete" and updated < to_update:
        return f"{updated} of {to_update} replicas updated"
    return None


def _replication_controller(obj: Object) -> str | None:
    wanted, ready = _wanted(obj), _count(obj, "readyReplicas")
    if _stale(obj) or ready < wanted:
        return f"{ready} of {wanted} replicas ready"
    return None


def _job(obj: Object) -> str | None:
    failed = _condition(obj, "Failed")
    if failed.get("status") == "True":
        raise FailedError(": ".join(filter(None, (failed.get("reason"), failed.get("message")))))
    if _is_true(obj, "Complete") or value_at(obj, ("spec", "suspend")):
        return None
    counts = (f"{_count(obj, state)} {state}" for state in ("active", "succeeded", "failed"))
    return "pods: " + ", ".join(counts)


def _pod(obj: Object) -> str | None:
    phase = value_at(obj, ("status", "phase"))
    if phase == "Failed":
        status = obj["status"]
        raise FailedError(str(status.get("message") or status.get("reason") or "it failed"))
    if phase == "Succeeded" or _is_true(obj, "Ready"):
        return None
    problems = pod_problems([obj])
    return problems[0] if problems else f"phase {phase or 'unknown'}"


def _crd(obj: Object) -> str | None:
    names = _condition(obj, "NamesAccepted")
    if names.get("status") == "False":
        raise FailedError(str(names.get("message") or "its names are taken"))
    return None if _is_true(obj, "Established") else "not established yet"


def _service(obj: Object) -> str | None:
    return _address(obj) if value_at(obj, ("spec", "type")) == "LoadBalancer" else None


def _address(obj: Object) -> str | None:
    given = value_at(obj, ("status", "loadBalancer", "ingress"))
    return None if given else "no address from a load balancer yet"


def _secret(obj: Object) -> str | None:
    if obj.get("type") != "kubernetes.io/service-account-token":
        return None
    return None if value_at(obj, ("data", "token")) else "no token yet"


_RULES: dict[tuple[str, str], Callable[[Object], str | None]] = {
    ("", "Pod"): _pod,
    ("", "ReplicationController"): _replication_controller,
    ("", "Secret"): _secret,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "Job"): _job,
    ("networking.k8s.io", "Ingress"): _address,
}


def _condition(obj: Object, type_: str) -> Object:
    listed: list[Object] = value_at(obj, ("status", "conditions")) or []
    return next((c for c in listed if c.get("type") == type_), {})


def _is_true(obj: Object, condition: str) -> bool:
    return _condition(obj, condition).get("status") == "True"


def _stale(obj: Object) -> bool:
    """Whether the status is of an earlier generation of the object."""
    return _count(obj, "observedGeneration") < int(objects.metadata(obj).get("generation") or 0)


def _count(obj: Object, field: str) -> int:
    return int(value_at(obj, ("status", field)) or 0)


def _wanted(obj: Object) -> int:
    replicas = value_at(obj, ("spec", "replicas"))
    return 1 if replicas is None else int(replicas)


def _strategy(obj: Object) -> str | None:
    found = value_at(obj, ("spec", "updateStrategy", "type"))
    return None if found is None else str(found)


_STARTING = ("ContainerCreating", "PodInitializing", "Completed")


def pod_problems(pods: Iterable[Object], limit: int = 5) -> list[str]:
    """Why pods do not become ready, a line for each container or pod that says so."""
    lines = [line for pod in pods for line in _problems_of(pod)]
    return lines[:limit]


def _problems_of(pod: Object) -> list[str]:
    name = f"pod {objects.name_of(pod)}"
    status: dict[str, Any] = pod.get("status") or {}
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return [f"{name} is not scheduled: {scheduled.get('message') or scheduled.get('reason')}"]
    containers = [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]
    return [
        f"{name}: {problem}" for container in containers for problem in _of_container(container)
    ]


def _of_container(container: Object) -> list[str]:
    """What keeps a container from running, with its last exit where it keeps ending."""
    state = container.get("state") or {}
    held = state.get("waiting") or state.get("terminated")
    if not held or held.get("reason") in _STARTING:
        return []
    text = f"container {container.get('name')}: {held.get('reason')}"
    ended = state.get("terminated") or value_at(container, ("lastState", "terminated"))
    if ended:
        text += f", exit code {ended.get('exitCode')}"
    message = str(held.get("message") or "").strip()
    return [f"{text} ({message})" if message else text]
