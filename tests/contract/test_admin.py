"""The admin ports: delegation without a write, what a linkerd follows, and what can be closed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mesh import namerd, routers
from tests.contract import stand_ins
from tests.contract.namerd_api import NamerdApi, until
from tests.contract.pair import Mesh
from tests.contract.stand_ins import StandIns, linkerd_config
from tests.contract.talk import Answer, Talker
from tests.contract.test_names import leaf_of, table
from tests.harness.processes import Process

pytestmark = pytest.mark.stand_ins

STATE = "/outgoing/interpreter_state/io.l5d.namerd/internal.json"
BOTH = "/host/world => 30 * /srv/world-v2 & 70 * /srv/world-v1"


# namerd's delegator


@pytest.fixture(scope="module")
def admin(world: StandIns) -> Talker:
    """namerd's admin port."""
    return world.talker(stand_ins.NAMERD, namerd.ADMIN_PORT)


def delegated(admin: Talker, path: str, dtab: str, namespace: str = "any") -> Answer:
    return admin.get("/dtab/delegator.json", None, namespace=namespace, path=path, dtab=dtab)


def test_the_admin_port_delegates_by_the_table_given_alone(admin: Talker, mesh: Mesh) -> None:
    given = table(mesh, "30 * /srv/world-v2 & 70 * /srv/no-such-service")
    for namespace in ("internal", "no-such-namespace"):
        answer = delegated(admin, "/svc/world", given, namespace)
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        union, _ = answer.json["delegate"]["alt"]
        ends = [leaf_of(branch["tree"]) for branch in union["union"]]
        assert [branch["weight"] for branch in union["union"]] == [30, 70]
        assert [end["type"] for end in ends] == ["leaf", "neg"]
        assert len(ends[0]["bound"]["addr"]["addrs"]) == len(stand_ins.WORLD_V2)
    assert delegated(admin, "/svc/world", "", "internal").json["type"] == "neg"


def test_the_admin_port_says_the_same_as_the_api(admin: Talker, mesh: Mesh) -> None:
    given = table(mesh, "/srv/world-v2")
    of_api = mesh.namerd.delegate("no-such-namespace", "/svc/world", dtab=given)
    assert delegated(admin, "/svc/world", given).json == of_api.json


@pytest.mark.parametrize(
    ("path", "dtab", "said"),
    [("/svc/world", "/a = /b", "Invalid dtab: "), ("svc", "/a => /b", "Invalid path: ")],
)
def test_the_delegator_refuses_what_it_cannot_parse(
    admin: Talker, path: str, dtab: str, said: str
) -> None:
    answer = delegated(admin, path, dtab)
    assert answer.status == 400
    assert answer.text.startswith(said)


# What a linkerd follows


@dataclass(frozen=True)
class Fresh:
    """A linkerd that nobody has asked for anything yet."""

    router: Talker
    admin: Talker

    def state(self) -> Any:
        answer = self.admin.get(STATE)
        assert answer.status == 200
        return answer.json


@pytest.fixture
def fresh(world: StandIns) -> Iterator[Fresh]:
    address = world.address()
    process = world.start_linkerd(address)
    yield Fresh(world.talker(address, routers.OUTGOING), world.talker(address, routers.ADMIN))
    process.end()


def test_a_linkerd_that_has_bound_nothing_follows_nothing(fresh: Fresh) -> None:
    assert fresh.state() == {}
    assert fresh.admin.get(STATE.replace("internal", "other")).status == 404


def test_a_linkerd_shows_the_split_that_it_routes_by(fresh: Fresh, mesh: Mesh) -> None:
    base = f"/#/io.l5d.k8s/{mesh.apps}/http"
    fresh.router.get("/", {"Host": "world"})
    fresh.router.get("/", {"Host": "world", "l5d-dtab": BOTH})
    names = fresh.state()["bind"]["/svc/world"]
    plain, overridden = names[""], names["/host/world=>30.00*/srv/world-v2 & 70.00*/srv/world-v1"]
    assert plain["state"]["running"] is True
    assert plain["state"]["value"] == {"value": {"id": f"{base}/world-v1", "path": "/"}}
    assert plain["poll"]["request"]["name"] == "/svc/world"
    branches = overridden["state"]["value"]["trees"]
    assert [(each["weight"], each["tree"]["value"]["id"]) for each in branches] == [
        (30.0, f"{base}/world-v2"),
        (70.0, f"{base}/world-v1"),
    ]
    endpoints = fresh.state()["addr"][f"{base}/world-v1"]["state"]["value"]["addrs"]
    assert {each["addr"] for each in endpoints} == {f"{ip}:7778" for ip in stand_ins.WORLD_V1}


