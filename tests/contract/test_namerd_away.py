"""What linkerd does while namerd is away, and how soon it follows one that is back."""

import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import pytest

from mesh import routers
from tests.contract.namerd_api import NamerdApi, until
from tests.contract.pair import Mesh, outcomes
from tests.contract.stand_ins import APPS_NAMESPACE, StandIns, linkerd_config
from tests.contract.talk import Talker
from tests.harness.processes import Process

pytestmark = pytest.mark.stand_ins

DEFAULT_FIRST = 5.0
"""Seconds that linkerd by its own default waits before it asks a lost namerd again."""

SLOW = 10.0
"""Seconds that all else may take on a loaded machine: namerd's start, a write, a request."""


@dataclass
class Own:
    """A namerd that a test may end, and the outgoing router of a linkerd that follows it."""

    address: str
    namerd: Process
    router: Talker

    admin: Talker

    def restart(self, world: StandIns) -> float:
        """Kill namerd and start another one; when it was killed, by `time.monotonic`."""
        self.namerd.end()
        killed = time.monotonic()
        self.namerd = world.start_namerd(self.address)
        return killed

    def world(self) -> str:
        """Which version of world answers."""
        return self.router.get("/", {"Host": "world"}).text.split()[0]

    def shown(self, path: str = "/svc/world") -> str:
        """Which version linkerd's own page says that a name leads to."""
        page = self.admin.get("/outgoing/interpreter_state/io.l5d.namerd/internal.json").json
        value = page["bind"][path][""]["state"]["value"]
        return str(value["value"]["id"].rpartition("/")[2])


@pytest.fixture(params=[True])
def own(world: StandIns, request: pytest.FixtureRequest) -> Iterator[Own]:
    """With the program's config, or (False) without its `retry`: linkerd's default then."""
    address, node = world.address(), world.address()
    config = deepcopy(linkerd_config(node, address))
    if not request.param:
        for router in config["routers"]:
            del router["interpreter"]["retry"]
    namerd = world.start_namerd(address)
    process = world.start_linkerd(node, config=config)
    own = Own(address, namerd, world.talker(node, 4140), world.talker(node, 9990))
    yield own
    process.end()
    own.namerd.end()


def test_without_namerd_known_names_go_on_and_new_ones_wait(world: StandIns, own: Own) -> None:
    router = own.router
    assert router.get("/", {"Host": "hello"}).status == 200
    own.namerd.end()
    assert outcomes(router, {"Host": "hello"}, 500) == {"Hello": 500}

    began = time.monotonic()
    answer = router.get("/", {"Host": "world"})
    waited = time.monotonic() - began
    assert answer.status == 503
    assert waited > 5
    assert answer.text == (
        "exceeded 10.seconds to unspecified while dyn binding /svc/world. "
        "Remote Info: Not Available"
    )

    own.namerd = world.start_namerd(own.address)
    found = until(lambda: router.get("/", {"Host": "world"}), lambda answer: answer.status == 200)
    assert found.text.startswith("world (")


def test_what_changed_while_namerd_was_away_is_followed(
    world: StandIns, mesh: Mesh, own: Own, restored: str
) -> None:
    router = own.router
    assert router.get("/", {"Host": "world"}).text.startswith("world (")
    own.namerd.end()
    mesh.namerd.write("internal", f"{restored};/host/world=>/srv/world-v2")
    assert router.get("/", {"Host": "world"}).text.startswith("world (")
    own.namerd = world.start_namerd(own.address)
    changed = until(
        lambda: router.get("/", {"Host": "world"}).text, lambda text: text.startswith("worldv2")
    )
    assert changed.startswith("worldv2 (")


def test_after_four_losses_of_namerd_a_new_weight_is_followed_within_seconds(
    world: StandIns, mesh: Mesh, own: Own, restored: str
) -> None:
    """On the real ones, by linkerd's default: over four minutes after five; so: 1.0 s."""
    assert own.world() == "world"
    for number in range(4):
        own.restart(world)
        version, text = (("world-v2", "worldv2"), ("world-v1", "world"))[number % 2]
        mesh.namerd.write("internal", f"{restored};/host/world=>/srv/{version}")
        began = time.monotonic()
        assert until(own.world, lambda word: word == text, seconds=60) == text  # noqa: B023
        assert time.monotonic() - began < routers.RETRY["maxSeconds"] + SLOW
        assert own.shown() == version


@pytest.mark.parametrize("own", [False], indirect=True)
def test_by_its_default_linkerd_is_late_each_time(
    world: StandIns, mesh: Mesh, own: Own, restored: str
) -> None:
    """5 s at first, then up to 10, 20, 40, …, 600: the second time at random, so not measured."""
    assert own.world() == "world"
    killed = own.restart(world)
    mesh.namerd.write("internal", f"{restored};/host/world=>/srv/world-v2")
    assert until(own.world, lambda word: word == "worldv2", seconds=60) == "worldv2"
    assert time.monotonic() - killed >= DEFAULT_FIRST


def test_a_table_lost_with_an_in_memory_namerd_is_lost_to_linkerd(world: StandIns) -> None:
    """The last row of a restart: names lead nowhere then."""
    namerd_address, address = world.address(), world.address()
    memory = {"kind": "io.l5d.inMemory"}
    process = world.start_namerd(namerd_address, storage=memory)
    api = NamerdApi(world.talker(namerd_address, 4180))
    api.must("PUT", "internal", 204, f"/svc => /#/io.l5d.k8s/{APPS_NAMESPACE}/http")
    linkerd = world.start_linkerd(address, namerd_address)
    router = world.talker(address, 4140)
    assert router.get("/", {"Host": "world-v1"}).status == 200
    process.end()
    process = world.start_namerd(namerd_address, storage=memory)
    assert api.ask("GET", "internal").status == 404
    lost = until(lambda: router.get("/", {"Host": "world-v1"}), lambda answer: answer.status == 502)
    assert lost.status == 502
    linkerd.end()
    process.end()
