"""What only one stack can have on a cluster: its namespaces.

Server-side apply would let a second stack take over the first one's objects in silence. So a stack
claims its namespaces before it makes anything else.
"""

from collections.abc import Mapping
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

STACK = "linkerd-canary/stack"
"""The annotation of a namespace that names the stack that made it."""

MAKES = "makes_namespaces"
"""Whether the stack makes its namespaces itself; the state of an earlier release does not say."""

_CLAIMED = ("namespaces", "cluster")
"""The state of an earlier release has `host_port` too, which linkerd had on every node."""

Props = dict[str, Any]


class ClaimProvider(OneLineProvider):
    """Looks whether what a stack claims is free, when it is new or changes. It writes nothing.

    What old state refers to, and what therefore never changes: this module's path, the name of this
    class and the resource's type `pulumi-python:dynamic/mesh:Claim`.
    """

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Raise ClaimedError, in previews too, where something is not free."""
        # A stack that is renamed keeps the name that its namespaces have.
        news["stack"] = _olds.get("stack", news["stack"])
        known = not any(isinstance(value, Unknown) for value in news.values())
        if known and _differ(_olds, news):
            # By its name: who only loads a state pays for no import.
            claiming = lazily.module("mesh.claiming")
            claiming.refuse_another_maker(_olds, news)
            claiming.refuse_what_is_taken(news)
        return CheckResult(news, [])

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """A renewed kubeconfig changes nothing."""
        return DiffResult(changes=_differ(_olds, _news))

    def create(self, props: Props) -> CreateResult:
        """Note the claim in the state; the namespaces carry it."""
        return CreateResult(props["stack"], _state(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Note the new claim."""
        return UpdateResult(_state(_news))


def _differ(olds: Props, news: Props) -> bool:
    makes = bool(olds.get(MAKES, True)), bool(news[MAKES])
    return makes[0] != makes[1] or any(olds.get(key) != news[key] for key in _CLAIMED)


def _state(props: Props) -> Props:
    return {key: props[key] for key in ("stack", MAKES, *_CLAIMED)}


class Claim(Resource, module="mesh", name="Claim"):
    """A stack's claim on namespaces of a cluster."""

    stack: pulumi.Output[str]
    """The stack's name, as it was when the claim was made."""

    def __init__(
        self,
        name: str,
        *,
        stack: str,
        namespaces: Mapping[str, str],
        makes_namespaces: bool,
        cluster: pulumi.Input[str],
        kubeconfig: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Claim `namespaces`, given by the config keys that name them.

        Where the stack does not make them itself they must be there, and say that they are for it.
        `cluster` is a name of the cluster that stays; `kubeconfig` a path or the content.
        """
        properties = {
            "stack": stack,
            "namespaces": dict(namespaces),
            MAKES: makes_namespaces,
            "cluster": cluster,
            "kubeconfig": pulumi.Output.secret(kubeconfig),
        }
        super().__init__(ClaimProvider(), name, properties, opts)