def test_a_linkerd_shows_a_new_table_once_it_routes_by_it(
    fresh: Fresh, mesh: Mesh, restored: str
) -> None:
    fresh.router.get("/", {"Host": "world"})
    mesh.namerd.write("internal", f"{restored};/host/world=>/srv/world-v2")

    def bound() -> str:
        value = fresh.state()["bind"]["/svc/world"][""]["state"]["value"]
        return str(value["value"]["id"]).rpartition("/")[2]

    assert until(bound, lambda version: version == "world-v2") == "world-v2"
    assert fresh.router.get("/", {"Host": "world"}).text.startswith("worldv2 ")


def test_a_branch_without_endpoints_is_left_out_of_what_is_shown(fresh: Fresh, mesh: Mesh) -> None:
    split = "/host/world => 30 * /srv/no-such-service & 70 * /srv/world-v1"
    fresh.router.get("/", {"Host": "world", "l5d-dtab": split})
    (shown,) = fresh.state()["bind"]["/svc/world"].values()
    id_ = f"/#/io.l5d.k8s/{mesh.apps}/http/world-v1"
    assert shown["state"]["value"] == {"value": {"id": id_, "path": "/"}}


# What can be closed


def start(world: StandIns, program: str, address: str, control: bool) -> tuple[Process, Talker]:
    """A program by the project's config; with `control`, its admin port may end it."""
    if program == "namerd":
        config = namerd.config(stand_ins.MESH_NAMESPACE)
        for each in (config["admin"], *config["interfaces"]):
            each["ip"] = address
        port = namerd.ADMIN_PORT
    else:
        config, port = linkerd_config(address), routers.ADMIN
    if control:
        del config["admin"]["security"]
    process = world.start(program, world.config(config), env={"POD_IP": address})
    return process, world.talker(address, port)


PAGES = {
    "namerd": ("/admin/ping", "/dtab/delegator.json?path=%2Fa"),
    "linkerd": ("/admin/ping", "/admin/metrics.json", STATE),
}


@pytest.mark.parametrize("program", ["namerd", "linkerd"])
def test_whoever_reaches_the_admin_port_may_end_the_program(world: StandIns, program: str) -> None:
    process, admin = start(world, program, world.address(), control=True)
    assert admin.get("/admin/shutdown").status != 200
    assert admin.ask("POST", "/admin/shutdown").status == 200
    assert until(lambda: process.running, lambda running: not running) is False


@pytest.mark.parametrize("program", ["namerd", "linkerd"])
def test_without_control_the_admin_port_still_tells(world: StandIns, program: str) -> None:
    process, admin = start(world, program, world.address(), control=False)
    for path in ("/admin/shutdown", "/logging.json"):
        assert admin.ask("POST", path).status == 404
    for page in PAGES[program]:
        path, _, query = page.partition("?path=%2F")
        assert admin.get(path, None, **({"path": f"/{query}"} if query else {})).status == 200
    assert process.running
    process.end()


def test_a_control_port_on_loopback_is_closed_to_other_pods(world: StandIns, mesh: Mesh) -> None:
    """Routing, delegation and the tables' objects go on without it."""
    address, node = world.address(), world.address()
    config = namerd.config(stand_ins.MESH_NAMESPACE)
    port = world.port()
    for each in (config["admin"], *config["interfaces"]):
        each["ip"] = address
        if each.get("kind") == "io.l5d.httpController":
            each.update(ip="127.0.0.1", port=port)
    process = world.start("namerd", world.config(config))
    with pytest.raises(ConnectionRefusedError):
        world.talker(address, port).get("/api/1/dtabs")
    assert NamerdApi(world.talker("127.0.0.1", port)).read("internal") == mesh.namerd.read(
        "internal"
    )
    follower = world.start_linkerd(node, address)
    assert world.talker(node, routers.OUTGOING).get("/", {"Host": "world"}).status == 200
    inside = world.talker(address, namerd.ADMIN_PORT)
    assert delegated(inside, "/svc/world", table(mesh, "/srv/world-v1")).status == 200
    follower.end()
    process.end()
