"""What the plugin says when it cannot do what it was asked: each error is one clear line."""

from typing import Any


class PluginError(Exception):
    """The base of them all; its text is what a person sees."""


class UnreachableError(PluginError):
    """The cluster cannot be talked to: no kubeconfig, no such context, no answer, no access."""


class NoAnswerError(UnreachableError):
    """The network failed; the next request may get through."""


class UnknownKindError(PluginError):
    """The cluster serves no such API version and kind."""


class NoNamespaceError(PluginError):
    """The namespace that an object belongs to does not exist."""


class ExistsError(PluginError):
    """An object of that name is there already."""


class ForbiddenError(PluginError):
    """The user of the kubeconfig may not do that."""


class GoneError(PluginError):
    """The object was deleted while it was waited for."""


class FailedError(PluginError):
    """An object reports that it will not become ready."""


class CancelledError(PluginError):
    """The engine asked to stop."""


class NotReadyError(PluginError):
    """An object was written but is not ready; holds its last state and the reasons."""

    def __init__(self, live: dict[str, Any], reasons: list[str]) -> None:
        super().__init__(reasons[0])
        self.live = live
        self.reasons = reasons
