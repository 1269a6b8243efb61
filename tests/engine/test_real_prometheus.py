"""The same traffic read off linkerds and off a real Prometheus that scrapes them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from canary.analysis.analysis import Analysis
from canary.analysis.differences import Differences, Look, Reason
from canary.analysis.limits import Limits
from canary.analysis.strata import Counts, Stratum
from canary.analysis.verdict import Kind
from canary.counters import prometheus, reading
from canary.counters.page import Expression
from canary.counters.reading import Seen
from dynamic.inputs import Linkerds
from kube.api import Api
from kube.connection import to_cluster
from tests.harness import counters
from tests.harness.apiserver import ApiServer
from tests.harness.counters import DAEMONSET, WORLD, steady, version
from tests.harness.linkerds import StandInLinkerds, stand_in_linkerds
from tests.harness.real_prometheus import RealPrometheus, Scraped, real_prometheus
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.long

MESH = "prometheus-mesh"
V1, V2 = f"/{WORLD}-v1", f"/{WORLD}-v2"
SERVICE = "prometheus-mesh/prometheus:web"
PODS = ("l5d-0", "l5d-1")
NODES = ("node-0", "node-1")


@dataclass
class Traffic:
    """What one linkerd has counted."""

    v1: int = 1000
    v2: int = 100
    failed: int = 0
    started: float = 1_764_143_000_000.0

    def page(self) -> str:
        """With requests by two spellings, and of other services, which do not count."""
        client = f"{DAEMONSET}{WORLD}"
        window = {**steady(3), "0.99": 12, "1": 20}
        return counters.page(
            version(f"{client}-v1", self.v1 - 10, 2, refused=1),
            version(f"{client}-v1", 10, service="svc/world:7778"),
            version(f"{client}-v2", self.v2, self.failed or None, window=window, window_count=50),
            version(f"{client}-v2", 77, 7, service=r"svc/a\"b\\c"),
            started=self.started,
        )


@dataclass
class World:
    """Two linkerds, an API server and a Prometheus."""

    api: Api
    linkerds: StandInLinkerds
    prometheus: RealPrometheus
    traffic: dict[str, Traffic] = field(default_factory=dict)

    def scrape(self, *pods: str, **labels: str) -> None:
        targets = []
        for pod in pods:
            given = labels or {"kubernetes_pod": "{pod}"}
            shown = {name: value.format(pod=pod) for name, value in given.items()}
            targets.append(Scraped(*self.linkerds.scraped(pod), shown))
        self.prometheus.scrape(*targets)
        if pods:
            self.prometheus.wait_for_scrapes(len(pods))

    @property
    def asked(self) -> tuple[Api, list[Linkerds], Expression]:
        expression = Expression(
            ("outgoing",), (V1, V2), lambda _, name: name in ("svc/world", "svc/world:7778")
        )
        return self.api, [Linkerds(**self.linkerds.inputs)], expression

    def directly(self) -> Seen:
        return reading.read(*self.asked)

    def by_prometheus(self, address: str = SERVICE) -> Seen:
        return prometheus.read(*self.asked, address)


@pytest.fixture(scope="module")
def shared(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    api_server.kubectl("create", "namespace", MESH)
    with (
        stand_in_linkerds(api_server, MESH) as linkerds,
        real_prometheus(tmp_path_factory.mktemp("prometheus")) as found,
        to_cluster(str(api_server.kubeconfig)) as connection,
    ):
        linkerds.start(len(PODS))
        api_server.expose(MESH, "prometheus", {"web": found.port})
        yield World(Api(connection), linkerds, found)


@pytest.fixture
def world(shared: World) -> World:
    """Scraped, with fresh counters."""
    shared.traffic = {pod: Traffic() for pod in PODS}
    for pod, traffic in shared.traffic.items():
        shared.linkerds.counters[pod] = traffic.page
    shared.scrape(*PODS)
    return shared


def plain(seen: Seen) -> dict[str, object]:
    """What a look found, without when."""
    return {each.node: (each.started, each.versions) for each in seen.readings}


@pytest.mark.parametrize("by_url", [False, True])
def test_a_look_at_prometheus_is_a_look_at_the_linkerds(world: World, by_url: bool) -> None:
    seen = world.by_prometheus(world.prometheus.url if by_url else SERVICE)
    assert seen.unread == ()
    assert plain(seen) == plain(world.directly())
    assert set(plain(seen)) == set(NODES)


@pytest.mark.parametrize(
    "labels",
    [
        {"pod": "{pod}", "service": "l5d", "namespace": MESH, "container": "l5d"},
        {"pod": "{pod}", "client": "acme", "rt": "x"},
        {"instance": "{pod}"},
    ],
)
def test_whatever_labels_prometheus_gives(world: World, labels: dict[str, str]) -> None:
    world.scrape(*PODS, **labels)
    assert plain(world.by_prometheus()) == plain(world.directly())


def test_whatever_labels_it_honours(world: World, tmp_path: Path) -> None:
    with real_prometheus(tmp_path, honours=True) as other:
        before, world.prometheus = world.prometheus, other
        try:
            world.scrape(*PODS, pod="{pod}", service="l5d", client="acme")
            assert plain(world.by_prometheus(other.url)) == plain(world.directly())
        finally:
            world.prometheus = before


def grown(world: World, v1: int, v2: int, failed: int) -> None:
    for traffic in world.traffic.values():
        traffic.v1 += v1
        traffic.v2 += v2
        traffic.failed += failed
    world.prometheus.wait_for_scrapes(len(PODS))


def until_read(world: World, *nodes: str) -> Seen:
    """The first look that finds the counters of these nodes alone."""
    found: list[Seen] = []

    def are_read() -> bool:
        found.append(world.by_prometheus())
        return sorted(each.node for each in found[-1].readings) == sorted(nodes)

    wait_until(are_read, f"{nodes} are read", seconds=120)
    return found[-1]


def looked(differences: Differences, seen: Seen) -> tuple[Differences, Look]:
    nodes = [each.node for each in seen.readings] + [each.node for each in seen.unread]
    return differences.look(seen.readings, nodes)


LIMITS = Limits(interval=10, scrape=10)


@pytest.mark.parametrize("failed", [0, 20], ids=["healthy", "each fifth fails"])
def test_the_same_traffic_comes_to_the_same_strata_and_verdict(world: World, failed: int) -> None:
    ways: dict[Callable[[], Seen], tuple[Differences, Analysis]] = {
        world.directly: (Differences(LIMITS, V1, V2), Analysis(LIMITS, (10,)).begin(0)),
        world.by_prometheus: (Differences(LIMITS, V1, V2), Analysis(LIMITS, (10,)).begin(0)),
    }
    strata: dict[Callable[[], Seen], list[Stratum]] = {way: [] for way in ways}
    for _ in range(2):  # of which the first tells Prometheus's scrapes from before the weight
        for way, (differences, analysis) in ways.items():
            ways[way] = looked(differences, way())[0], analysis
        world.prometheus.wait_for_scrapes(len(PODS))
    for _ in range(3):
        grown(world, 900, 100, failed)
        for way, (before, analysis) in ways.items():
            differences, look = looked(before, way())
            strata[way] += look.strata
            ways[way] = differences, analysis.look(look.strata, look.unread)
            assert look.left_out == {}
    assert strata[world.directly] == strata[world.by_prometheus]
    assert len(strata[world.by_prometheus]) == 6
    (direct, _), (other, _) = (ways[way] for way in ways)
    verdicts = [analysis.verdict() for _, analysis in ways.values()]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0].kind is (Kind.FAIL if failed else Kind.PASS)
    assert direct.known.keys() == other.known.keys()


def test_a_look_before_the_next_scrape_is_no_evidence(world: World) -> None:
    differences = Differences(LIMITS, V1, V2)
    for _ in range(2):
        differences, _ = looked(differences, world.by_prometheus())
        world.prometheus.wait_for_scrapes(len(PODS))
    grown(world, 90, 10, 1)
    seen = world.by_prometheus()
    differences, look = looked(differences, seen)
    assert look.strata == tuple(Stratum(node, Counts(90, 0), Counts(10, 1)) for node in NODES)
    _, again = looked(differences, seen)
    assert again == Look((), {})


def test_a_linkerd_that_restarted_is_left_out_once(world: World) -> None:
    differences = Differences(LIMITS, V1, V2)
    for _ in range(2):
        differences, _ = looked(differences, world.by_prometheus())
        world.prometheus.wait_for_scrapes(len(PODS))
    restarted = world.traffic[PODS[0]]
    restarted.v1, restarted.v2, restarted.failed, restarted.started = 20, 0, 0, 1.0
    grown(world, 9, 1, 0)
    differences, look = looked(differences, world.by_prometheus())
    assert look.left_out == {NODES[0]: Reason.RESTARTED}
    assert [each.node for each in look.strata] == [NODES[1]]
    grown(world, 9, 1, 0)
    _, look = looked(differences, world.by_prometheus())
    assert look.strata == tuple(Stratum(node, Counts(9, 0), Counts(1, 0)) for node in NODES)


def test_a_target_that_is_gone_is_not_read(world: World) -> None:
    world.scrape(PODS[0])
    seen = until_read(world, NODES[0])
    (unread,) = seen.unread
    assert unread.node == NODES[1]
    assert "has not scraped it for" in unread.problem


def test_a_linkerd_whose_scrapes_fail_is_not_read(world: World) -> None:
    world.linkerds.counters[PODS[1]] = lambda: "no page of counters {"
    assert [each.node for each in until_read(world, NODES[0]).unread] == [NODES[1]]
    world.linkerds.counters[PODS[1]] = world.traffic[PODS[1]].page
    assert plain(until_read(world, *NODES)) == plain(world.directly())


def test_a_service_that_does_not_exist_is_one_line(world: World) -> None:
    seen = world.by_prometheus("prometheus-mesh/none:9090")
    assert seen.readings == ()
    (problem,) = {each.problem for each in seen.unread}
    assert problem == (
        'Prometheus behind the service prometheus-mesh/none:9090: 404, services "none" not found'
    )
