"""One configured provider: its settings, and its way to the cluster once one is needed."""

import threading
from typing import TYPE_CHECKING

from local.standins.kubernetes import kubeconfig, objects, settings
from local.standins.kubernetes.engine import Engine
from local.standins.kubernetes.errors import NotReadyError, PluginError, UnreachableError
from local.standins.kubernetes.settings import Settings
from local.standins.kubernetes.values import Object, has_unknown

if TYPE_CHECKING:
    from local.standins.kubernetes.lifecycle import Lifecycle

REPLACE_UNREADY = "pulumi.com/replaceUnready"


class Session:
    """What the requests to one provider share; any number of threads may use it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.stop = threading.Event()
        """Set when the engine cancels: every wait ends."""
        self._settings: Settings | None = None
        self._lifecycle: Lifecycle | None = None
        self._lock = threading.Lock()
        self._scopes: dict[tuple[str, str], bool] = {}
        """Whether a kind belongs to namespaces, from the definitions that the program declares."""

    def configure(self, config: Object) -> None:
        """Take the configuration. In a preview it may not be known yet."""
        self._settings = None if has_unknown(config) else settings.read(config)

    @property
    def is_known(self) -> bool:
        """Whether it is known which cluster this is about."""
        return self._settings is not None

    @property
    def settings(self) -> Settings:
        """Raises UnreachableError while they are not known."""
        if self._settings is None:
            raise UnreachableError(
                "configured Kubernetes cluster is unreachable: its kubeconfig is not known yet"
            )
        return self._settings

    @property
    def mutable_kinds(self) -> tuple[str, ...]:
        """The kinds whose data is changed in place, as far as that is known."""
        return self._settings.mutable_kinds if self._settings else ()

    @property
    def lifecycle(self) -> "Lifecycle":
        """What talks to the cluster. Its imports take longer than all else at the start."""
        configured = self.settings
        with self._lock:
            if self._lifecycle is None:
                from local.standins.kubernetes.lifecycle import Lifecycle  # noqa: PLC0415

                namespace = self._default_namespace()
                self._lifecycle = Lifecycle(configured, namespace, self.engine, self.stop)
            return self._lifecycle

    def namespace_for(self, obj: Object, old: Object) -> str:
        """The default namespace, or none for a kind that belongs to none.

        A kind that is not Kubernetes' own is looked up in the definitions that the program
        declares, then in the object's old inputs; only one that is new is asked for.
        """
        namespaced = objects.is_namespaced(obj)
        if namespaced is None:
            namespaced = self._scopes.get(objects.group_kind(obj))
        if namespaced is None and old:
            namespaced = bool(objects.namespace_of(old))
        if namespaced is None:
            namespaced = self._ask_scope(obj)
        return self._default_namespace() if namespaced else ""

    def remember_definition(self, definition: Object) -> None:
        """Note the scope of the kind that a CustomResourceDefinition defines."""
        spec = definition.get("spec")
        if isinstance(spec, dict) and isinstance(spec.get("names"), dict):
            kind = (str(spec.get("group")), str(spec["names"].get("kind")))
            self._scopes[kind] = spec.get("scope") != "Cluster"

    def _ask_scope(self, obj: Object) -> bool:
        try:
            return self.lifecycle.cluster.is_namespaced(obj)
        except PluginError:
            return True  # most are; its creation finds out

    def _default_namespace(self) -> str:
        """The provider's, else that of the kubeconfig's context, else `default`."""
        if self._settings is None:
            return "default"
        if self._settings.namespace:
            return self._settings.namespace
        try:
            return kubeconfig.active(self._settings).namespace or "default"
        except UnreachableError:  # said when the cluster is needed
            return "default"

    def replaces_unready(self, new: Object) -> bool:
        """Whether a Job asks to be made anew because it has not completed."""
        if new.get("kind") != "Job" or not objects.is_true(new, REPLACE_UNREADY):
            return False
        try:
            live = self.lifecycle.read(new)
            if live is not None:
                self.lifecycle.check_health(live)
        except NotReadyError:
            return True
        return False
