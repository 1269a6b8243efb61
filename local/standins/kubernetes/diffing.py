"""What differs between two sets of inputs, which of it replaces an object, and what has drifted."""

from collections.abc import Container, Iterable
from enum import Enum
from typing import Any

from local.standins.kubernetes import kubeconfig, objects, settings
from local.standins.kubernetes.errors import UnreachableError
from local.standins.kubernetes.paths import Path
from local.standins.kubernetes.values import Object, has_unknown


class Change(Enum):
    """What happened to a value."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


_SELECTOR = (("spec", "selector"),)
_PAYLOAD: tuple[Path, ...] = (("data",), ("binaryData",), ("stringData",))
_IDENTITY: tuple[Path, ...] = (("kind",), ("metadata", "name"), ("metadata", "namespace"))
_RBAC = "rbac.authorization.k8s.io"

IMMUTABLE: dict[tuple[str, str], tuple[Path, ...]] = {
    ("", "PersistentVolumeClaim"): (
        ("spec", "accessModes"),
        ("spec", "dataSource"),
        ("spec", "selector"),
        ("spec", "storageClassName"),
        ("spec", "volumeMode"),
        ("spec", "volumeName"),
    ),
    ("", "Pod"): (("spec",),),
    ("", "ResourceQuota"): (("spec", "scopes"),),
    ("", "Secret"): (("type",),),
    ("", "Service"): (("spec", "clusterIP"),),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (
        ("spec", "group"),
        ("spec", "names", "kind"),
        ("spec", "names", "plural"),
        ("spec", "scope"),
    ),
    ("apps", "DaemonSet"): _SELECTOR,
    ("apps", "Deployment"): _SELECTOR,
    ("apps", "ReplicaSet"): _SELECTOR,
    ("apps", "StatefulSet"): (
        ("spec", "podManagementPolicy"),
        ("spec", "selector"),
        ("spec", "serviceName"),
        ("spec", "volumeClaimTemplates"),
    ),
    ("batch", "Job"): (
        ("spec", "completionMode"),
        ("spec", "completions"),
        ("spec", "parallelism"),
        ("spec", "selector"),
        ("spec", "template"),
    ),
    ("discovery.k8s.io", "EndpointSlice"): (("addressType",),),
    ("networking.k8s.io", "IngressClass"): (("spec", "controller"),),
    ("node.k8s.io", "RuntimeClass"): (("handler",),),
    (_RBAC, "ClusterRoleBinding"): (("roleRef",),),
    (_RBAC, "RoleBinding"): (("roleRef",),),
    ("scheduling.k8s.io", "PriorityClass"): (("preemptionPolicy",), ("value",)),
    ("storage.k8s.io", "StorageClass"): (
        ("parameters",),
        ("provisioner",),
        ("reclaimPolicy",),
        ("volumeBindingMode",),
    ),
}
"""By group and kind, what makes a new object of it when it changes.

The union of what the API server refuses to change and what pulumi-kubernetes replaces for
(provider/pkg/provider/diff.go there; a Job's parallelism is mutable but replaces).
"""


def changes(old: Any, new: Any, at: Path = ()) -> dict[Path, Change]:
    """Each place where two values differ; lists are compared item by item."""
    before: dict[Any, Any]
    after: dict[Any, Any]
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = old, new
    elif isinstance(old, list) and isinstance(new, list):
        before, after = dict(enumerate(old)), dict(enumerate(new))
    else:
        return {} if old == new else {at: Change.UPDATE}
    found: dict[Path, Change] = {}
    for step in sorted({*before, *after}):
        if step not in before:
            found[(*at, step)] = Change.ADD
        elif step not in after:
            found[(*at, step)] = Change.DELETE
        else:
            found.update(changes(before[step], after[step], (*at, step)))
    return found


def replacing(
    old: Object, new: Object, found: Iterable[Path], *, mutable_kinds: Container[str] = ()
) -> set[Path]:
    """Which of the changes need a new object.

    A ConfigMap or Secret is replaced for a change of its data, so that what mounts it by its name
    is rolled out again, unless its kind is among `mutable_kinds`; one marked immutable always is.
    """
    fixed = [*_IDENTITY, *IMMUTABLE.get(objects.group_kind(old), ())]
    if old.get("immutable"):
        fixed += [*_PAYLOAD, ("immutable",)]
    elif old.get("kind") in ("ConfigMap", "Secret") and old["kind"] not in mutable_kinds:
        fixed += _PAYLOAD
    if _moved(old, new):
        fixed.append(("apiVersion",))
    return {path for path in found if any(_touches(path, place) for place in fixed)}


def _moved(old: Object, new: Object) -> bool:
    """Whether the API group is another; `extensions` is only a former name of others."""
    before, after = objects.group_kind(old)[0], objects.group_kind(new)[0]
    return before not in (after, "extensions")


def _touches(path: Path, fixed: Path) -> bool:
    """Whether a change is within a fixed place, or takes it away or adds it with all above it."""
    shorter = min(len(path), len(fixed))
    return path[:shorter] == fixed[:shorter]


def drifted(inputs: Any, last: Any, live: Any) -> Any:
    """The inputs as they would have to read for the cluster to be what it is now.

    `last` is the object as it was after our last write and `live` as it is now; where both agree
    the inputs stay as they were written, so that a default or another spelling of a quantity is no
    drift. What the inputs do not mention is not ours and stays out.
    """
    if live == last:
        return inputs
    if isinstance(inputs, dict) and isinstance(live, dict):
        before = last if isinstance(last, dict) else {}
        kept = [key for key in inputs if key in live or key not in before]
        return {key: drifted(inputs[key], before.get(key), live.get(key)) for key in kept}
    if isinstance(inputs, list) and isinstance(live, list):
        earlier = last if isinstance(last, list) else []
        known = [
            drifted(item, earlier[i] if i < len(earlier) else None, live[i])
            for i, item in enumerate(inputs[: len(live)])
        ]
        return known + live[len(inputs) :]
    return inputs if live is None else live


def replacing_config(old: Object, new: Object, changed: Iterable[str]) -> list[str]:
    """Which changed options of a provider mean another cluster, so that all is made anew there.

    With a `clusterIdentifier` that is another identifier; without one, another entry of the cluster
    in the kubeconfig, as far as both can be read.
    """
    if new.get("clusterIdentifier"):
        same = old.get("clusterIdentifier") in (None, new["clusterIdentifier"])
        return [] if same else ["clusterIdentifier"]
    options = [option for option in changed if option in ("kubeconfig", "context")]
    if any(has_unknown(new.get(option)) for option in options):
        return options
    before, after = _cluster_entry(old), _cluster_entry(new)
    return options if before and after and before != after else []


def _cluster_entry(config: Object) -> Object | None:
    try:
        return kubeconfig.active(settings.read(config)).cluster
    except UnreachableError:
        return None
