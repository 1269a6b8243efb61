"""The mesh in each topology on three nodes, and on the way from one to the next under load.

The tests go the whole way, in this order, and each step is an update of the running stack.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from urllib3 import HTTPConnectionPool

from mesh.routers import OUTGOING
from tests.e2e import linkerds, local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.local_stack import command
from tests.e2e.visitors import Visitors

pytestmark = pytest.mark.long

WAY = ("daemonset", "both", "sidecar", "both", "daemonset")
WEIGHT = 30
COUNT = 1000
TO_V2 = {"l5d-dtab": "/host/world => /srv/world-v2"}


@dataclass
class Step:
    """A topology that the stack has come to, and what requests from outside saw of that."""

    topology: str
    replaced: bool
    """Whether pods of apps were on the way."""
    failures: list[str]
    count: int


@pytest.fixture(scope="module")
def url(settings: dict[str, Any]) -> Iterator[str]:
    """Where hello answers; at the end the stack has the nodes' linkerds again."""
    command("pulumi", "config", "set", "canaryWeight", str(WEIGHT))
    switch("daemonset")
    found = str(local_stack.outputs()["url"])
    local_stack.first_answer(found)
    yield found
    if command("pulumi", "config", "get", "meshTopology").strip() == "sidecar":
        switch("both")


@pytest.fixture(scope="module")
def kept(url: str) -> Iterator[Sequence[HTTPConnectionPool]]:
    """Connections that clients keep all the way, for as long as their linkerd does."""
    with ExitStack() as every:
        yield [every.enter_context(local_stack.pool(url)) for _ in range(3)]


def switch(topology: str) -> None:
    command("pulumi", "config", "set", "meshTopology", topology)
    command("pulumi", "up", "--yes", "--skip-preview")


@pytest.fixture(
    scope="module", params=range(len(WAY)), ids=lambda number: f"{number}-{WAY[number]}"
)
def step(
    url: str,
    kept: Sequence[HTTPConnectionPool],
    cluster: Cluster,
    request: pytest.FixtureRequest,
) -> Step:
    """The next topology, and what was seen until some time after the update."""
    with (
        local_stack.load(url, kept=kept, pause=0.1) as keeping,
        local_stack.load(url, connections=2, pause=0.1) as recent,
        Visitors(url, at_once=2, pause=0.1) as visitors,
    ):
        eventually(lambda: keeping.count > 50 and recent.count > 50 and len(visitors.outcomes) > 50)
        switch(WAY[request.param])
        # Former pods' connections end with them.
        eventually(lambda: cluster.none_terminates("linkerd", "hello-world"))
        seen = len(visitors.outcomes)
        eventually(lambda: len(visitors.outcomes) > seen + 100)
    failures = [*keeping.failures, *recent.failures, *visitors.failures]
    assert keeping.again + recent.again <= (keeping.count + recent.count) / 200
    count = keeping.count + recent.count + len(visitors.outcomes)
    return Step(WAY[request.param], request.param > 0, failures, count)


def test_a_switch_under_load_loses_nothing_but_to_nodes_just_left(step: Step) -> None:
    print(f"to {step.topology}: {len(step.failures)} of {step.count} failed")
    # The edge shows no text of a linkerd that the last pod on its node has just left
    # (docs/topologies.md); where nothing is replaced, nothing is lost at all.
    left = [each for each in step.failures if each.strip() == "502"]
    assert [each for each in step.failures if each not in left] == []
    assert len(left) <= (step.count / 500 if step.replaced else 0)


def test_the_share_is_the_weight(url: str, step: Step) -> None:
    worlds = local_stack.split_of(url, COUNT)
    share = WEIGHT / 100
    bound = 4 * (worlds.total() * share * (1 - share)) ** 0.5
    assert abs(worlds["worldv2"] - worlds.total() * share) <= bound, worlds


def test_both_hops_count_the_same_version(cluster: Cluster, url: str, step: Step) -> None:
    before = linkerds.counted(cluster)
    worlds = local_stack.split_of(url, 300)
    after = linkerds.counted(cluster)
    for version, answered in (("world-v1", worlds["world"]), ("world-v2", worlds["worldv2"])):
        for router in ("outgoing", "incoming"):
            assert after[router, version] - before[router, version] == answered > 0, version


@contextmanager
def inside(cluster: Cluster, topology: str) -> Iterator[str]:
    """The URL of a linkerd that takes an app's requests."""
    if topology != "sidecar":
        yield next(iter(linkerds.entrances(cluster).values()))
        return
    # It listens on its pod's loopback, where kubectl comes out too.
    forward = ("port-forward", "-n", "hello-world", "deployment/hello", f":{OUTGOING}")
    with subprocess.Popen(cluster.command(*forward), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
            assert found
            yield f"http://{found[0]}"
        finally:
            process.terminate()


def test_a_request_inside_may_choose_its_version(cluster: Cluster, url: str, step: Step) -> None:
    with inside(cluster, step.topology) as entrance:
        for _ in range(10):
            assert local_stack.ask(entrance, Host="world", **TO_V2).startswith("worldv2 (")


def test_one_from_outside_may_not(url: str, step: Step) -> None:
    answers = [local_stack.world_of(local_stack.ask(url, **TO_V2)) for _ in range(40)]
    assert set(answers) == {"world", "worldv2"}


def test_the_admin_page_is_where_the_output_says(cluster: Cluster, step: Step) -> None:
    said = str(local_stack.outputs()["linkerdAdmin"])
    target = re.fullmatch(r"kubectl -n (\S+) port-forward (\S+) 9990", said)
    assert target, said
    kind, _, name = target[2].partition("/")
    assert cluster.get("service" if kind == "svc" else kind, name, "-n", target[1])


def test_going_past_both_is_refused(step: Step) -> None:
    other = {"daemonset": "sidecar", "sidecar": "daemonset"}.get(step.topology)
    if other is None:
        return
    output = command("pulumi", "preview", "--config", f"meshTopology={other}", status=1)
    said = f"config meshTopology goes from {step.topology} to {other} at once: "
    diagnostics = output.partition("Diagnostics:")[2].splitlines()
    assert len([line for line in diagnostics if said in line]) == 1, output
    assert "Traceback" not in output
