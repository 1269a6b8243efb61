"""Versions that hang or refuse, as each router counts them."""

import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.contract import stand_ins, trouble
from tests.contract.namerd_api import until
from tests.contract.pair import Mesh, outcomes
from tests.contract.stand_ins import StandIns
from tests.contract.talk import Talker
from tests.contract.test_metrics import added, metrics

pytestmark = pytest.mark.stand_ins


def labels(mesh: Mesh, router: str, version: str, host: str = "world") -> str:
    """Of a router's way to a version."""
    outgoing = mesh.client(version)
    if router == "outgoing":
        return f'{{rt="outgoing", client="{outgoing}", service="svc/{host}"}}'
    local = f"%/io.l5d.k8s.localnode/{stand_ins.L5D}/#/io.l5d.k8s/{mesh.apps}/http/{version}"
    return f'{{rt="incoming", client="{local}", service="svc/{outgoing}"}}'


@pytest.fixture
def hanging(world: StandIns) -> Iterator[str]:
    """A version that takes requests and never answers."""
    address = world.address()
    listener = world.network.run(lambda: socket.create_server((address, 7778)))
    world.endpoints("hanging", [address], 7778)
    with listener:
        yield "hanging"


@pytest.fixture
def asked(mesh: Mesh, hanging: str) -> Iterator[HTTPConnection]:
    """A request that waits for it."""
    connection = mesh.linkerd.connection(60)
    headers = {"Host": "world", "l5d-dtab": f"/host/world => /srv/{hanging}"}
    connection.request("GET", "/", headers=headers)
    yield connection
    connection.close()


def test_a_request_that_waits_is_pending_and_not_counted(
    mesh: Mesh, hanging: str, asked: HTTPConnection
) -> None:
    names = {
        router: f"rt:client:service:pending{labels(mesh, router, hanging)}"
        for router in ("outgoing", "incoming")
    }
    found = until(lambda: metrics(mesh), lambda found: found.get(names["incoming"]) == 1)
    for router, name in names.items():
        assert found[name] == 1, router
        assert found[name.replace("pending", "requests")] == 0, router


def test_a_request_that_its_caller_gives_up_is_a_failure_on_both_ways(
    mesh: Mesh, hanging: str, asked: HTTPConnection
) -> None:
    names = [
        f"rt:client:service:failures{labels(mesh, router, hanging)}"
        for router in ("outgoing", "incoming")
    ]
    pending = f"rt:client:service:pending{labels(mesh, 'incoming', hanging)}"
    before = until(lambda: metrics(mesh), lambda found: found.get(pending, 0) == 1)
    asked.close()
    after = until(
        lambda: metrics(mesh),
        lambda found: all(added(before, found, name) == 1 for name in names),
    )
    assert [added(before, after, name) for name in names] == [1, 1]
    assert after[pending] == 0


def test_refused_connections_are_no_requests_of_the_router_that_was_refused(
    world: StandIns, mesh: Mesh, incoming: Talker
) -> None:
    """The router before it counts them: it got a 502."""
    world.endpoints("refusing", [f"{stand_ins.NODE}.97"], 7778)
    before = metrics(mesh)
    split = "/host/world => 20 * /srv/refusing & 80 * /srv/world-v1"
    assert mesh.outcomes(split, 80) == {"world": 80}
    after = metrics(mesh)
    drawn = added(
        before, after, f"rt:client:service:requests{labels(mesh, 'outgoing', 'refusing')}"
    )
    failed = added(
        before, after, f"rt:client:service:failures{labels(mesh, 'outgoing', 'refusing')}"
    )
    assert drawn == failed > 0
    way = labels(mesh, "incoming", "refusing")
    assert added(before, after, f"rt:client:service:requests{way}") == 0
    client, _, _ = way.partition(", service=")
    refused = added(before, after, f"rt:client:service_creation:failures{client}}}")
    assert refused >= drawn
    service = f'{{rt="incoming", service="svc/{mesh.client("refusing")}"}}'
    assert added(before, after, f"rt:service:failures{service}") == drawn
    assert outcomes(incoming, mesh.chosen("refusing"), 5) == {"502": 5}


@pytest.mark.parametrize("said", [b"", trouble.BROKEN_OFF], ids=["before", "in mid-answer"])
def test_a_connection_that_is_reset_is_a_failure_on_both_ways(
    world: StandIns, mesh: Mesh, said: bytes
) -> None:
    """In the middle of a short answer, too: linkerd has not begun to pass it on."""
    address = world.address()
    world.endpoints("resetting", [address], 7778)
    before = metrics(mesh)
    with trouble.pod(world.network, address, said):
        split = "/host/world => 30 * /srv/resetting & 70 * /srv/world-v1"
        assert mesh.outcomes(split, 60) == {"world": 60}
    after = metrics(mesh)
    counted = {
        (router, what): added(
            before, after, f"rt:client:service:{what}{labels(mesh, router, 'resetting')}"
        )
        for router in ("outgoing", "incoming")
        for what in ("requests", "failures")
    }
    assert len(set(counted.values())) == 1, counted
    assert counted["outgoing", "requests"] > 0


def test_a_part_of_the_metrics_is_given_as_a_tree(mesh: Mesh) -> None:
    mesh.outcomes("/host/world => /srv/world-v1", 3)
    tree = mesh.admin.get("/admin/metrics.json", None, tree="true", q="rt/outgoing/client").json
    world = tree[mesh.client("world-v1")]["service"]["svc/world"]
    assert world["requests"]["counter"] >= 3
    flat = mesh.admin.get("/admin/metrics.json", None, q="rt/outgoing/client").json
    key = f"{mesh.client('world-v1')}/service/svc/world/requests"
    assert flat[key] == world["requests"]["counter"]
