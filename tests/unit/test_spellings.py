"""A split's requests are counted under each name that callers have for the service."""

import pytest

from canary import overview
from canary.stack import deployed, split
from mesh import routes
from tests.harness import counters
from tests.harness.counters import DAEMONSET, WORLD, version
from tests.harness.stacks import export, table
from tests.harness.versions import Totals

SPLIT = {"/host/world": {"/srv/world-v1": 90.0, "/srv/world-v2": 10.0}}
SPELLINGS = (
    "world",
    "world:7778",
    "world.hello-world",
    "world.hello-world:80",
    "world.hello-world.svc",
    "world.hello-world.svc.cluster.local",
    "world.hello-world.svc.cluster.local:7778",
)
OTHERS = (
    "world-v1",
    "world-v1:7778",
    "hello",
    "world.other",
    "world.hello-world.example.com",
    "example.com:80",
)
"""None of which is drawn: they lead to a version straight away, or elsewhere."""

V1, V2 = f"/{WORLD}-v1", f"/{WORLD}-v2"


def counted(*pages: str, domain: str = "cluster.local") -> dict[str, Totals]:
    given = export(table("internal", SPLIT, list(routes.internal("hello-world", domain))))
    names, expression = overview.what_is_counted(split.chosen(deployed.read(given), None))
    assert names == {V1: "world-v1", V2: "world-v2"}
    found = expression.versions(counters.page(*pages))
    return {name: Totals.of(each) for name, each in found.items()}


def requests(host: str, number: int, failed: int, client: str = "v1") -> str:
    name = f"{DAEMONSET}{WORLD}-{client}"
    return version(name, number, failed, service=f"svc/{host}", pending=number)


@pytest.mark.parametrize("host", SPELLINGS)
def test_each_spelling_counts(host: str) -> None:
    assert counted(requests(host, 30, 3)) == {V1: Totals(30, 3, pending=30)}


def test_all_spellings_add_up() -> None:
    pages = [requests(host, 2**n, n) for n, host in enumerate(SPELLINGS)]
    pages += [requests(host, 3 * 2**n, 0, "v2") for n, host in enumerate(SPELLINGS)]
    every = 2 ** len(SPELLINGS) - 1
    assert counted(*pages) == {
        V1: Totals(every, sum(min(n, 2**n) for n in range(len(SPELLINGS))), pending=every),
        V2: Totals(3 * every, 0, pending=3 * every),
    }


def test_the_longest_spelling_has_the_clusters_domain() -> None:
    own = requests("world.hello-world.svc.k8s.example:7778", 30, 3)
    elsewhere = requests("world.hello-world.svc.cluster.local", 100, 0)
    assert counted(own, elsewhere, domain="k8s.example") == {V1: Totals(30, 3, pending=30)}


@pytest.mark.parametrize("host", OTHERS)
def test_other_names_do_not_count(host: str) -> None:
    assert counted(requests("world", 1, 0), requests(host, 100, 9)) == {V1: Totals(1, 0, pending=1)}
