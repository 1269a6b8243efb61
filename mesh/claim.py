"""What only one stack can have on a cluster: its namespaces, and a port of the nodes.

Server-side apply would let a second stack take over the first one's objects in silence, and the
pods of two linkerds that want the same port of a node never run side by side. So a stack claims
both before it makes anything else.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from dynamic import one_line
from kube.connection import Connection, to_cluster
from kube.errors import OneLineError

STACK = "linkerd-canary/stack"
"""The annotation of a namespace that names the stack that made it."""

_CLAIMED = ("namespaces", "host_port", "cluster")

Props = dict[str, Any]


class ClaimedError(OneLineError):
    """Another stack, or another program, has what this stack wants."""


class ClaimProvider(ResourceProvider):
    """Looks whether what a stack claims is free, when it is new or changes. It writes nothing.

    What old state refers to, and what therefore never changes: this module's path, the name of this
    class and the resource's type `pulumi-python:dynamic/mesh:Claim`.
    """

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:  # noqa: ARG002
        """Have the host that runs this provider show our errors without its own traceback."""
        one_line.show_errors(sys.modules["__main__"])

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Raise ClaimedError, in previews too, where something is not free."""
        # A stack that is renamed keeps the name that its namespaces have.
        news["stack"] = _olds.get("stack", news["stack"])
        known = not any(isinstance(value, Unknown) for value in news.values())
        if known and _differ(_olds, news):
            _refuse_what_is_taken(news)
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
    return any(olds.get(key) != news[key] for key in _CLAIMED)


def _state(props: Props) -> Props:
    return {key: props[key] for key in ("stack", *_CLAIMED)}


def _refuse_what_is_taken(claim: Props) -> None:
    """Raise ClaimedError. What the cluster does not tell, or not to this user, is taken for free:
    whoever cannot read it there will hear so from what is made next."""
    try:
        with to_cluster(claim["kubeconfig"]) as api_server:
            _refuse_anothers(api_server, claim["namespaces"], claim["stack"])
            own = claim["namespaces"].values()
            _refuse_taken_port(api_server, int(claim["host_port"]), set(own))
    except ClaimedError:
        raise
    except OneLineError:
        return


def _refuse_anothers(api_server: Connection, wanted: Mapping[str, str], stack: str) -> None:
    owners = {key: _owner(api_server, namespace) for key, namespace in wanted.items()}
    others = sorted({owner for owner in owners.values() if owner not in (None, stack)})
    if not others:
        return
    taken = {key: wanted[key] for key in sorted(wanted) if owners[key] == others[0]}
    keys = " and ".join(f"{key} is {namespace!r}" for key, namespace in taken.items())
    raise ClaimedError(
        f"config {keys}, which the stack {others[0]} has on {api_server.where}: give each stack "
        "namespaces of its own, with `pulumi config set`; once that stack is gone for good, "
        f"`kubectl annotate namespace {' '.join(taken.values())} {STACK}-` frees what it had"
    )


def _owner(api_server: Connection, namespace: str) -> str | None:
    """The stack that made a namespace, where that is known."""
    metadata = _get(api_server, f"/api/v1/namespaces/{namespace}").get("metadata", {})
    owner: str | None = metadata.get("annotations", {}).get(STACK)
    return owner


def _refuse_taken_port(api_server: Connection, port: int, own: set[str]) -> None:
    for found in _get(api_server, "/apis/apps/v1/daemonsets").get("items", []):
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        if namespace not in own and port in _host_ports(found):
            raise ClaimedError(
                f"config hostPort is {port}, a port of the nodes that the DaemonSet {name} in "
                f"namespace {namespace} has on {api_server.where}: linkerd's pods would never "
                "start beside it; choose another with `pulumi config set hostPort …`"
            )


def _host_ports(workload: Mapping[str, Any]) -> Iterator[int]:
    for container in workload["spec"]["template"]["spec"]["containers"]:
        yield from (port["hostPort"] for port in container.get("ports", []) if "hostPort" in port)


def _get(api_server: Connection, path: str) -> dict[str, Any]:
    """What is there; nothing where it is not, or not for this user."""
    answer = api_server.send("GET", path)
    found: dict[str, Any] = json.loads(answer.text) if answer.status == 200 else {}
    return found


class Claim(Resource, module="mesh", name="Claim"):
    """A stack's claim on namespaces of a cluster, and on a port of its nodes."""

    stack: pulumi.Output[str]
    """The stack's name, as it was when the claim was made."""

    def __init__(
        self,
        name: str,
        *,
        stack: str,
        namespaces: Mapping[str, str],
        host_port: int,
        cluster: pulumi.Input[str],
        kubeconfig: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Claim `namespaces`, given by the config keys that name them, and `host_port`.

        `cluster` is a name of the cluster that stays; `kubeconfig` a path or the content.
        """
        properties = {
            "stack": stack,
            "namespaces": dict(namespaces),
            "host_port": host_port,
            "cluster": cluster,
            "kubeconfig": pulumi.Output.secret(kubeconfig),
        }
        super().__init__(ClaimProvider(), name, properties, opts)
