"""The nodes that linkerd runs on, as the cluster tells them."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from kube import pods
from kube.api import Api
from kube.connection import to_cluster
from kube.errors import OneLineError


class NodeAddressError(Exception):
    """No node's address can be had: why, in one line without secrets."""


def address(kubeconfig: str, namespace: str, labels: Mapping[str, str]) -> str:
    """The address of a node where a pod of these labels is ready.

    It is read off the pods (`status.hostIP`), which whoever waits for them may list anyway; nodes
    themselves would take a right on the whole cluster. Of several the lowest, so that it stays the
    same for as long as that node does.

    Raises NodeAddressError.
    """
    selector = pods.selector(labels)
    path = f"/api/v1/namespaces/{namespace}/pods"
    try:
        with to_cluster(kubeconfig) as connection:
            api = Api(connection)
            right = f"list on pods in the namespace {namespace}"
            listed = api.parsed(api.get(path, {"labelSelector": selector}, right=right))
    except OneLineError as error:
        raise NodeAddressError(str(error)) from None
    found = sorted(_ready_hosts(listed), key=ipaddress.ip_address)
    if not found:
        raise NodeAddressError(f"no pod {selector} in {namespace} is ready on any node")
    return found[0]


def _ready_hosts(listed: Mapping[str, Any]) -> Iterator[str]:
    for pod in listed.get("items", []):
        if pods.is_ready(pod) and "hostIP" in pod["status"]:
            yield pod["status"]["hostIP"]
