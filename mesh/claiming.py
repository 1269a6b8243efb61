"""Whether what a stack claims of a cluster is free there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kube.api import Api
from kube.connection import to_cluster
from kube.errors import DeniedError, OneLineError
from mesh.claim import MAKES, STACK


class ClaimedError(OneLineError):
    """Another stack, or another program, has what this stack wants."""


def refuse_what_is_taken(claim: Mapping[str, Any]) -> None:
    """Raise ClaimedError. What the cluster does not tell, or not to this user, is taken for free:
    whoever cannot read it there will hear so from what is made next."""
    try:
        with to_cluster(claim["kubeconfig"]) as connection:
            api_server = Api(connection)
            found = {key: _namespace(api_server, name) for key, name in claim["namespaces"].items()}
            _refuse_anothers(api_server, claim, found)
            if not claim[MAKES]:
                _refuse_what_is_not_given(api_server, claim, found)
    except ClaimedError:
        raise
    except OneLineError:
        return


def refuse_another_maker(olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
    """Raise ClaimedError where namespaces that are in use would change hands.

    Those that the stack has made would be deleted, with all that runs there; those that it was
    given cannot be made once more.
    """
    before = olds.get(MAKES, True)
    kept = {*olds.get("namespaces", {}).values()} & {*news["namespaces"].values()}
    if before != news[MAKES] and kept and olds["cluster"] == news["cluster"]:
        raise ClaimedError(
            f"config createNamespaces is {str(news[MAKES]).lower()}, and this stack "
            f"{'made' if before else 'was given'} its namespaces ({', '.join(sorted(kept))}), "
            f"which cannot change: set it to {str(before).lower()}, or move to other namespaces"
        )


def _refuse_anothers(
    api_server: Api, claim: Mapping[str, Any], found: Mapping[str, "_Namespace"]
) -> None:
    wanted, stack = claim["namespaces"], claim["stack"]
    owners = {key: namespace.owner for key, namespace in found.items()}
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


def _refuse_what_is_not_given(
    api_server: Api, claim: Mapping[str, Any], found: Mapping[str, "_Namespace"]
) -> None:
    for key, namespace in sorted(found.items()):  # the engine hands maps over in any order
        name = claim["namespaces"][key]
        if namespace.is_there is False:
            raise ClaimedError(
                f"config createNamespaces is false, and {api_server.where} has no namespace "
                f"{name!r} ({key}): have an administrator make it (docs/rights.md), or set "
                "createNamespaces to true"
            )
        if namespace.is_there and namespace.owner is None:
            raise ClaimedError(
                f"config createNamespaces is false, and the namespace {name!r} ({key}) on "
                f"{api_server.where} does not say that it is for this stack: have an administrator "
                f"run `kubectl annotate namespace {name} {STACK}={claim['stack']}`"
            )


@dataclass(frozen=True)
class _Namespace:
    is_there: bool | None
    """None where this user may not know."""
    owner: str | None = None
    """The stack that it is for, where it says so."""


def _namespace(api_server: Api, name: str) -> _Namespace:
    try:
        answer = api_server.get(f"/api/v1/namespaces/{name}")
    except DeniedError:
        return _Namespace(None)
    if answer.status != 200:
        return _Namespace(False if answer.status == 404 else None)
    annotations = api_server.parsed(answer)["metadata"].get("annotations", {})
    return _Namespace(True, annotations.get(STACK))
