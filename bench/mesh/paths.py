"""The ways from a caller to the app `world`: by none, one or two linkerds, with and without TLS.

linkerds have the program's own config files, so that what is measured is what is deployed.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from bench.mesh.load import Route
from bench.mesh.loopback import APP_PORT, SERVICE, WORLD, Loopback
from mesh import routers
from mesh.routers import App, Routing
from mesh.tls import MUTUAL, OFF, SERVER, Way
from tests.contract.stand_ins import APPS_NAMESPACE, HELLO, L5D, MESH_NAMESPACE, OTHER_L5D


@dataclass(frozen=True)
class Path:
    """One way, and how its linkerds are started."""

    name: str
    prepare: Callable[[Loopback, ExitStack], Route]


def routing(tls: str) -> Routing:
    """What linkerds have in common by the config's defaults, and with a `meshTls`."""
    return Routing(MESH_NAMESPACE, way=Way.of(tls, permissive=False, secret=""))


def _direct(_place: Loopback, _stack: ExitStack) -> Route:
    return Route(f"http://{WORLD}:{APP_PORT}/")


def _one(place: Loopback, stack: ExitStack) -> Route:
    """The linkerd of the app's node, told the version as another linkerd tells it."""
    plain = routing(OFF)
    pid = place.start_linkerd(stack, OTHER_L5D, routers.node_config(plain))
    chosen = f"{routers.by_node(plain, 'incoming').prefix}{SERVICE}/world"
    url = f"http://{OTHER_L5D}:{routers.INCOMING}/"
    return Route(url, {routers.CHOSEN: chosen}, [pid])


def two(tls: str) -> Callable[[Loopback, ExitStack], Route]:
    """The linkerd of the caller's node, and that of the app's."""

    def prepare(place: Loopback, stack: ExitStack) -> Route:
        config = routers.node_config(routing(tls))
        pids = [place.start_linkerd(stack, address, config) for address in (L5D, OTHER_L5D)]
        return Route(f"http://{L5D}:{routers.OUTGOING}/", {"Host": "world"}, pids)

    return prepare


def beside(tls: str) -> Callable[[Loopback, ExitStack], Route]:
    """The linkerd beside the caller, and the one beside the app."""

    def prepare(place: Loopback, stack: ExitStack) -> Route:
        pids = []
        for address, name in ((HELLO, "hello"), (WORLD, "world")):
            app = App(APPS_NAMESPACE, name, APP_PORT)
            config = routers.sidecar_config(routing(tls), app)
            pids.append(place.start_linkerd(stack, address, config))
        return Route(f"http://{HELLO}:{routers.OUTGOING}/", {"Host": "world"}, pids)

    return prepare


PATHS = (
    Path("direct", _direct),
    Path("one linkerd", _one),
    Path("daemonset", two(OFF)),
    Path("daemonset, server TLS", two(SERVER)),
    Path("daemonset, mutual TLS", two(MUTUAL)),
    Path("sidecars", beside(OFF)),
    Path("sidecars, mutual TLS", beside(MUTUAL)),
)
