"""linkerd's config files: its routers, and how a request passes from one linkerd to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh import dns, kubectl_proxy, namerd
from mesh.tls import AUTHORITIES, CERTIFICATE, COMMON_NAME, FOLDER, KEY, MUTUAL, PLAIN, Way

OUTGOING, INCOMING, EXTERNAL, INCOMING_TLS, ADMIN = 4140, 4141, 4142, 4143, 9990
_TO_LINKERDS: Mapping[str, int] = {"incoming": INCOMING, "incoming-tls": INCOMING_TLS}
"""The ports by name at which one linkerd takes requests of another, plain and by TLS."""

PEERS = "l5d"
"""The service by which the linkerds of the nodes find one another."""

CHOSEN = "l5d-dst-client"
"""The header in which a linkerd tells the next one which version it has drawn. It overwrites what a
caller put there."""

RETRY: Mapping[str, int] = {"baseSeconds": 1, "maxSeconds": 5}
"""How long linkerd waits before it asks a namerd again that it has lost. By default the waits grow
from 5 s to 10 min and answers do not reset them, so a new weight could be minutes late."""

IDLE_TTL_SECONDS = 3600
"""How long a name that no request asks for stays bound, and its counters with it. By default 10
min, and a version that was at weight 0 counts from 0 when its weight comes back."""

MAX_WAITERS = 2000
"""Requests that wait for a connection to one endpoint before further ones are refused."""

EVERY_ADDRESS, LOOPBACK = "0.0.0.0", "127.0.0.1"


@dataclass(frozen=True)
class Routing:
    """What the config files of all linkerds of a mesh have in common."""

    namespace: str
    """The mesh's."""
    total_timeout_ms: int = 10_000
    """How long a request of an app may take, with its retries; 0 for as long as it likes."""
    max_connections: int = 16
    """The most connections that a linkerd has to one endpoint of one version. Without a bound each
    waiting request opens its own: after a restart the TLS handshakes alone kept a linkerd down."""
    way: Way = PLAIN
    """What linkerds send to one another and take."""
    cluster_domain: str = dns.CLUSTER_DOMAIN
    """Of the cluster's DNS, by which linkerds find namerd."""


@dataclass(frozen=True)
class App:
    """What a sidecar is beside."""

    namespace: str
    name: str
    """Of its service."""
    port: int


@dataclass(frozen=True)
class Hop:
    """How the linkerd that has drawn a version passes a request to the linkerd beside its pods."""

    sender: Mapping[str, Any]
    """The transformer that puts that linkerd's address in place of the pod's."""
    prefix: str
    """What the sender's transformer writes in front of the name that it has bound."""


def node_ports(way: Way) -> dict[str, int]:
    """The ports by name of a node's linkerd that goes this way."""
    return {"outgoing": OUTGOING, **incoming_ports(way), "external": EXTERNAL, "admin": ADMIN}


def incoming_ports(way: Way) -> dict[str, int]:
    """Those at which it takes requests of other linkerds."""
    is_open = {"incoming": way.takes_plain, "incoming-tls": way.takes_tls}
    return {name: port for name, port in _TO_LINKERDS.items() if is_open[name]}


def by_node(routing: Routing, port: str) -> Hop:
    """To the linkerd of the pod's node, at a port by its name."""
    return Hop(
        sender={
            "kind": "io.l5d.k8s.daemonset",
            "namespace": routing.namespace,
            "port": port,
            "service": PEERS,
            "k8sHost": "localhost",
            "k8sPort": kubectl_proxy.PORT,
        },
        prefix=f"/%/io.l5d.k8s.daemonset/{routing.namespace}/{port}/{PEERS}",
    )


def by_sidecar(port: str) -> Hop:
    """To the linkerd in the pod itself, at a port by its name."""
    number = _TO_LINKERDS[port]
    return Hop(
        sender={"kind": "io.l5d.port", "port": number},
        prefix=f"/%/io.l5d.port/{number}",
    )


def node_config(routing: Routing) -> dict[str, Any]:
    """The config file of the linkerd on a node.

    An app's request enters the linkerd of its own node at `outgoing`. That draws a version by the
    weights and passes the request to the linkerd of a node where the version has pods. There it
    enters at `incoming`, which draws nothing but follows `outgoing`'s choice (decision 10), and
    reaches a pod. Requests from outside the cluster enter at `external`, and go on as those do.
    """
    hop = by_node(routing, _sent_to(routing.way))
    return _config(
        [
            outgoing(routing, hop, EVERY_ADDRESS),
            _incoming_on_node(routing),
            external(routing, hop),
        ]
    )


def sidecar_config(routing: Routing, app: App) -> dict[str, Any]:
    """The config file of the linkerd beside an app.

    The app's requests enter at `outgoing`, where its own pod alone can reach it. Others enter at
    `incoming`, and reach the app.
    """
    hop = by_sidecar(_sent_to(routing.way))
    return _config([outgoing(routing, hop, LOOPBACK), _incoming_beside(routing, app)])


def edge_config(routing: Routing) -> dict[str, Any]:
    """The config file of the linkerds where requests from outside enter, with sidecars."""
    return _config([external(routing, by_sidecar(_sent_to(routing.way)))])


