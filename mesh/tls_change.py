"""What a stack's linkerds send and take, so that a change of it that loses requests is refused.

The resource is there with TLS and without: it remembers what the stack had. It comes before
everything that a change would touch.

What old state refers to, and what therefore never changes: this module's path, the name of the
provider's class, and the resource's type `pulumi-python:dynamic/mesh:Tls`.
"""

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    UpdateResult,
)
from pulumi.output import Unknown

from dynamic.one_line import OneLineProvider
from kube import lazily

Props = dict[str, Any]

_KEPT = ("mode", "permissive", "secret", "namespaces", "expires")


class TlsProvider(OneLineProvider):
    """Looks at what runs and at a given Secret. It writes nothing."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Raise, in previews too, for an unsafe change and for a Secret of no use."""
        if any(isinstance(value, Unknown) for value in news.values()):
            return CheckResult(news, [])
        # By its name: who only loads a state pays for no import.
        _operations().refuse_unsafe(_olds, news)
        news["expires"] = _operations().expiry_of_given(_olds, news)
        return CheckResult(news, [])

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """A renewed kubeconfig changes nothing."""
        return DiffResult(changes=any(_olds.get(key) != _news.get(key) for key in _KEPT))

    def create(self, props: Props) -> CreateResult:
        """Note the way in the state."""
        return CreateResult("tls", _state(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Note the new way."""
        return UpdateResult(_state(_news))


def _state(props: Props) -> Props:
    _operations().refuse_unread(props)
    return {key: props[key] for key in _KEPT if key in props}


def _operations() -> Any:
    return lazily.module("mesh.tls_changing")


class Tls(Resource, module="mesh", name="Tls"):
    """How a stack's linkerds speak with one another."""

    expires: pulumi.Output[dict[str, str]]
    """When the certificate and the authority of a given Secret end; empty without one."""

    def __init__(
        self,
        name: str,
        *,
        mode: str,
        permissive: bool,
        secret: str,
        namespaces: Sequence[str],
        kubeconfig: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it.

        :param mode: off, server or mutual.
        :param permissive: whether linkerds take plain HTTP, and TLS without a certificate, as well.
        :param secret: the Secret that holds the certificates; empty for the project's own ones.
        :param namespaces: where linkerds run and, with a Secret, where it must be.
        """
        properties: Props = {
            "mode": mode,
            "permissive": permissive,
            "secret": secret,
            "namespaces": list(namespaces),
            "kubeconfig": pulumi.Output.secret(kubeconfig),
            "expires": None,
        }
        super().__init__(TlsProvider(), name, properties, opts)
