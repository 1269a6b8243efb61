"""A split is drawn once for each request, on three nodes, wherever a version has its pods.

As linkerd's own examples have it, each of the two linkerds on a request's way draws: the first one
chooses a node by a version that the second one does not know of, and draws again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from tests.contract import stand_ins
from tests.contract.pair import Mesh, assert_share_of_four_sigma, outcomes
from tests.contract.stand_ins import StandIns, linkerd_config
from tests.contract.talk import Talker
from tests.contract.test_metrics import Metrics, added, metrics_of

pytestmark = pytest.mark.stand_ins

NODES = (stand_ins.NODE, stand_ins.OTHER_NODE, "198.18.3")
WEIGHTS = (0, 1, 10, 30, 50, 99, 100)
"""Percents for world-v2."""

V1_PORT, V2_PORT, FAILING_PORT = 7791, 7792, 7793
"""One process a version serves all of its pods: every address of the network is local."""

THREE = [each for each in product(range(4), repeat=3) if sum(each) == 3]
ONE = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
"""How many pods of world-v2 each node has; world-v1 has one on each."""


@dataclass(frozen=True)
class Nodes:
    """Three linkerds, one a node, and a namespace with the endpoints by which they find another."""

    mesh: Mesh
    """As seen at the first node."""
    admins: Sequence[Talker]

    def metrics(self) -> Metrics:
        """What all three count, added up by router and service, whatever the client's prefix."""
        total: Counter[str] = Counter()
        for admin in self.admins:
            for name, value in metrics_of(admin).items():
                total[_without_prefixes(name)] += int(value)
        return total


def _without_prefixes(name: str) -> str:
    """`rt:client:requests outgoing world-v1` of a counter by client alone."""
    what, _, labels = name.rstrip("}").partition("{")
    parts = dict(part.split("=", 1) for part in labels.split(", ") if "=" in part)
    client = parts.get("client", "").strip('"').rpartition("/")[2]
    return " ".join([what, parts.get("rt", "").strip('"'), client])


def example_config(node: str, namespace: str) -> dict[str, Any]:
    """The program's config as linkerd's examples have it: `incoming` draws by the same table."""
    config = linkerd_config(node, namespace=namespace)
    incoming = config["routers"][1]
    del incoming["identifier"], incoming["dtab"]
    return config


def placed(placement: Sequence[int]) -> str:
    """The service that has its pods so."""
    return "placed-" + "".join(map(str, placement))


@pytest.fixture(scope="module")
def versions(world: StandIns) -> None:
    """world-v1 on each node, world-v2 in each placement, and a version that always fails."""
    world.start("helloworld", f"-addr=:{V1_PORT}", env={"TARGET_WORLD": "v1", "POD_IP": "any"})
    world.start("helloworld", f"-addr=:{V2_PORT}", env={"TARGET_WORLD": "v2", "POD_IP": "any"})
    world.start("helloworld", f"-addr=:{FAILING_PORT}", "-failure-rate=1")
    everywhere = [f"{node}.61" for node in NODES]
    world.endpoints("placed-v1", everywhere, V1_PORT)
    world.endpoints("placed-failing", everywhere, FAILING_PORT)
    for placement in (*THREE, *ONE):
        pods = [
            f"{node}.{71 + number}"
            for node, count in zip(NODES, placement, strict=True)
            for number in range(count)
        ]
        world.endpoints(placed(placement), pods, V2_PORT)


@pytest.fixture(scope="module", params=["the program's", "linkerd's example"])
def nodes(
    world: StandIns, mesh: Mesh, versions: None, request: pytest.FixtureRequest
) -> Iterator[Nodes]:
    example = request.param == "linkerd's example"
    namespace = "contract-example" if example else "contract-three"
    addresses = [f"{node}.{81 if example else 82}" for node in NODES]
    world.api.kubectl("create", "namespace", namespace)
    world.endpoints("l5d", addresses, 4141, "incoming", namespace)
    processes = []
    for address in addresses:
        config = linkerd_config(address, namespace=namespace)
        if example:
            config = example_config(address, namespace)
        processes.append(world.start_linkerd(address, config=config))
    first = world.talker(addresses[0], 4140)
    admins = [world.talker(address, 9990) for address in addresses]
    yield Nodes(Mesh(mesh.namerd, first, admins[0], mesh.apps, namespace), admins)
    for process in processes:
        process.end()
    with suppress(RuntimeError):
        world.api.kubectl("delete", "namespace", namespace, "--wait=false")