def outgoing(routing: Routing, hop: Hop, ip: str) -> dict[str, Any]:
    """The router that takes apps' requests, at an address, and draws a version for each."""
    classifier = {"kind": "io.l5d.http.retryableRead5XX"}
    return {
        **_router("outgoing", routing, "internal", hop.sender),
        "servers": [{"ip": ip, "port": OUTGOING}],
        "client": _client(routing),
        "service": {"responseClassifier": classifier, **_limit(routing.total_timeout_ms)},
    }


def _incoming_on_node(routing: Routing) -> dict[str, Any]:
    """The router of a node's linkerd that takes what senders have drawn."""
    hops = [by_node(routing, port) for port in incoming_ports(routing.way)]
    # The header holds the name that the sender has bound, behind its transformer's prefix.
    dtab = [f"/svc{hop.prefix} => / ;" for hop in hops]
    return _incoming(routing, dtab, {"kind": "io.l5d.k8s.localnode"})


def _incoming_beside(routing: Routing, app: App) -> dict[str, Any]:
    """The router of a sidecar that takes what senders have drawn.

    It does not look for its own pod among the endpoints (`io.l5d.localhost`): they lose a pod that
    is to go, and the sidecar may hear of that before those who still send to it.
    """
    name = f"/#/io.l5d.k8s/{app.namespace}/http/{app.name}"
    to_app = f"/$/inet/{LOOPBACK}/{app.port}"
    hops = map(by_sidecar, incoming_ports(routing.way))
    # What is for another app is refused: its pod may have had this one's address a moment ago.
    dtab = [f"/svc{hop.prefix}{name} => {to_app} ;" for hop in hops]
    # And nothing else is reached by an `l5d-dtab` that comes along.
    return _incoming(routing, dtab, {"kind": "io.l5d.replace", "path": to_app})


def _incoming(
    routing: Routing, dtab: Sequence[str], transformer: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        **_router("incoming", routing, "internal", transformer),
        "servers": _incoming_servers(routing.way),
        "identifier": {"kind": "io.l5d.header", "header": CHOSEN},
        # Without the first entry, a name that is none of these, or is bound to nothing any more,
        # would be looked up in namerd's table.
        "dtab": " ".join(["/svc => ! ;", *dtab]),
    }


def _sent_to(way: Way) -> str:
    return "incoming-tls" if way.sends_tls else "incoming"


def _incoming_servers(way: Way) -> list[dict[str, Any]]:
    servers: list[dict[str, Any]] = []
    for name, port in incoming_ports(way).items():
        encrypted = {"tls": _server_tls(way)} if name == "incoming-tls" else {}
        servers.append({"ip": EVERY_ADDRESS, "port": port, **encrypted})
    return servers


def external(routing: Routing, hop: Hop) -> dict[str, Any]:
    """The router that takes requests from outside."""
    return {
        **_router("external", routing, "external", hop.sender),
        # At the edge nobody may choose his own route: this drops `l5d-dtab` and its kin.
        "servers": [{"ip": EVERY_ADDRESS, "port": EXTERNAL, "clearContext": True}],
        "client": _client(routing),
        # Longer than the one call of another service that an answer may wait for. Without a limit
        # an entry service that hangs would keep all connections to it, and every visitor waiting.
        "service": _limit(2 * routing.total_timeout_ms),
    }


def _limit(milliseconds: int) -> dict[str, int]:
    return {"totalTimeoutMs": milliseconds} if milliseconds else {}


def _router(
    label: str, routing: Routing, table: str, transformer: Mapping[str, Any]
) -> dict[str, Any]:
    host = dns.service("namerd", routing.namespace, routing.cluster_domain)
    return {
        "protocol": "http",
        "label": label,
        "interpreter": {
            "kind": "io.l5d.namerd",
            "dst": f"/$/inet/{host}/{namerd.PORTS['thrift']}",
            "namespace": table,
            "retry": dict(RETRY),
            "transformers": [dict(transformer)],
        },
        "bindingCache": {"idleTtlSecs": IDLE_TTL_SECONDS},
    }


def _client(routing: Routing) -> dict[str, Any]:
    pool = {"maxSize": routing.max_connections, "maxWaiters": MAX_WAITERS}
    encrypted = {"tls": _client_tls(routing.way)} if routing.way.sends_tls else {}
    return {"hostConnectionPool": pool, **encrypted}


def _client_tls(way: Way) -> dict[str, Any]:
    """What a linkerd wants of the one that it sends to, and what it shows of itself."""
    found: dict[str, Any] = {"commonName": COMMON_NAME, "trustCertsBundle": _path(AUTHORITIES)}
    if way.mode == MUTUAL:
        found["clientAuth"] = _pair()
    return found


def _server_tls(way: Way) -> dict[str, Any]:
    found: dict[str, Any] = _pair()
    if way.asks_for_certificates:
        # It checks the authority and not the name: any certificate of it is let in.
        found |= {"requireClientAuth": True, "caCertPath": _path(AUTHORITIES)}
    return found


def _pair() -> dict[str, Any]:
    return {"certPath": _path(CERTIFICATE), "keyPath": _path(KEY)}


def _path(file: str) -> str:
    return f"{FOLDER}/{file}"


def _config(routers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        # Without control nobody can end it, or change its log, by the admin port.
        "admin": {"ip": EVERY_ADDRESS, "port": ADMIN, "security": {"controlEnabled": False}},
        "usage": {"enabled": False},
        "telemetry": [
            {"kind": "io.l5d.prometheus"},
            {"kind": "io.l5d.recentRequests", "sampleRate": 0.25},
        ],
        "routers": list(routers),
    }
