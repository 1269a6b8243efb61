"""A cluster's objects: read, applied, deleted and watched, through the official client.

Objects come and go as plain dicts. Every error is a PluginError with one clear line.
"""

import threading
from collections.abc import Callable
from typing import Any

from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, ResourceNotFoundError
from kubernetes.watch import Watch

from local.standins.kubernetes import kubeconfig, objects, refusals
from local.standins.kubernetes.client import client
from local.standins.kubernetes.errors import GoneError, UnknownKindError
from local.standins.kubernetes.settings import Settings
from local.standins.kubernetes.state import MANAGER
from local.standins.kubernetes.values import Object

TIMEOUT = (5.0, 60.0)
"""Seconds to connect, and to wait for an answer."""


def _as_dict(_client: Any, body: Any) -> Any:
    """The client's hook for answers: no wrapping."""
    return body


class Cluster:
    """One API server, asked in the name of one kubeconfig. Any number of threads may use it."""

    def __init__(self, settings: Settings) -> None:
        """Connect; raises UnreachableError."""
        self.server = kubeconfig.active(settings).server
        self._discovery = threading.Lock()
        with refusals.of_connecting(self.server):
            # Discovery wants a file for its cache, and does without where it cannot be made.
            self._client = DynamicClient(  # type: ignore[no-untyped-call]
                client(settings), cache_file="/dev/null/discovery"
            )

    def is_namespaced(self, obj: Object) -> bool:
        """Whether the object's kind belongs to namespaces."""
        return bool(self._resource(obj).namespaced)

    def forget_kinds(self) -> None:
        """Ask again which kinds there are: a CustomResourceDefinition came or went."""
        with self._discovery, refusals.of_requests(self.server):
            self._client.resources.invalidate_cache()

    def get(self, obj: Object) -> Object | None:
        """The live object of that kind, name and namespace; None where there is none."""
        with refusals.of_requests(self.server):
            try:
                return self._answer(self._resource(obj).get, **self._place(obj))
            except NotFoundError:
                return None

    def apply(self, obj: Object, *, force: bool, dry_run: bool = False) -> Object:
        """Server-side apply: create the object, or make the fields that it names so.

        Without `force` a field that someone else manages with another value is a PluginError.
        """
        options = {"dry_run": "All"} if dry_run else {}
        resource = self._resource(obj)
        with refusals.of_requests(self.server, obj):
            return self._answer(
                resource.server_side_apply,
                body=objects.as_sent(obj),
                field_manager=MANAGER,
                force_conflicts=str(force).lower(),
                **self._place(obj),
                **options,
            )

    def try_create(self, obj: Object) -> Object:
        """What creating the object would give, by the server's own dry run: nothing is written."""
        resource = self._resource(obj)
        with refusals.of_requests(self.server, obj):
            return self._answer(
                resource.create,
                body=objects.as_sent(obj),
                namespace=self._place(obj)["namespace"],
                dry_run="All",
                field_manager=MANAGER,
                # As strict as the server-side apply that the update will be.
                query_params=[("fieldValidation", "Strict")],
            )

    def delete(self, live: Object, propagation: str) -> None:
        """Ask for a live object's deletion; one that was replaced meanwhile is left alone."""
        options = {
            "propagationPolicy": propagation,
            "preconditions": {"uid": objects.metadata(live)["uid"]},
        }
        with refusals.of_requests(self.server, live):
            try:
                self._answer(self._resource(live).delete, body=options, **self._place(live))
            except (NotFoundError, ConflictError):
                return

    def next_change(self, live: Object, seconds: float) -> Object | None:
        """The object's next state after this one; None if it stays as it is for so long.

        Raises GoneError when it is deleted.
        """
        place = self._place(live)
        with refusals.of_requests(self.server, live):
            events = Watch().stream(  # type: ignore[no-untyped-call]
                self._resource(live).get,
                namespace=place["namespace"],
                field_selector=f"metadata.name={place['name']}",
                resource_version=objects.metadata(live).get("resourceVersion"),
                timeout_seconds=max(1, round(seconds)),
                serialize=False,
                _request_timeout=(TIMEOUT[0], seconds + TIMEOUT[1]),
            )
            try:
                event = next(events, None)
            except ApiException:
                event = {"type": "MODIFIED", "raw_object": self.get(live)}
            finally:
                events.close()
        if event is None:
            return None
        if event["type"] == "DELETED" or event["raw_object"] is None:
            raise GoneError(f"{objects.described(live)} was deleted while it was waited for")
        found: Object = event["raw_object"]
        return found

    def has_endpoints(self, service: Object) -> bool:
        """Whether any ready pod stands behind a Service."""
        label = f"kubernetes.io/service-name={objects.name_of(service)}"
        slices = self._list("discovery.k8s.io/v1", "EndpointSlice", service, label)
        endpoints = [endpoint for s in slices for endpoint in s.get("endpoints") or []]
        return any((e.get("conditions") or {}).get("ready") is not False for e in endpoints)

    def pods_of(self, workload: Object) -> list[Object]:
        """The pods that a workload's selector matches; a Pod's are itself."""
        if workload.get("kind") == "Pod":
            return [workload]
        selector = (workload.get("spec") or {}).get("selector") or {}
        labels = selector.get("matchLabels", {} if "matchExpressions" in selector else selector)
        text = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        return self._list("v1", "Pod", workload, text) if text else []

    def _list(self, api_version: str, kind: str, beside: Object, selector: str) -> list[Object]:
        resource = self._resource({"apiVersion": api_version, "kind": kind})
        namespace = objects.namespace_of(beside)
        with refusals.of_requests(self.server):
            answer = self._answer(resource.get, namespace=namespace, label_selector=selector)
        items: list[Object] = answer.get("items") or []
        return items

    def _resource(self, obj: Object) -> Any:
        """The client's handle of an object's kind; raises UnknownKindError."""
        version, kind = obj["apiVersion"], obj["kind"]
        with self._discovery, refusals.of_requests(self.server):
            try:
                return self._client.resources.get(api_version=version, kind=kind)
            except ResourceNotFoundError:
                pass
        raise UnknownKindError(
            f"{self.server} serves no {version} {kind}; is its CustomResourceDefinition there?"
        )

    def _place(self, obj: Object) -> dict[str, str | None]:
        return {"name": objects.name_of(obj), "namespace": objects.namespace_of(obj) or None}

    @staticmethod
    def _answer(function: Callable[..., Any], **options: Any) -> Object:
        answer: Object = function(serializer=_as_dict, _request_timeout=TIMEOUT, **options)
        return answer
