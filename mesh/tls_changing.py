"""Whether a change of TLS is safe for what runs, and whether a given Secret can be used."""

from collections.abc import Mapping
from typing import Any

from kube.api import Api
from kube.connection import to_cluster
from kube.errors import OneLineError
from mesh import expiry, live, pair, tls
from mesh.live import Linkerd
from mesh.pair import Pair, PairError
from mesh.tls import Way


class TlsChangeError(OneLineError):
    """A change that would lose requests: what it is, and the steps to take instead."""


def refuse_unsafe(olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
    """Raise TlsChangeError where linkerds of before and after would refuse each other's requests.

    `olds` are empty for a new stack, and for one of a release without TLS.
    """
    after = _way(news)
    if olds and _way(olds) == after:
        return
    reason = tls.refusal(_way(olds), after) if olds else None
    if reason:
        raise TlsChangeError(f"config {reason}")
    running = live.linkerds(news["kubeconfig"], news["namespaces"])
    for linkerd in running:
        _refuse_what_runs(linkerd, after, bool(olds))


def _refuse_what_runs(linkerd: Linkerd, after: Way, is_known: bool) -> None:
    try:
        before = linkerd.way
    except ValueError as error:
        raise TlsChangeError(
            f"pod {linkerd}: {error}, which this release does not know: deploy with the release "
            "that made it, or delete the pod's workload"
        ) from None
    reason = tls.refusal(before, after)
    if reason and is_known:
        raise TlsChangeError(
            f"config {reason}; pod {linkerd} still runs as before the last `pulumi up`: finish "
            "that one first, with the config that it had"
        )
    if reason:
        raise TlsChangeError(f"config {reason} (pod {linkerd} runs as before)")


def _way(props: Mapping[str, Any]) -> Way:
    return Way.of(props["mode"], bool(props["permissive"]), props["secret"])


def expiry_of_given(olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, str]:
    """When a given Secret's certificates end. Raises PairError for one that linkerd cannot use.

    Where nobody tells, or not this user, it is what the state says.
    """
    if not _way(news).source or not news["secret"]:
        return {}
    try:
        return _read(news)
    except PairError:
        raise
    except OneLineError:
        known: dict[str, str] = (olds.get("expires") or {}) if olds else {}
        return known if olds and olds.get("secret") == news["secret"] else {}


def refuse_unread(props: Mapping[str, Any]) -> None:
    """Raise OneLineError where a Secret is to be used that nobody has looked at."""
    if _way(props).source and props["secret"] and not props.get("expires"):
        _read(props)


def _read(props: Mapping[str, Any]) -> dict[str, str]:
    """When the first of the Secret's certificates end, by `Pair.expires`.

    Those of each namespace must trust those of the others.
    """
    with to_cluster(props["kubeconfig"]) as connection:
        api_server = Api(connection)
        found = [_in(namespace, api_server, props) for namespace in props["namespaces"]]
    first = found[0]
    for namespace, other in zip(props["namespaces"][1:], found[1:], strict=True):
        if not (first.trusts(other.certificate) and other.trusts(first.certificate)):
            raise PairError(
                f"Secret {props['secret']} of namespace {namespace} does not trust that of "
                f"namespace {props['namespaces'][0]}, or the other way round: have one authority "
                "issue both"
            )
    return {which: min(each.expires[which] for each in found) for which in first.expires}


def _in(namespace: str, api_server: Api, props: Mapping[str, Any]) -> Pair:
    name = props["secret"]
    where = f"Secret {namespace}/{name} (meshTlsSecret)"
    answer = api_server.get(
        f"/api/v1/namespaces/{namespace}/secrets/{name}",
        right=f"get on the Secret {name} in namespace {namespace}",
    )
    if answer.status == 404:
        raise PairError(
            f"{where} is not there: have it made before it is used; a new stack makes its "
            "namespaces in a first `pulumi up` with meshTls off"
        )
    mutual = props["mode"] == tls.MUTUAL
    return pair.read(pair.of_secret(api_server.parsed(answer)), where, mutual, expiry.now())
