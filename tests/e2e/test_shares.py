"""The share of world-v2 is its weight, wherever its pods are: on as many nodes as there are.

On one node every placement is the same; that a second draw bends the share shows on several.
"""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from local import stack
from tests.e2e import linkerds, local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.local_stack import command
from tests.e2e.placement import Placing, placements

pytestmark = pytest.mark.long

WEIGHTS = (0, 1, 10, 30, 50, 99, 100)
"""Percents for world-v2."""

COUNT = 400
"""Requests by which a share is measured."""

COUNT_OF_ALL_OR_NONE = 50
"""By how many, where a single wrong answer would show."""

CONNECTIONS = 4

PREFIX = "linkerd-canary"


@pytest.fixture(scope="module", params=[1, 3])
def placing(cluster: Cluster, settings: dict[str, Any], request: pytest.FixtureRequest) -> Placing:
    """world-v2 with one pod, or with three; its weight is 0 in the table."""
    services = stack.default("services")
    services["world"]["versions"]["v2"]["replicas"] = request.param
    own = {"services": services, "replicas": 3, "canaryWeight": 0}
    config = {**settings["config"], **{f"{PREFIX}:{key}": value for key, value in own.items()}}
    stack.SETTINGS.write_text(yaml.safe_dump({**settings, "config": config}))
    command("pulumi", "up", "--yes", "--skip-preview")
    return Placing(cluster, "world-v2")


def answers(url: str, headers: Mapping[str, str], count: int) -> Counter[str]:
    """How often each world answered, over some connections; any failure fails the test."""

    def some(number: int) -> Counter[str]:
        seen: Counter[str] = Counter()
        with local_stack.pool(url) as http:
            for _ in range(number, count, CONNECTIONS):
                response = http.request("GET", "/", headers=headers)
                text = response.data.decode()
                assert response.status == 200, f"{response.status} {text[:200]}"
                seen[text.split()[0]] += 1
        return seen

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(some, range(CONNECTIONS)), Counter[str]())


def share_holds(url: str, headers: Mapping[str, str], share: float) -> None:
    """Within four standard deviations; a share beyond them is measured once more."""
    count = COUNT if 0 < share < 1 else COUNT_OF_ALL_OR_NONE
    bound = 4 * (count * share * (1 - share)) ** 0.5
    seen = []
    for _ in range(2):
        seen.append(answers(url, headers, count)["worldv2"])
        if abs(seen[-1] - count * share) <= bound:
            return
    raise AssertionError(f"{seen} of {count} each instead of {share:.0%}")


def answers_of_v2_alone(entrance: str) -> bool:
    """Whether linkerd has learnt of the pods' move: requests that are never sent again succeed."""
    headers = {"Host": "world", "l5d-dtab": "/host/world => /srv/world-v2"}
    with local_stack.session() as http:
        return all(http.post(entrance, headers=headers, timeout=60).ok for _ in range(30))


def test_the_share_is_the_weight_in_each_placement(cluster: Cluster, placing: Placing) -> None:
    entrances = list(linkerds.entrances(cluster).values())
    pods = placing.count()
    for number, placement in enumerate(placements(placing.nodes, pods)):
        placing.place(placement)
        entrance = entrances[number % len(entrances)]
        eventually(lambda: answers_of_v2_alone(entrance))  # noqa: B023
        for weight in WEIGHTS:
            split = f"{weight} * /srv/world-v2 & {100 - weight} * /srv/world-v1"
            headers = {"Host": "world", "l5d-dtab": f"/host/world => {split}"}
            share_holds(entrance, headers, weight / 100)


@pytest.mark.parametrize("placing", [1], indirect=True)
@pytest.mark.parametrize("weight", WEIGHTS)
def test_the_share_is_the_tables_weight_with_world_v2_on_one_node(
    cluster: Cluster, placing: Placing, weight: int
) -> None:
    """By way of hello, as the walkthrough measures it."""
    with linkerds.table_with(cluster, weight):
        worlds = local_stack.split_of(str(local_stack.outputs()["url"]), 1000)
    assert local_stack.within_binomial_bounds(worlds["worldv2"], worlds.total(), weight / 100)


@pytest.mark.parametrize("placing", [1], indirect=True)
def test_both_linkerds_on_the_way_count_the_same_version(
    cluster: Cluster, placing: Placing
) -> None:
    with linkerds.table_with(cluster, 30):
        before = linkerds.counted(cluster)
        local_stack.split_of(str(local_stack.outputs()["url"]), 500)
        after = linkerds.counted(cluster)
    for version in ("world-v1", "world-v2"):
        added = {
            router: after[router, version] - before[router, version]
            for router in ("outgoing", "incoming")
        }
        assert added["outgoing"] == added["incoming"] > 0, version
