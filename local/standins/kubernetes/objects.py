"""Kubernetes objects as dicts: what they are called, where they belong, what is asked of them."""

import base64
import re
from typing import Any

from local.standins.kubernetes.values import UNKNOWN, Object

AUTONAMED = "pulumi.com/autonamed"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_RBAC = "rbac.authorization.k8s.io"
CLUSTER_SCOPED = frozenset(
    {
        ("", "ComponentStatus"),
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("certificates.k8s.io", "ClusterTrustBundle"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("node.k8s.io", "RuntimeClass"),
        (_RBAC, "ClusterRole"),
        (_RBAC, "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"),
        ("resource.k8s.io", "ResourceSlice"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("storage.k8s.io", "VolumeAttributesClass"),
        ("storagemigration.k8s.io", "StorageVersionMigration"),
    }
)
"""Group and kind of what belongs to no namespace in Kubernetes 1.34 (`kubectl api-resources`)."""

BUILT_IN_GROUPS = frozenset(
    {
        *("", "apps", "autoscaling", "batch", "extensions", "policy"),
        *(group for group, _ in CLUSTER_SCOPED),
        *("authentication.k8s.io", "authorization.k8s.io", "coordination.k8s.io"),
        *("discovery.k8s.io", "events.k8s.io", "internal.apiserver.k8s.io"),
    }
)

_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def type_of(urn: str) -> str:
    """The type of a resource, such as `kubernetes:apps/v1:Deployment`."""
    return urn.split("::", 3)[2].rpartition("$")[2]


def name_in(urn: str) -> str:
    """The name that the program gave to a resource."""
    return urn.split("::", 3)[3]


def with_kind(inputs: Object, type_: str) -> Object:
    """The inputs with `apiVersion` and `kind`, from the type where the program left them out."""
    _, version, kind = type_.split(":")
    given = {"apiVersion": version.removeprefix("core/"), "kind": kind}
    return {**given, **inputs}


def unsupported(type_: str) -> str | None:
    """Why this plugin does not manage a type of resource, or None when it does."""
    _, module, kind = type_.split(":")
    if module.startswith("helm.sh/"):
        return "Helm is not supported by this stand-in of the kubernetes plugin"
    if module.startswith(("kustomize", "yaml")):
        return f"{type_} is not supported by this stand-in of the kubernetes plugin"
    if "/" not in module:
        return f"{type_} is no kind of Kubernetes object"
    if kind.endswith("Patch") or (kind.endswith("List") and len(kind) > len("List")):
        return (
            f"{kind} is not supported by this stand-in of the kubernetes plugin: "
            f"declare each object by itself"
        )
    return None


def metadata(obj: Object) -> Object:
    """An object's metadata, empty where it has none."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}


def name_of(obj: Object) -> str:
    """An object's name."""
    return str(metadata(obj).get("name", ""))


def namespace_of(obj: Object) -> str:
    """An object's namespace, empty where it belongs to none."""
    return str(metadata(obj).get("namespace", ""))


def annotation(obj: Object, key: str) -> str:
    """The value of an annotation, empty where it is not set."""
    return str((metadata(obj).get("annotations") or {}).get(key, ""))


def is_true(obj: Object, key: str) -> bool:
    """Whether an annotation says `true`."""
    return annotation(obj, key) == "true"


def group_kind(obj: Object) -> tuple[str, str]:
    """Its API group, empty for the core group, and its kind."""
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    return (group if version else ""), str(obj.get("kind", ""))


def resource_id(obj: Object) -> str:
    """`namespace/name`, or the name alone."""
    return "/".join(filter(None, (namespace_of(obj), name_of(obj))))


def parse_id(identifier: str) -> tuple[str, str]:
    """The namespace, perhaps empty, and the name of a resource id."""
    namespace, _, name = identifier.rpartition("/")
    return namespace, name


def described(obj: Object) -> str:
    """How messages call an object: `Deployment hello-world/hello`."""
    return f"{obj.get('kind')} {resource_id(obj)}"


def is_namespaced(obj: Object) -> bool | None:
    """Whether its kind belongs to namespaces; None for a kind that is not Kubernetes' own."""
    group, kind = group_kind(obj)
    return (group, kind) not in CLUSTER_SCOPED if group in BUILT_IN_GROUPS else None


def in_namespace(obj: Object, namespace: str) -> Object:
    """The object in a namespace, or in none where that is empty."""
    rest = {k: v for k, v in metadata(obj).items() if k != "namespace"}
    return {**obj, "metadata": {**rest, **({"namespace": namespace} if namespace else {})}}


def bad_name(obj: Object) -> str | None:
    """Why Kubernetes would refuse the object's name, or None."""
    name = metadata(obj).get("name")
    if name == UNKNOWN or group_kind(obj)[0] == _RBAC:  # RBAC takes any path segment
        return None
    if isinstance(name, str) and _DNS_NAME.fullmatch(name) and len(name) <= 253:
        return None
    return (
        f"{name!r} is no name for a {obj.get('kind')}: it may hold lower-case letters, digits, "
        "'-' and '.', and starts and ends with a letter or digit"
    )


def as_sent(obj: Object) -> Object:
    """The object as the API server is given it.

    A Secret's `stringData` becomes `data`: server-side apply does not track who owns the former, so
    a key that the program drops would stay for ever.
    """
    if obj.get("kind") != "Secret" or "stringData" not in obj:
        return obj
    encoded = {k: base64.b64encode(str(v).encode()).decode() for k, v in obj["stringData"].items()}
    rest = {k: v for k, v in obj.items() if k != "stringData"}
    return {**rest, "data": {**(obj.get("data") or {}), **encoded}}


def as_shown(live: Object, inputs: Object) -> Object:
    """A live object as the program sees it: no bookkeeping, `stringData` where it was given."""
    kept = {k: v for k, v in metadata(live).items() if k != "managedFields"}
    shown = {**live, "metadata": kept}
    if live.get("kind") == "Secret" and inputs.get("stringData"):
        data: dict[str, Any] = live.get("data") or {}
        known = [key for key in inputs["stringData"] if key in data]
        shown["stringData"] = {k: base64.b64decode(data[k]).decode(errors="replace") for k in known}
    return shown
