"""linkerds beside each app, by configurations that were run on the real one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mesh import namerd
from mesh.linkerd import WINDOW_FLAG
from mesh.routers import CHOSEN
from tests.contract import stand_ins
from tests.contract.stand_ins import StandIns
from tests.contract.talk import Talker
from tests.contract.test_metrics import Metrics, metrics_of
from tests.harness.processes import Process

OUTGOING, INCOMING, EXTERNAL, ADMIN = 4140, 4141, 4142, 9990

TO_PORT: Mapping[str, Any] = {"kind": "io.l5d.port", "port": INCOMING}


def router(
    label: str, table: str, transformer: Mapping[str, Any], *servers: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """A router that binds names by a table of namerd's."""
    return {
        "protocol": "http",
        "label": label,
        "interpreter": {
            "kind": "io.l5d.namerd",
            "dst": f"/$/inet/{stand_ins.NAMERD}/{namerd.PORTS['thrift']}",
            "namespace": table,
            "transformers": [dict(transformer)],
        },
        "servers": [dict(server) for server in servers],
        **more,
    }


def outgoing(address: str, **more: Any) -> dict[str, Any]:
    """Takes the requests of its own app.

    In a pod it listens on 127.0.0.1. Here all apps share one loopback, so each has an address.
    """
    classified = {"responseClassifier": {"kind": "io.l5d.http.retryableRead5XX"}}
    service = {**classified, **more.pop("service", {})}
    server = {"ip": address, "port": OUTGOING}
    return router("outgoing", "internal", TO_PORT, server, service=service, **more)


def incoming(address: str, *servers: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Takes the requests for its own app; by default on one plain server."""
    return router(
        "incoming",
        "internal",
        {"kind": "io.l5d.localhost"},
        *(servers or [{"ip": address, "port": INCOMING}]),
        identifier={"kind": "io.l5d.header", "header": CHOSEN},
        dtab=f"/svc/%/io.l5d.port/{INCOMING} => / ;",
        **more,
    )


def external(address: str, **more: Any) -> dict[str, Any]:
    """Takes the requests from outside."""
    server = {"ip": address, "port": EXTERNAL, "clearContext": True}
    return router("external", "external", TO_PORT, server, **more)


@dataclass(frozen=True)
class Sidecar:
    """A running linkerd."""

    world: StandIns
    address: str
    process: Process

    def talker(self, port: int) -> Talker:
        return self.world.talker(self.address, port)

    def ask(self, host: str, dtab: str = "") -> Any:
        """A request as its own app sends one."""
        override = {"l5d-dtab": dtab} if dtab else {}
        return self.talker(OUTGOING).get("/", {"Host": host, **override})

    def metrics(self) -> Metrics:
        return metrics_of(self.talker(ADMIN))

    @property
    def log(self) -> str:
        return self.process.log.read_text()


def start(world: StandIns, address: str, *routers: Mapping[str, Any]) -> Sidecar:
    """Start a linkerd with some routers in the pod of an address."""
    config = {
        "admin": {"ip": address, "port": ADMIN},
        "telemetry": [{"kind": "io.l5d.prometheus"}],
        "routers": list(routers),
    }
    process = world.start("linkerd", WINDOW_FLAG, world.config(config), hostname=address)
    return Sidecar(world, address, process)
