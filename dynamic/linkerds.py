"""The linkerds of a cluster, and what each routes by at this moment.

linkerd's admin page `/ROUTER/interpreter_state/io.l5d.namerd/NAMESPACE.json` shows, name by name,
what it follows, for the names that it was asked for.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

from dynamic.inputs import Linkerds
from dynamic.waiting import UP_SECONDS, Deadline, until_up
from kube import pods
from kube.api import Api, status_message
from kube.errors import DeniedError, OneLineError

_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

AT_ONCE = 32
"""Linkerds asked at a time."""


@dataclass(frozen=True)
class View:
    """What one linkerd follows."""

    pod: str
    node: str
    names: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Share by bound name by the name that was asked for; none where that leads nowhere."""
    problem: str = ""
    """Why it cannot be told."""


class Pod(NamedTuple):
    """A pod that runs a linkerd, and its node."""

    name: str
    node: str
    is_ready: bool = True
    address: str = ""
    """Its IP."""


def ready_pods(api: Api, linkerds: Linkerds) -> Iterator[Pod]:
    """Those that are ready and not being deleted. Raises OneLineError."""
    return (pod for pod in pods_of(api, linkerds) if pod.is_ready)


def pods_of(api: Api, linkerds: Linkerds) -> Iterator[Pod]:
    """Those that have a node, and are not over or being deleted. Raises OneLineError."""
    where = linkerds.namespace
    answer = until_up(
        lambda: api.get(
            f"/api/v1/namespaces/{quote(where)}/pods",
            {"labelSelector": linkerds.selector},
            right=f"list on pods in {where}",
        ),
        Deadline(UP_SECONDS),
    )
    for pod in api.parsed(answer).get("items") or []:
        metadata = pod["metadata"]
        status = pod.get("status") or {}
        node = (pod.get("spec") or {}).get("nodeName")
        is_over = status.get("phase") in ("Succeeded", "Failed")
        if node and not is_over and "deletionTimestamp" not in metadata:
            yield Pod(metadata["name"], node, pods.is_ready(pod), status.get("podIP", ""))


class Fleet:
    """All ready linkerds that follow one table. Every method raises OneLineError."""

    def __init__(self, api: Api, linkerds: Linkerds, table: str) -> None:
        self._api = api
        self._linkerds = linkerds
        self._page = f"/{linkerds.router}/interpreter_state/io.l5d.namerd/{table}.json"

    def must_be_allowed(self) -> None:
        """Raise DeniedError for who may not ask them. None of them is asked for that.

        A selector that finds none would prove whatever is written, so that is a line.
        """
        where = self._linkerds.namespace
        if not any(ready_pods(self._api, self._linkerds)):
            print(f"no pod {self._linkerds.selector} in {where} is ready: no linkerd follows")
        about = {"verb": "get", "resource": "pods", "subresource": "proxy", "namespace": where}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": about},
        }
        answer = until_up(lambda: self._api.post(_ACCESS_REVIEWS, review), Deadline(UP_SECONDS))
        if not self._api.parsed(answer).get("status", {}).get("allowed"):
            raise DeniedError(
                f"{self._api.where} does not let you ask its linkerds what they follow; grant get "
                f"on pods/proxy in {where}"
            )

    def views(self) -> list[View]:
        """What each follows, asked all at once."""
        found = list(ready_pods(self._api, self._linkerds))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda each: self._view(each.name, each.node), found))

    def _view(self, pod: str, node: str) -> View:
        where = self._linkerds.namespace
        try:
            answer = self._api.get_proxied(
                "pods",
                where,
                pod,
                self._linkerds.port,
                self._page,
                right=f"get on pods/proxy in {where}",
            )
        except DeniedError:
            raise
        except OneLineError as error:
            return View(pod, node, problem=str(error))
        try:
            if answer.status == 200:
                return View(pod, node, followed(json.loads(answer.text)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass
        said = f"{answer.status}, {status_message(answer)}"
        return View(pod, node, problem=f"its page {self._page} says {said}")


def followed(page: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Share by bound name, by name, of the page interpreter_state.

    Left out are names with a routing table of the request's own (`l5d-dtab`), names that are no
    longer followed, and those that have not been bound yet.
    """
    found = {}
    for name, by_dtab in (page.get("bind") or {}).items():
        state = (by_dtab.get("") or {}).get("state") or {}
        if state.get("running") and "value" in state:
            found[name] = _shares(state["value"])
    return found


def _shares(tree: Mapping[str, Any]) -> dict[str, float]:
    if "value" in tree:
        return {str(tree["value"]["id"]): 1.0}
    branches = [(float(each["weight"]), _shares(each["tree"])) for each in tree.get("trees", [])]
    whole = sum(weight for weight, below in branches if below)
    found: dict[str, float] = {}
    for weight, below in branches if whole else []:
        for name, share in below.items():
            found[name] = found.get(name, 0.0) + share * weight / whole
    return found
