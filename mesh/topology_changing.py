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
    here = f"in namespace {news['namespace']}"
    for pod in _app_pods(news["kubeconfig"], news["namespace"]):
        reason = topology.refusal_by(pod.has_sidecar, pod.sends_by_sidecar, after)
        if reason:
            raise TopologyError(
                f"config meshTopology is {after}, and pod {pod.name} {here} {reason}: "
                "run `pulumi config set meshTopology both` and `pulumi up` first"
            )
    if olds and (scaled := _scaled(news)):
        name, present, wanted = scaled
        raise TopologyError(
            f"config meshTopology may not change with replicas: Deployment {name} {here} has "
            f"{present} of them, and this update makes it {wanted}; Pulumi then does not wait for "
            "the pods that replace the former ones; change one, run `pulumi up`, and then the other"
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


def _scaled(news: Mapping[str, Any]) -> tuple[str, int, int] | None:
    """An app's Deployment that the update scales: its name, its replicas before and after.

    To the kubernetes plugin's await (4.34) such a rollout is over before it has begun: Kubernetes
    first scales the former pods, and says of them that they are all there.
    """
    path = f"/apis/apps/v1/namespaces/{news['namespace']}/deployments"
    try:
        with to_cluster(news["kubeconfig"]) as connection:
            api_server = Api(connection)
            for name, wanted in news["replicas"].items():
                answer = api_server.get(f"{path}/{name}", right="get on deployments.apps")
                if answer.status != 200:
                    continue
                present = api_server.parsed(answer)["spec"]["replicas"]
                if present != wanted:
                    return name, present, int(wanted)
    except OneLineError:
        pass
    return None


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
