"""Asking a cluster for its identity, and refusing another one."""

from collections.abc import Mapping
from typing import Any

from dynamic.errors import WrongClusterError
from dynamic.waiting import ABSENT_SECONDS, Deadline, until_up
from kube import credentials
from kube.api import Api
from kube.connection import to_cluster, without_user
from kube.errors import UnauthorizedError


def identity(kubeconfig: str | None, context: str | None = None) -> dict[str, str]:
    """The UID of the cluster that a kubeconfig leads to, and its server's URL.

    Raises OneLineError.
    """
    with to_cluster(kubeconfig, context) as connection:
        uid = until_up(Api(connection).cluster_uid, Deadline(ABSENT_SECONDS))
        # A preview shows it, and the state and an output hold it in clear.
        return {"server": without_user(connection.address), "uid": uid}


def identity_by_state(kubeconfig: str) -> dict[str, str]:
    """The identity by credentials that the state holds; where nobody knows them, the ambient ones.

    Refresh does not run the program, so that a renewed kubeconfig does not reach it. Raises
    OneLineError.
    """
    try:
        return identity(kubeconfig)
    except UnauthorizedError:
        context = credentials.ambient_context(credentials.load(kubeconfig, None).server)
        if context is None:
            raise
        found = identity(None, context)
        print(
            f"asked as context {context!r} of the ambient kubeconfig: the state's is refused (401)"
        )
        return found


def refuse_another(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise WrongClusterError where two identities are not of one cluster."""
    if new.get("uid") == old["uid"]:
        return
    raise WrongClusterError(
        f"the stack is on the cluster {old['uid']} ({old['server']}), and its kubeconfig leads to "
        f"another, {new.get('uid')} ({new.get('server')}): choose the former with `pulumi config "
        "set kubeContext …`, or make a stack for the other with `pulumi stack init`; to have this "
        "stack leave the former for the other, `pulumi config set clusterIdentifier …` to a new "
        "name; if the former is gone for good, `PULUMI_K8S_DELETE_UNREACHABLE=true pulumi refresh`"
    )


def refuse_the_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise WrongClusterError where another identifier comes with the same cluster.

    Pulumi makes what takes the place of an object first, and then deletes the former by its name.
    """
    if new.get("uid") != old["uid"]:
        return
    raise WrongClusterError(
        f"clusterIdentifier {new['identifier']!r} in place of {old['identifier']!r} says that "
        "another cluster is meant, and the kubeconfig leads to the same one as before, "
        f"{old['uid']} ({new.get('server')}), where every object would be made anew and then "
        "deleted: choose the other cluster with `pulumi config set kubeContext …`, or set the "
        "identifier back"
    )
