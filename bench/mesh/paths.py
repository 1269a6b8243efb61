"""The ways from a caller to the app `world`: by none, one or two linkerds, with and without TLS."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench.mesh.load import CONNECTIONS, Route
from bench.mesh.loopback import APP_PORT, SERVICE, WORLD, Loopback
from mesh import routers
from tests.contract import sidecars, stand_ins
from tests.contract.certificates import authority, issue
from tests.contract.stand_ins import L5D, MESH_NAMESPACE, OTHER_L5D, linkerd_config

Config = dict[str, Any]

POOL: Mapping[str, Any] = {"maxSize": CONNECTIONS, "maxWaiters": 2000}
HELLO = f"{stand_ins.NODE}.20"
OFF, SERVER, MUTUAL = "off", "server", "mutual"


@dataclass(frozen=True)
class Path:
    """One way, and how its linkerds are started."""

    name: str
    prepare: Callable[[Loopback, ExitStack], Route]


def secure(
    place: Loopback, tls: str, senders: Sequence[Config], receivers: Sequence[Config]
) -> None:
    """Give routers that send to a linkerd a bound, and them and those that receive TLS."""
    for sender in senders:
        sender["client"] = {**sender.get("client", {}), "hostConnectionPool": dict(POOL)}
    if tls == OFF:
        return
    ca = authority(place.folder, "ca")
    leaf = issue(ca, "leaf", alternative="linkerd")
    for sender in senders:
        sender["client"]["tls"] = {"commonName": "linkerd", "trustCertsBundle": str(ca.cert_path)}
        if tls == MUTUAL:
            sender["client"]["tls"]["clientAuth"] = dict(leaf.paths)
    for receiver in receivers:
        receiver["servers"][0]["tls"] = dict(leaf.paths)
        if tls == MUTUAL:
            wanted = {"requireClientAuth": True, "caCertPath": str(ca.cert_path)}
            receiver["servers"][0]["tls"].update(wanted)


def _direct(_place: Loopback, _stack: ExitStack) -> Route:
    return Route(f"http://{WORLD}:{APP_PORT}/")


def _one(place: Loopback, stack: ExitStack) -> Route:
    """The linkerd of the app's node, told the version as another linkerd tells it."""
    pid = place.start_linkerd(stack, OTHER_L5D, linkerd_config(OTHER_L5D))
    chosen = f"/%/io.l5d.k8s.daemonset/{MESH_NAMESPACE}/incoming/l5d{SERVICE}/world"
    url = f"http://{OTHER_L5D}:{routers.INCOMING}/"
    return Route(url, {routers.CHOSEN: chosen}, [pid])


def two(tls: str) -> Callable[[Loopback, ExitStack], Route]:
    """The linkerd of the caller's node, and that of the app's."""

    def prepare(place: Loopback, stack: ExitStack) -> Route:
        configs = {address: linkerd_config(address) for address in (L5D, OTHER_L5D)}
        by_label = [
            {router["label"]: router for router in config["routers"]} for config in configs.values()
        ]
        secure(
            place,
            tls,
            [each["outgoing"] for each in by_label],
            [each["incoming"] for each in by_label],
        )
        pids = [place.start_linkerd(stack, *each) for each in configs.items()]
        return Route(f"http://{L5D}:{routers.OUTGOING}/", {"Host": "world"}, pids)

    return prepare


def _beside(tls: str) -> Callable[[Loopback, ExitStack], Route]:
    """The linkerd beside the caller, and the one beside the app."""

    def prepare(place: Loopback, stack: ExitStack) -> Route:
        pids = []
        for address in (HELLO, WORLD):
            outgoing, incoming = sidecars.outgoing(address), sidecars.incoming(address)
            secure(place, tls, [outgoing], [incoming])
            config = {
                "admin": {"ip": address, "port": sidecars.ADMIN},
                "telemetry": [{"kind": "io.l5d.prometheus"}],
                "routers": [outgoing, incoming],
            }
            pids.append(place.start_linkerd(stack, address, config))
        return Route(f"http://{HELLO}:{sidecars.OUTGOING}/", {"Host": "world"}, pids)

    return prepare


PATHS = (
    Path("direct", _direct),
    Path("one linkerd", _one),
    Path("daemonset", two(OFF)),
    Path("daemonset, server TLS", two(SERVER)),
    Path("daemonset, mutual TLS", two(MUTUAL)),
    Path("sidecars", _beside(OFF)),
    Path("sidecars, mutual TLS", _beside(MUTUAL)),
)
