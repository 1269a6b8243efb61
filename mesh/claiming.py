"""Whether what a stack claims of a cluster is free there."""

from collections.abc import Mapping
from typing import Any

from kube.api import Api
from kube.connection import to_cluster
from kube.errors import DeniedError, OneLineError
from mesh.claim import STACK


class ClaimedError(OneLineError):
    """Another stack, or another program, has what this stack wants."""


def refuse_what_is_taken(claim: Mapping[str, Any]) -> None:
    """Raise ClaimedError. What the cluster does not tell, or not to this user, is taken for free:
    whoever cannot read it there will hear so from what is made next."""
    try:
        with to_cluster(claim["kubeconfig"]) as connection:
            api_server = Api(connection)
            _refuse_anothers(api_server, claim["namespaces"], claim["stack"])
    except ClaimedError:
        raise
    except OneLineError:
        return


def _refuse_anothers(api_server: Api, wanted: Mapping[str, str], stack: str) -> None:
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


def _owner(api_server: Api, namespace: str) -> str | None:
    """The stack that made a namespace, where that is known."""
    metadata = _get(api_server, f"/api/v1/namespaces/{namespace}").get("metadata", {})
    owner: str | None = metadata.get("annotations", {}).get(STACK)
    return owner


def _get(api_server: Api, path: str) -> dict[str, Any]:
    """What is there; nothing where it is not, or not for this user."""
    try:
        answer = api_server.get(path)
    except DeniedError:
        return {}
    return api_server.parsed(answer) if answer.status == 200 else {}
