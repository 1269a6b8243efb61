"""Whether what runs allows a change of the topology."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kube.api import Api
from kube.connection import to_cluster
from kube.errors import OneLineError
from mesh import live, topology


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
    reason = _refusal(olds, news) if olds else None
    if reason:
        raise TopologyError(f"config {reason}")
    if all(olds.get(key) == news[key] for key in ("topology", "namespace")):
        return
    for pod in _app_pods(news["kubeconfig"], news["namespace"]):
        reason = topology.refusal_by(pod.has_sidecar, pod.sends_by_sidecar, after)
        if reason:
            raise TopologyError(
                f"config meshTopology is {after}, and pod {pod.name} in namespace "
                f"{news['namespace']} {reason}: run `pulumi config set meshTopology both` and "
                "`pulumi up` first"
            )


def _refusal(olds: Mapping[str, Any], news: Mapping[str, Any]) -> str | None:
    before, after = olds["topology"], news["topology"]
    if reason := topology.refusal(before, after):
        return reason
    # The state of an earlier release does not say.
    former = olds.get("linkerd") or news["linkerd"]
    return topology.refusal_to_roll_out(before, after, former, news["linkerd"])


def _app_pods(kubeconfig: str, namespace: str) -> list[AppPod]:
    try:
        with to_cluster(kubeconfig) as connection:
            return list(_of_apps(live.pods(Api(connection), namespace)))
    except OneLineError:
        return []


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
