"""Where a stack's linkerds run, so that a change of it that loses requests is refused.

What old state refers to, and what therefore never changes: this module's path, the name of the
provider's class, and the resource's type `pulumi-python:dynamic/mesh:Topology`.
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

Props = dict[str, Any]

_KEPT = ("topology", "namespace", "linkerd")


class TopologyProvider(OneLineProvider):
    """Compares a stack's topology with the former one, and with what runs. It writes nothing."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Raise TopologyError, in previews too, for a change that would lose requests."""
        known = not any(isinstance(value, Unknown) for value in news.values())
        if known and _differ(_olds, news):
            # By its name: who only loads a state pays for no import.
            lazily.module("mesh.topology_changing").refuse_unsafe(_olds, news)
        return CheckResult(news, [])

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """A renewed kubeconfig changes nothing."""
        return DiffResult(changes=_differ(_olds, _news))

    def create(self, props: Props) -> CreateResult:
        """Note the topology in the state."""
        return CreateResult("topology", _state(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Note the new one."""
        return UpdateResult(_state(_news))


def _differ(olds: Props, news: Props) -> bool:
    return any(olds.get(key) != news[key] for key in _KEPT)


def _state(props: Props) -> Props:
    return {key: props[key] for key in _KEPT}


class Topology(Resource, module="mesh", name="Topology"):
    """Where a stack's linkerds run. It comes before everything that a change of that touches."""

    def __init__(
        self,
        name: str,
        *,
        topology: str,
        namespace: str,
        linkerd: Mapping[str, pulumi.Input[str]],
        replicas: Mapping[str, int],
        kubeconfig: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; `namespace` is the apps'.

        `linkerd` are the config values that the nodes' linkerds are started with: with others they
        are replaced. `replicas` are those of the apps by name.
        """
        properties = {
            "topology": topology,
            "namespace": namespace,
            "linkerd": dict(linkerd),
            "replicas": dict(replicas),
            "kubeconfig": pulumi.Output.secret(kubeconfig),
        }
        super().__init__(TopologyProvider(), name, properties, opts)
