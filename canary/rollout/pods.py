"""Which release of a version runs: the templates and images of the pods behind it."""

from collections.abc import Mapping
from typing import Any

from canary.errors import CanaryError
from kube.api import Api, status_message

_KUBERNETES = "/#/io.l5d.k8s/"


def releases(api: Api, bound: str) -> list[str]:
    """`HASH IMAGE…` of each release of `/#/io.l5d.k8s/NAMESPACE/PORT/SERVICE`, sorted.

    Without those of pods that do not take requests yet; empty for another kind of name. Raises
    CanaryError, OneLineError.
    """
    if not bound.startswith(_KUBERNETES):
        return []
    namespace, _, service = bound.removeprefix(_KUBERNETES).split("/")[:3]
    behind = _get(api, f"/api/v1/namespaces/{namespace}/endpoints/{service}", "endpoints")
    names = {
        address["targetRef"]["name"]
        for subset in behind.get("subsets") or []
        for address in subset.get("addresses") or []
        if (address.get("targetRef") or {}).get("kind") == "Pod"
    }
    pods = _get(api, f"/api/v1/namespaces/{namespace}/pods", "pods").get("items") or []
    return sorted({_release(pod) for pod in pods if pod["metadata"]["name"] in names})


def _release(pod: Mapping[str, Any]) -> str:
    labels = pod["metadata"].get("labels") or {}
    images = [container["image"] for container in pod["spec"]["containers"]]
    return " ".join([labels.get("pod-template-hash", "-"), *images])


def _get(api: Api, path: str, kind: str) -> dict[str, Any]:
    verb = "list" if kind == "pods" else "get"
    answer = api.get(path, right=f"{verb} on {kind}")
    if answer.status == 404:
        return {}
    if answer.status != 200:
        raise CanaryError(f"{api.where}: {kind}: {status_message(answer)}")
    return api.parsed(answer)