the_program = pytest.mark.parametrize("nodes", ["the program's"], indirect=True)
the_example = pytest.mark.parametrize("nodes", ["linkerd's example"], indirect=True)


def split(weight: int, version: str) -> Mapping[str, str]:
    """The headers of a request for world by a split of its own."""
    table = f"/host/world => {weight} * /srv/{version} & {100 - weight} * /srv/placed-v1"
    return {"Host": "world", "l5d-dtab": table}


def to_v2(nodes: Nodes, weight: int, placement: Sequence[int], count: int) -> int:
    """How many of `count` requests world-v2 answers. They are POSTs, which are never sent again."""
    headers = split(weight, placed(placement))
    return outcomes(nodes.mesh.linkerd, headers, count, "POST")["v2"]


@the_program
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("replicas", [1, 3])
def test_the_share_is_the_weight(nodes: Nodes, weight: int, replicas: int) -> None:
    for placement in THREE if replicas == 3 else ONE:
        assert_share_of_four_sigma(
            lambda count: to_v2(nodes, weight, placement, count),  # noqa: B023
            400 if replicas == 3 else 1000,
            weight / 100,
        )


@the_program
def test_a_split_in_the_table_is_drawn_once(nodes: Nodes, mesh: Mesh, restored: str) -> None:
    version = placed((1, 0, 0))
    entry = f"/host/tabled=>10*/srv/{version} & 90*/srv/placed-v1"
    mesh.namerd.write("internal", f"{restored};{entry}")
    assert_share_of_four_sigma(
        lambda count: outcomes(nodes.mesh.linkerd, {"Host": "tabled"}, count)["v2"], 1000, 0.1
    )


@the_example
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("hosting", [1, 2, 3])
def test_where_both_linkerds_draw_the_share_is_not_the_weight(
    nodes: Nodes, weight: int, hosting: int
) -> None:
    """w (w + (1 - w) m / K), where m of K nodes have world-v2."""
    placement = {1: (1, 0, 0), 2: (2, 1, 0), 3: (1, 1, 1)}[hosting]
    w = weight / 100
    assert_share_of_four_sigma(
        lambda count: to_v2(nodes, weight, placement, count),
        1000,
        w * (w + (1 - w) * hosting / len(NODES)),
    )


def counted(nodes: Nodes, before: Metrics, what: str) -> dict[tuple[str, str], float]:
    """How much a counter by client has grown, by router and version."""
    after = nodes.metrics()
    return {
        (router, version): added(before, after, f"rt:client:{what} {router} placed-{version}")
        for router in ("outgoing", "incoming")
        for version in ("v1", "failing")
    }


def test_metrics_name_the_version_that_failed_only_if_a_split_is_drawn_once(nodes: Nodes) -> None:
    """On the real ones, drawn twice at 30 %: 192 failures of 577 for the version without any."""
    before = nodes.metrics()
    outcomes(nodes.mesh.linkerd, split(30, "placed-failing"), 600)
    requests = counted(nodes, before, "requests")
    failures = counted(nodes, before, "failures")
    assert failures["incoming", "failing"] == requests["incoming", "failing"] > 0
    assert failures["incoming", "v1"] == 0
    if nodes.mesh.own == "contract-example":
        assert failures["outgoing", "v1"] > 0
        assert failures["outgoing", "failing"] < requests["outgoing", "failing"]
        return
    assert failures["outgoing", "v1"] == 0
    assert failures["outgoing", "failing"] == requests["outgoing", "failing"]
    for version in ("v1", "failing"):
        assert requests["outgoing", version] == requests["incoming", version] > 0
