"""Whether what runs allows a change of the topology."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kube.api import Api
from kube.connection import to_cluster
from kube.errors import OneLineError
from mesh import topology


class TopologyError(OneLineError):
    """A change that would lose requests: what it is, and what to do instead."""


@dataclass(frozen=True)
class AppPod:
    """A running pod of an app."""

    name: str
    has_sidecar: bool
    sends_by_sidecar: bool


def refuse_unsafe(olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
    """Raise TopologyError. `olds` are empty for a new stack, and for one of an earlier release.

    What runs is looked at too: an update that stopped halfway has left pods of both kinds. What the
    cluster does not tell, or not to this user, is not held against the change.
    """
    after = news["topology"]
    reason = topology.refusal(olds["topology"], after) if olds else None
    if reason:
        raise TopologyError(f"config {reason}")
    for pod in _app_pods(news["kubeconfig"], news["namespace"]):
        reason = topology.refusal_by(pod.has_sidecar, pod.sends_by_sidecar, after)
        if reason:
            raise TopologyError(
                f"config meshTopology is {after}, and pod {pod.name} in namespace "
                f"{news['namespace']} {reason}: run `pulumi config set meshTopology both` and "
                "`pulumi up` first"
            )


def _app_pods(kubeconfig: str, namespace: str) -> list[AppPod]:
    try:
        with to_cluster(kubeconfig) as connection:
            api_server = Api(connection)
            answer = api_server.get(f"/api/v1/namespaces/{namespace}/pods")
            found = api_server.parsed(answer) if answer.status == 200 else {}
    except OneLineError:
        return []
    return list(_of_apps(found.get("items") or []))


def _of_apps(pods: list[dict[str, Any]]) -> Iterator[AppPod]:
    """Those that this project's services run as; others may be in the namespace as well."""
    for pod in pods:
        containers = {each["name"]: each for each in pod["spec"]["containers"]}
        if "service" not in containers or "deletionTimestamp" in pod["metadata"]:
            continue
        variables = containers["service"].get("env") or []
        proxies = [each.get("value", "") for each in variables if each["name"] == "http_proxy"]
        if proxies:
            yield AppPod(pod["metadata"]["name"], "l5d" in containers, "127.0.0.1" in proxies[0])
