"""An object's life in the cluster: created, updated, read, deleted, and what a preview can tell."""

import threading
import time
from collections.abc import Callable, Iterable

from local.standins.kubernetes import objects, paths, readiness, waiting
from local.standins.kubernetes.cluster import Cluster
from local.standins.kubernetes.engine import Engine
from local.standins.kubernetes.errors import (
    ExistsError,
    ForbiddenError,
    NoNamespaceError,
    UnknownKindError,
    UnreachableError,
)
from local.standins.kubernetes.settings import Settings
from local.standins.kubernetes.values import UNKNOWN, Object, has_unknown

PATCH_FORCE = "pulumi.com/patchForce"

MISORDER = 10.0
"""Seconds that a namespace or a kind may still be missing, as when it is created beside."""

TRY_AGAIN = 5.0
"""Seconds after which a cluster that could not be reached is tried again."""

_SKIPS_WAIT_FOR_DELETE = frozenset(
    {
        ("", "Namespace"),
        ("", "Pod"),
        ("", "ReplicationController"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("batch", "Job"),
    }
)
"""The kinds whose deletion is not waited for, either, with `pulumi.com/skipAwait`."""


class Lifecycle:
    """Does with objects what the engine asks for; connects to the cluster when it first has to."""

    def __init__(
        self, settings: Settings, default_namespace: str, engine: Engine, stop: threading.Event
    ) -> None:
        self.settings = settings
        self._default_namespace = default_namespace
        self._engine = engine
        self._stop = stop
        self._lock = threading.Lock()
        self._cluster: Cluster | None = None
        self._unreachable: tuple[UnreachableError, float] | None = None

    @property
    def cluster(self) -> Cluster:
        """The cluster; raises UnreachableError, for a while without another attempt."""
        with self._lock:
            if self._cluster is None:
                if self._unreachable and time.monotonic() < self._unreachable[1]:
                    raise self._unreachable[0]
                try:
                    self._cluster = Cluster(self.settings)
                except UnreachableError as error:
                    self._unreachable = (error, time.monotonic() + TRY_AGAIN)
                    raise
            return self._cluster

    def create(self, urn: str, inputs: Object, timeout: float) -> Object:
        """Create the object and wait until it is ready; raises ExistsError, NotReadyError, …"""
        obj = self._in_its_scope(urn, inputs)
        existing = self.cluster.get(obj)
        if existing and objects.metadata(existing).get("deletionTimestamp"):
            # Its deletion was not waited for, or is someone else's: the name is free after it.
            waiting.until_gone(self.cluster, existing, self._patience(urn, obj, timeout))
        elif existing and not self.settings.upsert:
            raise ExistsError(
                f"{objects.described(obj)} already exists: import it, or set upsertExistingObjects "
                "on the provider (PULUMI_K8S_UPSERT_EXISTING_OBJECTS=true) to take it over"
            )
        return self._write(urn, obj, timeout)

    def update(self, urn: str, inputs: Object, ignored: Iterable[str], timeout: float) -> Object:
        """Apply the inputs to the object and wait until it is ready."""
        return self._write(urn, self._with_live_values(inputs, ignored), timeout)

    def _write(self, urn: str, obj: Object, timeout: float) -> Object:
        force = self.settings.patch_force or objects.is_true(obj, PATCH_FORCE)
        live = self._retried(
            lambda: self.cluster.apply(obj, force=force), NoNamespaceError, self._saying(urn)
        )
        patience = self._patience(urn, obj, timeout)
        live = waiting.until_ready(self.cluster, live, patience)
        if objects.group_kind(live)[1] == "CustomResourceDefinition":
            self.cluster.forget_kinds()
        return live

    def _in_its_scope(self, urn: str, inputs: Object) -> Object:
        """The object without a namespace where its kind belongs to none."""

        def scoped() -> Object:
            namespaced = self.cluster.is_namespaced(inputs)
            return inputs if namespaced else objects.in_namespace(inputs, "")

        return self._retried(scoped, UnknownKindError, self._saying(urn))

    def _retried(
        self, attempt: Callable[[], Object], error: type[Exception], say: Callable[[str], None]
    ) -> Object:
        """Try until something that may be created at the same time is there, for a while."""
        deadline = time.monotonic() + MISORDER
        while True:
            try:
                return attempt()
            except error as missing:
                if time.monotonic() > deadline or self._stop.wait(0.3):
                    raise
                say(str(missing))
                if error is UnknownKindError:
                    self.cluster.forget_kinds()

    def preview_create(self, inputs: Object) -> Object:
        """What the created object will look like, as far as the cluster can tell now."""
        if has_unknown(inputs):
            return _projected(inputs, {})
        try:
            tried = self.cluster.try_create(inputs)
        except (ExistsError, ForbiddenError, NoNamespaceError, UnknownKindError):
            # It replaces one of its name, or waits for what the same program creates.
            return _projected(inputs, {})
        return _projected(inputs, tried)

    def preview_update(self, inputs: Object, old: Object, ignored: Iterable[str]) -> Object:
        """What the updated object will look like; raises what the update would be refused for."""
        if has_unknown(inputs):
            return {**old, **inputs}
        force = self.settings.patch_force or objects.is_true(inputs, PATCH_FORCE)
        obj = self._with_live_values(inputs, ignored)
        try:
            return self.cluster.apply(obj, force=force, dry_run=True)
        except (ForbiddenError, NoNamespaceError, UnknownKindError):
            return {**old, **inputs}

    def _with_live_values(self, inputs: Object, ignored: Iterable[str]) -> Object:
        """The inputs with what the cluster has at the paths of `ignore_changes`.

        Sent as they were written, these would conflict with whoever manages them now, such as the
        autoscaler that sets `spec.replicas`.
        """
        known = [path for path in map(paths.parsed, ignored) if path]
        live = self.cluster.get(inputs) if known else None
        for path in known if live is not None else ():
            inputs = paths.with_value_of(inputs, live, path)
        return inputs

    def read(self, ref: Object) -> Object | None:
        """The live object, or None where it, its namespace or its kind is gone."""
        try:
            if not objects.namespace_of(ref) and self.cluster.is_namespaced(ref):
                ref = objects.in_namespace(ref, self._default_namespace)
            return self.cluster.get(ref)
        except UnknownKindError:
            return None

    def check_health(self, live: Object) -> None:
        """Raise NotReadyError where a live object is not ready at this moment."""
        waiting.check_ready(self.cluster, live)

    def delete(self, urn: str, state: Object, timeout: float) -> None:
        """Delete the object and wait until it is gone; one that is gone already is fine."""
        live = self.read(state)
        if live is None:
            return
        annotated = objects.annotation(state, "pulumi.com/deletionPropagationPolicy").capitalize()
        policy = annotated if annotated in ("Background", "Orphan") else "Foreground"
        self.cluster.delete(live, policy)
        skips = objects.is_true(state, readiness.SKIP)
        if not (skips and objects.group_kind(state) in _SKIPS_WAIT_FOR_DELETE):
            waiting.until_gone(self.cluster, live, self._patience(urn, state, timeout))
        if objects.group_kind(state)[1] == "CustomResourceDefinition":
            self.cluster.forget_kinds()

    def _patience(self, urn: str, obj: Object, timeout: float) -> waiting.Patience:
        return waiting.Patience(
            waiting.Patience.seconds_for(obj, timeout), self._stop, self._saying(urn)
        )

    def _saying(self, urn: str) -> Callable[[str], None]:
        """Tell the engine what is waited for, each thing once."""
        said: list[str] = []

        def say(text: str) -> None:
            if said[-1:] != [text]:
                said.append(text)
                self._engine.status(urn, text)

        return say


_SERVER_CHOSEN = ("uid", "resourceVersion", "creationTimestamp", "generation")


def _projected(inputs: Object, tried: Object) -> Object:
    """An object that does not exist yet: what only the server can choose is not known."""
    unknown = dict.fromkeys(_SERVER_CHOSEN, UNKNOWN)
    metadata = {**objects.metadata(inputs), **objects.metadata(tried), **unknown}
    projected = {**inputs, **tried, "metadata": metadata, "status": UNKNOWN}
    if objects.group_kind(inputs) == ("", "Service") and isinstance(inputs.get("spec"), dict):
        projected["spec"] = _service_spec(inputs["spec"], tried.get("spec") or {})
    return projected


def _service_spec(given: Object, tried: Object) -> Object:
    """A Service's spec before it exists: its addresses and node ports are not known."""
    chosen = {"clusterIP": UNKNOWN, "clusterIPs": UNKNOWN, "healthCheckNodePort": UNKNOWN}
    spec = {**tried, **chosen, **given}
    on_nodes = given.get("type") in ("NodePort", "LoadBalancer")
    if on_nodes and isinstance(given.get("ports"), list):
        spec["ports"] = [{"nodePort": UNKNOWN, **port} for port in given["ports"]]
    return spec
