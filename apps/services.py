"""The services that a stack declares, and the versions that they run in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pulumi

from apps.service import HttpService
from mesh.sidecar import Sidecar

if TYPE_CHECKING:
    from settings import Service


THE_PODS_OWN = ("localhost", "127.0.0.1", "::1", "169.254.169.254")
"""Hosts that mean something else from linkerd's pod: the pod itself, and its cloud's metadata."""


class Services(pulumi.ComponentResource):
    """One HttpService for each service without versions, and for each version.

    They reach linkerd at `proxy`, a URL, and the hosts in `past_linkerd` without it; `beside` are
    those in their pods, if any, by name. With `are_secret`, images, arguments and the variables'
    values are encrypted in the state and hidden in previews.
    """

    def __init__(
        self,
        namespace: str,
        services: "Iterable[Service]",
        proxy: str,
        past_linkerd: Sequence[str],
        beside: Mapping[str, Sidecar],
        are_secret: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        # Until there were services of one's own, these were the component HelloWorld.
        former = pulumi.Alias(type_="linkerd-canary:apps:HelloWorld", name="hello-world")
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=[former]))
        super().__init__("linkerd-canary:apps:Services", "services", {}, opts)
        no_proxy = ",".join((*THE_PODS_OWN, *past_linkerd))
        for deployment in (each for service in services for each in service.deployments):
            hidden: Callable[[Any], Any] = pulumi.Output.secret if are_secret else _shown
            HttpService(
                deployment,
                namespace,
                proxy,
                no_proxy,
                beside.get(deployment.name, Sidecar()),
                hidden,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})


def _shown(value: Any) -> Any:
    return value
