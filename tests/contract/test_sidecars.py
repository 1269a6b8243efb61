"""A linkerd beside each app: names, the split, and what the entrances refuse."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.contract import sidecars, stand_ins
from tests.contract.pair import assert_share_of_four_sigma, outcomes
from tests.contract.sidecars import EXTERNAL, INCOMING, OUTGOING, Sidecar
from tests.contract.stand_ins import APPS_NAMESPACE, StandIns
from tests.contract.test_metrics import Metrics, added

pytestmark = pytest.mark.stand_ins

SERVICE = f"#/io.l5d.k8s/{APPS_NAMESPACE}/http"
SPLIT = "/host/world => 30 * /srv/beside-v2 & 70 * /srv/beside-v1"


@dataclass(frozen=True)
class Pods:
    edge: Sidecar
    first: Sidecar
    """Beside the hello that the table `external` leads to."""
    hello: Sidecar
    v1: Sidecar
    v2: Sidecar


@pytest.fixture(scope="module")
def pods(world: StandIns) -> Iterator[Pods]:
    """hello and two versions of world, each with its linkerd, and one at the edge."""
    edge, hello, v1, v2 = (world.address() for _ in range(4))
    world.start_pod(hello, 7777, "-text=Hello", "-target=world", http_proxy=f"{hello}:{OUTGOING}")
    world.endpoints("beside-hello", [hello], 7777)
    for name, address, text in (("beside-v1", v1, "one"), ("beside-v2", v2, "two")):
        world.start_pod(address, 7778, TARGET_WORLD=text)
        world.endpoints(name, [address], 7778)
    running = Pods(
        sidecars.start(world, edge, sidecars.external(edge)),
        *(
            sidecars.start(world, address, sidecars.outgoing(address), sidecars.incoming(address))
            for address in (stand_ins.HELLO, hello, v1, v2)
        ),
    )
    yield running
    for each in vars(running).values():
        each.process.end()


def test_the_split_is_drawn_once_and_both_hops_count_the_same(pods: Pods) -> None:
    before = {"out": pods.hello.metrics(), "one": pods.v1.metrics(), "two": pods.v2.metrics()}
    total: Counter[str] = Counter()

    def to_v2(count: int) -> int:
        headers = {"Host": "world", "l5d-dtab": SPLIT}
        seen = outcomes(pods.hello.talker(OUTGOING), headers, count)
        total.update(seen)
        return seen["two"]

    assert_share_of_four_sigma(to_v2, 500, 0.3)
    assert set(total) == {"one", "two"}
    for text, version, pod in (("one", "beside-v1", pods.v1), ("two", "beside-v2", pods.v2)):
        chosen = f"%/io.l5d.port/{INCOMING}/{SERVICE}/{version}"
        labels = f'{{rt="outgoing", client="{chosen}", service="svc/world"}}'
        name = f"rt:client:service:requests{labels}"
        assert added(before["out"], pods.hello.metrics(), name) == total[text]
        local = f"%/io.l5d.localhost/{SERVICE}/{version}"
        labels = f'{{rt="incoming", client="{local}", service="svc/{chosen}"}}'
        name = f"rt:client:service:requests{labels}"
        assert added(before[text], pod.metrics(), name) == total[text]


def test_each_linkerd_counts_the_requests_of_its_own_pod_alone(pods: Pods) -> None:
    pods.hello.ask("world", "/host/world => /srv/beside-v1")

    def counted(metrics: Metrics, router: str) -> float:
        name = f'rt:client:requests{{rt="{router}", '
        return sum(value for each, value in metrics.items() if each.startswith(name))

    assert counted(pods.v1.metrics(), "incoming") > 0
    assert counted(pods.v1.metrics(), "outgoing") == 0


def test_the_edge_reaches_the_linkerd_beside_the_first_app(pods: Pods) -> None:
    """By the table `external`, which leads to hello."""
    before, entered = pods.edge.metrics(), pods.first.metrics()
    answer = pods.edge.talker(EXTERNAL).get("/", {"Host": "anything"})
    assert answer.text.startswith(f"Hello ({stand_ins.HELLO}) world")
    client = f"%/io.l5d.port/{INCOMING}/{SERVICE}/hello"
    name = f'rt:client:requests{{rt="external", client="{client}"}}'
    assert added(before, pods.edge.metrics(), name) == 1
    served = f'rt:service:requests{{rt="incoming", service="svc/{client}"}}'
    assert added(entered, pods.first.metrics(), served) == 1


def test_outside_nobody_chooses_and_inside_everybody_may(pods: Pods) -> None:
    chosen = {"l5d-dtab": f"/svc => /{SERVICE}/beside-hello"}
    answer = pods.edge.talker(EXTERNAL).get("/", {"Host": "anything", **chosen})
    assert answer.text.startswith(f"Hello ({stand_ins.HELLO}) ")
    assert pods.hello.ask("world", "/host/world => /srv/beside-v2").text.startswith("two ")


def test_the_entrance_of_a_pod_refuses_what_was_not_chosen_for_it(pods: Pods) -> None:
    entrance = pods.v1.talker(INCOMING)
    prefix = f"/%/io.l5d.port/{INCOMING}/{SERVICE}"
    right = entrance.get("/", {"l5d-dst-client": f"{prefix}/beside-v1"})
    assert right.text.startswith("one ")
    absent = entrance.get("/", {"Host": "world"})
    assert absent.status == 400
    assert absent.text.endswith(" / l5d-dst-client header is absent")
    other = entrance.get("/", {"l5d-dst-client": f"{prefix}/beside-v2"})
    assert other.status == 502
    assert other.text.startswith("Unable to route request!")


def test_an_override_goes_on_to_what_a_request_causes(pods: Pods) -> None:
    for version, text in (("beside-v1", "one"), ("beside-v2", "two")):
        override = f"/host/hello => /srv/beside-hello ; /host/world => /srv/{version}"
        answer = pods.v1.ask("hello", override)
        assert answer.text.startswith(f"Hello ({pods.hello.address}) {text} ")
