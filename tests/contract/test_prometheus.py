"""linkerd's page of counters, scraped by a real Prometheus and read off it again."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from canary.analysis.differences import Differences, Look, Reason
from canary.analysis.limits import Limits
from canary.analysis.strata import Counts, Stratum
from canary.counters import page, prometheus
from canary.counters.page import Expression
from canary.counters.reading import Seen
from dynamic.inputs import Linkerds
from kube.api import Api
from kube.connection import to_cluster
from tests.contract.pair import Mesh
from tests.contract.stand_ins import MESH_NAMESPACE, NODE, StandIns
from tests.contract.talk import Talker
from tests.harness import real_prometheus
from tests.harness.processes import running
from tests.harness.real_prometheus import RealPrometheus, Scraped
from tests.harness.versions import Totals

pytestmark = pytest.mark.stand_ins

LINKERDS = Linkerds(MESH_NAMESPACE, "app=scraped", "outgoing", "9990")
INSIDE = 9090


class Scraping:
    """A linkerd at an address of its own, and a Prometheus that scrapes it."""

    def __init__(self, world: StandIns, mesh: Mesh, found: RealPrometheus, address: str) -> None:
        self._world, self.prometheus, self.address = world, found, address
        self.linkerd = Talker(f"http://{address}:4140", world.network.connect)
        self.admin = Talker(f"http://{address}:9990", world.network.connect)
        self.v1, self.v2 = (
            f"/{mesh.client(version).partition('l5d/')[2]}" for version in ("world-v1", "world-v2")
        )
        self.expression = Expression(
            ("outgoing",), (self.v1, self.v2), lambda _, name: name.startswith("svc/world")
        )

    def ask(self, host: str, count: int, dtab: str) -> None:
        for _ in range(count):
            self.linkerd.get("/", {"Host": host, "l5d-dtab": dtab})

    def look(self) -> Seen:
        """Once all of now has been scraped."""
        self.prometheus.wait_for_scrapes(1)
        with to_cluster(str(self._world.api.kubeconfig)) as connection:
            api = Api(connection)
            return prometheus.read(api, [LINKERDS], self.expression, self.prometheus.url)


@pytest.fixture
def scraping(world: StandIns, mesh: Mesh, tmp_path: Path) -> Iterator[Scraping]:
    address = world.address(NODE)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "scraped", "namespace": MESH_NAMESPACE, "labels": {"app": "scraped"}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "l5d", "image": "none"}]},
    }
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
    with ExitStack() as stack:
        world.api.apply(pod)
        gone = ("delete", "pod", "scraped", "-n", MESH_NAMESPACE, "--force", "--grace-period=0")
        stack.callback(world.api.kubectl, *gone)
        world.api.set_status("pod", "scraped", status, MESH_NAMESPACE)
        command = real_prometheus.command(tmp_path, INSIDE)
        context = running(command, tmp_path / "prometheus.log")
        process = world.network.run(context.__enter__)
        stack.callback(lambda: context.__exit__(None, None, None))
        port = world.network.bring_out(("127.0.0.1", INSIDE))
        found = Scraping(world, mesh, real_prometheus.ready(tmp_path, port, process), address)
        yield found


def test_a_scrape_is_the_page(world: StandIns, scraping: Scraping) -> None:
    linkerd = world.start_linkerd(scraping.address)
    scraping.prometheus.scrape(Scraped(f"{scraping.address}:9990", page.PATH, {}))
    scraping.ask("world", 20, "/svc/world => /srv/world-v1")
    scraping.ask("world", 7, "/svc/world => /srv/world-v2")
    scraping.ask("world:7778", 5, "/svc/world:7778 => /srv/world-v1")
    scraping.ask("hello", 3, "/svc/hello => /srv/world-v1")
    seen = scraping.look()
    text = scraping.admin.get(page.PATH).text
    (reading,) = seen.readings
    assert (reading.node, reading.started) == ("node-1", page.started(text))
    totals = {name: Totals.of(each) for name, each in reading.versions.items()}
    assert totals == {scraping.v1: Totals(25, 0), scraping.v2: Totals(7, 0)}
    shown = scraping.expression.versions(text)
    assert reading.versions == shown
    linkerd.end()


def test_a_linkerd_that_restarts_under_prometheus(world: StandIns, scraping: Scraping) -> None:
    linkerd = world.start_linkerd(scraping.address)
    scraping.prometheus.scrape(Scraped(f"{scraping.address}:9990", page.PATH, {}))
    differences = Differences(Limits(), scraping.v1, scraping.v2)

    def look() -> Look:
        nonlocal differences
        seen = scraping.look()
        differences, found = differences.look(seen.readings, ["node-1"])
        return found

    look()
    assert look().left_out == {"node-1": Reason.FIRST}
    scraping.ask("world", 20, "/svc/world => /srv/world-v1")
    assert look().strata == (Stratum("node-1", Counts(20, 0), Counts(0, 0)),)
    linkerd.end()
    linkerd = world.start_linkerd(scraping.address)
    scraping.ask("world", 30, "/svc/world => /srv/world-v2")
    assert look().left_out == {"node-1": Reason.RESTARTED}
    scraping.ask("world", 4, "/svc/world => /srv/world-v2")
    assert look().strata == (Stratum("node-1", Counts(0, 0), Counts(4, 0)),)
    linkerd.end()
