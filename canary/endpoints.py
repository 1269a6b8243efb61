"""The endpoints of a version: how many of its pods can take requests."""

from dataclasses import dataclass

from canary.errors import CanaryError
from kube.api import Api, status_message

_KUBERNETES = "/#/io.l5d.k8s/"


@dataclass(frozen=True)
class Endpoints:
    """Pods behind a Kubernetes service."""

    ready: int
    every: int
    """Those that are not ready included."""


def read(api: Api, bound: str) -> Endpoints | None:
    """The endpoints of `/#/io.l5d.k8s/NAMESPACE/PORT/SERVICE`; None for another kind of name.

    As linkerd's namer finds them. Raises OneLineError, CanaryError.
    """
    if not bound.startswith(_KUBERNETES):
        return None
    namespace, _, service = bound.removeprefix(_KUBERNETES).split("/")[:3]
    path = f"/api/v1/namespaces/{namespace}/endpoints/{service}"
    answer = api.get(path, right=f"get on endpoints in {namespace}")
    if answer.status == 404:
        return Endpoints(0, 0)
    if answer.status != 200:
        raise CanaryError(f"{api.where}: the endpoints of {service}: {status_message(answer)}")
    subsets = api.parsed(answer).get("subsets") or []
    ready = {each["ip"] for subset in subsets for each in subset.get("addresses") or []}
    waiting = {each["ip"] for subset in subsets for each in subset.get("notReadyAddresses") or []}
    return Endpoints(len(ready), len(ready | waiting))
