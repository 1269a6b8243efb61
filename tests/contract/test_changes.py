"""Requests go on while tables, pods and namerd itself change."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median

import pytest

from tests.contract.namerd_api import NamerdApi, until
from tests.contract.pair import Mesh, outcomes
from tests.contract.stand_ins import APPS_NAMESPACE, StandIns
from tests.contract.talk import Talker
from tests.harness.processes import Process

pytestmark = pytest.mark.stand_ins

FLIPS = 20
REQUESTS = 10_000
CONNECTIONS = 8


class Load:
    """Requests on several connections until it is stopped; what they came to."""

    def __init__(self, talker: Talker, host: str) -> None:
        self._talker = talker
        self._host = host
        self._stop = threading.Event()
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def run(self) -> None:
        while not self._stop.is_set():
            some = outcomes(self._talker, {"Host": self._host}, 100)
            with self._lock:
                self.seen += some

    @property
    def total(self) -> int:
        with self._lock:
            return sum(self.seen.values())

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def load(talker: Talker, host: str) -> Iterator[Load]:
    it = Load(talker, host)
    with ThreadPoolExecutor(CONNECTIONS // 4) as pool:
        running = [pool.submit(it.run) for _ in range(CONNECTIONS // 4)]
        try:
            yield it
        finally:
            it.stop()
            for each in running:
                each.result()


@pytest.fixture
def restored(mesh: Mesh) -> Iterator[str]:
    """The table `internal`, put back after the test."""
    before = mesh.namerd.read("internal")
    yield before
    mesh.namerd.write("internal", before)


def test_no_request_is_lost_while_all_traffic_flips(mesh: Mesh, restored: str) -> None:
    flips = islice(cycle(["/srv/world-v2", "/srv/world-v1"]), FLIPS)
    with load(mesh.linkerd, "world") as it:
        for number, destination in enumerate(flips, 1):
            mesh.namerd.must("PUT", "internal", 204, f"{restored};/host/world=>{destination}")
            until(lambda: it.total, lambda total: total >= number * REQUESTS // FLIPS, 300)  # noqa: B023
    assert it.total >= REQUESTS
    assert set(it.seen) == {"world", "worldv2"}


def test_a_write_shows_in_the_next_answers(mesh: Mesh, restored: str) -> None:
    """31 ms after the PUT began on the real ones (median), 99 ms at worst; here within 5 s.

    The median is what is held to that: a machine that stands still for seconds fails no test.
    """
    delays = []
    with mesh.linkerd.keep() as conversation:
        for destination, text in (("world-v2", "worldv2"), ("world-v1", "world")) * 3:
            began = time.monotonic()
            mesh.namerd.must("PUT", "internal", 204, f"{restored};/host/world=>/srv/{destination}")
            answer = until(
                lambda: conversation.ask("GET", "/", {"Host": "world"}).text.split()[0],
                lambda word: word == text,  # noqa: B023
                pause=0,
            )
            delays.append(time.monotonic() - began)
            assert answer == text
    assert median(delays) < 5, delays


def test_no_request_is_lost_while_pods_are_replaced(world: StandIns, incoming: Talker) -> None:
    pods: list[tuple[str, Process]] = []

    def start() -> None:
        address = world.address()
        pods.append((address, world.start_pod(address, 7778, TARGET_WORLD="rolling")))

    def publish() -> None:
        world.endpoints("rolling", [address for address, _ in pods], 7778)

    for _ in range(2):
        start()
    publish()
    with load(incoming, "rolling") as it:
        for number in range(1, 5):
            start()
            publish()
            pods.pop(0)[1].end()  # before anybody is told, as when a pod is killed
            publish()
            until(lambda: it.total, lambda total: total >= number * 500, 300)  # noqa: B023
    retried = {word: times for word, times in it.seen.items() if word != "rolling"}
    # A request that the killed pod had begun is lost; no request may be sent to where it was.
    assert sum(retried.values()) <= CONNECTIONS * 4, it.seen


# namerd comes and goes


@dataclass
class Own:
    """A namerd that a test may end, and the incoming router of a linkerd that follows it."""

    address: str
    namerd: Process
    router: Talker


@pytest.fixture
def own(world: StandIns) -> Iterator[Own]:
    address, node = world.address(), world.address()
    namerd = world.start_namerd(address)
    linkerd = world.start_linkerd(node, address)
    yield Own(address, namerd, world.talker(node, 4141))
    linkerd.end()
    namerd.end()


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


def test_a_table_lost_with_an_in_memory_namerd_is_lost_to_linkerd(world: StandIns) -> None:
    """The last row of a restart: names lead nowhere then."""
    namerd_address, address = world.address(), world.address()
    memory = {"kind": "io.l5d.inMemory"}
    process = world.start_namerd(namerd_address, storage=memory)
    api = NamerdApi(world.talker(namerd_address, 4180))
    api.must("PUT", "internal", 204, f"/svc => /#/io.l5d.k8s/{APPS_NAMESPACE}/http")
    linkerd = world.start_linkerd(address, namerd_address)
    router = world.talker(address, 4141)
    assert router.get("/", {"Host": "world-v1"}).status == 200
    process.end()
    process = world.start_namerd(namerd_address, storage=memory)
    assert api.ask("GET", "internal").status == 404
    lost = until(lambda: router.get("/", {"Host": "world-v1"}), lambda answer: answer.status == 502)
    assert lost.status == 502
    linkerd.end()
    process.end()
