"""Tell which linkerds refuse each other's TLS, and why."""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from canary import handshake, tls_log
from canary.errors import CanaryError
from canary.forwarding import Forwarder, forwarder
from canary.handshake import Shaken
from kube.api import Api
from kube.connection import to_cluster
from kube.errors import OneLineError
from mesh import live, pair, routers
from mesh import tls as mesh_tls
from mesh.live import Linkerd
from mesh.pair import Pair, PairError
from mesh.tls import Way

NAME = "tls"

_LOG_SECONDS = 600


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--kubeconfig", help="its path; by default the ambient one")
    parser.add_argument("--context", help="a context of it; by default its current one")
    parser.add_argument(
        "--namespace",
        action="append",
        help="where linkerds run, may be repeated; by default linkerd and hello-world",
    )


def run(arguments: argparse.Namespace) -> int:
    """Ask every linkerd's TLS port as another linkerd would.

    1 where one is not as it should be, or something could not be looked at. It takes the rights to
    list pods, to get their Secrets and logs, and to get and create pods/portforward. Raises
    CanaryError where there is no linkerd to look at.
    """
    namespaces = arguments.namespace or ["linkerd", "hello-world"]
    try:
        with (
            to_cluster(arguments.kubeconfig, arguments.context) as connection,
            forwarder(arguments.kubeconfig, arguments.context) as forwarding,
        ):
            return _report(Api(connection), forwarding, sorted(set(namespaces)))
    except OneLineError as error:
        raise CanaryError(str(error)) from None


def _report(api_server: Api, forwarding: Forwarder, namespaces: list[str]) -> int:
    examined: list[Examined] = []
    unlisted: dict[str, str] = {}
    for namespace in namespaces:
        try:
            linkerds = list(live.listed(api_server, [namespace]))
        except OneLineError as error:
            unlisted[namespace] = str(error)
            continue
        examined += [_examined(each, api_server, forwarding) for each in linkerds]
    if not examined and unlisted:
        raise CanaryError(next(iter(unlisted.values())))
    if not examined:
        raise CanaryError(f"no linkerd runs in namespace {' or '.join(namespaces)}")
    _compare(examined)
    for each in examined:
        print("\n".join(each.lines()))
    for namespace, reason in unlisted.items():
        print(f"namespace {namespace}\n  ?      {reason}")
    return 1 if unlisted or any(each.wrong or each.unseen for each in examined) else 0


@dataclass
class Examined:
    """What was found out about one linkerd."""

    linkerd: Linkerd
    way: Way | None = None
    """None where its annotation is none of this release's."""
    right: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    """Why something of it could not be looked at."""
    told: list[str] = field(default_factory=list)
    """What its log says of others, which may be over by now."""
    pair: Pair | None = None

    def lines(self) -> Iterator[str]:
        """What a person reads."""
        yield f"{self.linkerd}: {self.way or 'meshTls not known'}"
        yield from (f"  ok     {line}" for line in self.right)
        yield from (f"  WRONG  {line}" for line in self.wrong)
        yield from (f"  ?      {line}" for line in self.unseen)
        yield from (f"  log    {line}" for line in self.told)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Note what the cluster does not show, so that the rest is looked at all the same."""
        try:
            yield
        except (CanaryError, OneLineError) as error:
            self.unseen.append(str(error))


def _examined(linkerd: Linkerd, api_server: Api, forwarding: Forwarder) -> Examined:
    found = Examined(linkerd)
    try:
        found.way = linkerd.way
    except ValueError as error:
        found.wrong.append(f"its {error}, which is of another release: ask with that one")
    if linkerd.stands_still:
        found.wrong.append(
            f"it does not run ({linkerd.stands_still}): `kubectl -n {linkerd.namespace} describe "
            f"pod {linkerd.name}` says why"
        )
    if found.way and found.way.source:
        with found.going_on():
            _examine(found, found.way, api_server, forwarding)
    with found.going_on():
        for meaning, count in tls_log.causes(_log(api_server, linkerd)).most_common():
            found.told.append(f"{count} × in 10 minutes: {meaning}")
    return found


def _examine(found: Examined, way: Way, api_server: Api, forwarding: Forwarder) -> None:
    linkerd = found.linkerd
    where = f"Secret {linkerd.namespace}/{linkerd.secret}"
    files = _files(api_server, linkerd)
    if files is None:
        found.wrong.append(f"{where} is not there, and without it no pod starts that mounts it")
        return
    mutual = way.mode == mesh_tls.MUTUAL
    try:
        found.pair = pair.read(files, where, mutual, datetime.now(UTC))
        found.right.append(f"{where} is usable until {found.pair.expires['certificate']}")
    except PairError as error:
        found.wrong.append(str(error))
        return
    if linkerd.stands_still or routers.INCOMING_TLS not in linkerd.ports:
        return  # one at the edge takes nothing from other linkerds
    _judge(found, found.pair, _shaken(forwarding, linkerd, files))
    without = _shaken(forwarding, linkerd, None)
    if way.asks_for_certificates and not without.refused:
        found.wrong.append("it lets in who has no certificate: it runs with another config")
    elif way.asks_for_certificates:
        found.right.append("it refuses who has no certificate")
    elif without.refused:
        found.wrong.append(f"it refuses who has no certificate: {without.refused}")


def _judge(found: Examined, own: Pair, shaken: Shaken) -> None:
    """Judge what a linkerd has served, by the rules of another one with the same Secret."""
    served = shaken.certificate
    if shaken.refused or served is None:
        found.wrong.append(
            f"it refuses a linkerd with the certificate of its own Secret: {shaken.refused}; its "
            "log says why"
        )
    elif not own.trusts(served):
        found.wrong.append(
            f"it serves a certificate that the authorities of its Secret have not issued (number "
            f"{served.serial_number:x}): delete the pod for a new one"
        )
    else:
        ends = pair.when(served.not_valid_after_utc)
        found.right.append(f"it takes a linkerd's certificate, and serves one until {ends}")


def _compare(examined: list[Examined]) -> None:
    """Find those that do not trust one another, by their Secrets."""
    for one in examined:
        for other in examined:
            if one.pair and other.pair and not one.pair.trusts(other.pair.certificate):
                one.wrong.append(
                    f"its authorities have not issued the certificate of {other.linkerd}: between "
                    "the two requests fail"
                )


def _shaken(forwarding: Forwarder, linkerd: Linkerd, files: Mapping[str, bytes] | None) -> Shaken:
    port = routers.INCOMING_TLS
    with forwarding.connection(linkerd.namespace, linkerd.name, port) as connection:
        return handshake.shake(connection, files)


def _files(api_server: Api, linkerd: Linkerd) -> dict[str, bytes] | None:
    """Those of its Secret; None where there is no such Secret."""
    path = f"/api/v1/namespaces/{linkerd.namespace}/secrets/{linkerd.secret}"
    answer = api_server.get(path, right=f"get on Secrets in namespace {linkerd.namespace}")
    return None if answer.status == 404 else pair.of_secret(api_server.parsed(answer))


def _log(api_server: Api, linkerd: Linkerd) -> str:
    path = f"/api/v1/namespaces/{linkerd.namespace}/pods/{linkerd.name}/log"
    params = {"container": live.CONTAINER, "sinceSeconds": str(_LOG_SECONDS)}
    answer = api_server.get(path, params, right="get on pods/log")
    return answer.text if answer.status == 200 else ""
