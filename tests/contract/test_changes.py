"""Requests go on while tables and pods change."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle, islice
from statistics import median

import pytest

from tests.contract.namerd_api import until
from tests.contract.pair import Mesh, outcomes
from tests.contract.stand_ins import StandIns
from tests.contract.talk import Talker
from tests.harness.processes import Process

pytestmark = pytest.mark.stand_ins

FLIPS = 20
REQUESTS = 10_000
CONNECTIONS = 8


class Load:
    """Requests on several connections until it is stopped; what they came to."""

    def __init__(self, talker: Talker, headers: Mapping[str, str]) -> None:
        self._talker = talker
        self._headers = headers
        self._stop = threading.Event()
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def run(self) -> None:
        while not self._stop.is_set():
            some = outcomes(self._talker, self._headers, 100)
            with self._lock:
                self.seen += some

    @property
    def total(self) -> int:
        with self._lock:
            return sum(self.seen.values())

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def load(talker: Talker, headers: Mapping[str, str]) -> Iterator[Load]:
    it = Load(talker, headers)
    with ThreadPoolExecutor(CONNECTIONS // 4) as pool:
        running = [pool.submit(it.run) for _ in range(CONNECTIONS // 4)]
        try:
            yield it
        finally:
            it.stop()
            for each in running:
                each.result()


def test_no_request_is_lost_while_all_traffic_flips(mesh: Mesh, restored: str) -> None:
    flips = islice(cycle(["/srv/world-v2", "/srv/world-v1"]), FLIPS)
    with load(mesh.linkerd, {"Host": "world"}) as it:
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


def test_no_request_is_lost_while_pods_are_replaced(
    world: StandIns, mesh: Mesh, incoming: Talker
) -> None:
    pods: list[tuple[str, Process]] = []

    def start() -> None:
        address = world.address()
        pods.append((address, world.start_pod(address, 7778, TARGET_WORLD="rolling")))

    def publish() -> None:
        world.endpoints("rolling", [address for address, _ in pods], 7778)

    for _ in range(2):
        start()
    publish()
    with load(incoming, mesh.chosen("rolling")) as it:
        for number in range(1, 5):
            start()
            publish()
            pods.pop(0)[1].end()  # before anybody is told, as when a pod is killed
            publish()
            until(lambda: it.total, lambda total: total >= number * 500, 300)  # noqa: B023
    retried = {word: times for word, times in it.seen.items() if word != "rolling"}
    # A request that the killed pod had begun is lost; no request may be sent to where it was.
    assert sum(retried.values()) <= CONNECTIONS * 4, it.seen
