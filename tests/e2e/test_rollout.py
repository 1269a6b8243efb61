"""`python -m canary run` on three nodes, by a world-v2 that misbehaves in every way there is.

The requests are the rollout's own (`--load`), beside visitors who must notice nothing.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary import exits
from canary.rollout import journal
from local import node, stack
from local.paths import PYTHON, ROOT
from tests.e2e import linkerds, local_stack, told
from tests.e2e.cluster import Cluster, eventually, make
from tests.e2e.local_stack import command
from tests.e2e.scraping import scraping
from tests.e2e.told import APPS, MESH, pods, settled
from tests.e2e.visitors import Visitors
from tests.harness.locks import locked
from tests.harness.under_way import UnderWay

LOAD = "60/s"
ANALYSIS = {"interval": "10s", "scrape": "1s", "minRequests": 30, "maxHold": "15s"}


@pytest.fixture(scope="module")
def brought(cluster: Cluster) -> Iterator[None]:
    with told.image():
        yield
        local_stack.up()  # the settings are back: nothing runs on it any more


@pytest.fixture(scope="module")
def url(cluster: Cluster, brought: None, settings: dict[str, Any]) -> str:
    found = told.up(settings, "v1", "v2", canaryWeight=0, canaryAnalysis=ANALYSIS)
    settled(cluster)
    with Visitors(found, at_once=2, pause=0.1) as visitors:
        # A node's rules follow the pods that there are a moment later.
        eventually(lambda: visitors.outcomes[-60:].count("ok") == 60)
    return found


@pytest.fixture
def run(url: str) -> Iterator[Callable[..., UnderWay]]:
    """Begins rollouts from 0 %."""
    if weight() != 0:
        command(str(PYTHON), "-m", "canary", "abort")
    begun: list[UnderWay] = []

    def begin(*arguments: str) -> UnderWay:
        begun.append(UnderWay(_started("run", *arguments)))
        return begun[-1]

    yield begin
    for each in begun:
        each.kill()


def _started(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [PYTHON, "-m", "canary", *arguments],
        cwd=ROOT,
        env=local_stack.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def weight() -> float:
    """The canary's configured weight."""
    found = yaml.safe_load(stack.SETTINGS.read_text())["config"]["linkerd-canary:canaryWeight"]
    return float(found)


def left_by_plugins() -> set[Path]:
    """The kubeconfigs that updates by plain `pulumi` leave, as the fixture's has."""
    found = set(Path(os.environ["TMPDIR"]).glob("kubeconfig*"))
    assert found, "Pulumi's plugin leaves none any more: the updates need no folder of their own"
    return found


def table(cluster: Cluster) -> str:
    """The routing table in force."""
    return json.dumps(cluster.get("dtabs", "internal", "-n", MESH)["dentries"])


def test_a_version_that_fails_goes_back_and_visitors_notice_nothing(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    credentials = left_by_plugins()
    with told.told(cluster, "fifth"), Visitors(url, at_once=2, pause=0.2) as visitors:
        rolling = run("--steps", "20,100", "--interval", "5m", "--load", LOAD)
        assert rolling.ends() == exits.FAILED, rolling.lines
    # Of the baseline or of the limit: whichever test knew first.
    rolling.says("beyond chance")
    rolling.says("Back at 0 % in ")
    assert re.search(r"world-v2 failed \d+ of \d+ requests \(\d", "\n".join(rolling.lines))
    assert "world-v2" not in table(cluster)
    assert weight() == 0
    assert left_by_plugins() == credentials
    # Requests that only read are sent again.
    assert visitors.failures == [], visitors.reasons
    page = command(str(PYTHON), "-m", "canary", "report", "-o", "/dev/stdout")
    assert "beyond chance" in page


@pytest.mark.long
def test_a_version_that_is_slow_goes_back(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    with told.told(cluster, "slow"):
        rolling = run("--steps", "20,100", "--interval", "10m", "--load", LOAD)
        assert rolling.ends() == exits.FAILED, rolling.lines
    rolling.says("slower")
    assert weight() == 0


@pytest.mark.long
def test_a_version_that_hangs_goes_back(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    """linkerd gives each request up after totalTimeoutMs, which is a failure of the version's."""
    with told.told(cluster, "hang"):
        rolling = run("--steps", "20,100", "--interval", "10m", "--max-hold", "1h", "--load", LOAD)
        assert rolling.ends() == exits.FAILED, rolling.lines
    rolling.says("beyond chance")
    assert weight() == 0


@pytest.mark.long
def test_a_prometheus_that_scrapes_the_linkerds_tells_the_same(
    cluster: Cluster, url: str, run: Callable[..., UnderWay], tmp_path: Path
) -> None:
    with scraping(cluster, tmp_path) as prometheus, counters_from(prometheus.url):
        passing = run("--steps", "20", "--to", "20", "--load", LOAD)
        assert passing.ends() == exits.DONE, passing.lines
        with told.told(cluster, "fifth"):
            failing = run("--steps", "50,100", "--interval", "10m", "--load", LOAD)
            assert failing.ends() == exits.FAILED, failing.lines
        prometheus.wait_for_scrapes(len(cluster.nodes()))
        by_prometheus = read_of_status()
    passing.says("20 %: passed, ")
    failing.says("beyond chance")
    assert by_prometheus == read_of_status()
    assert by_prometheus["linkerds"] == sorted(cluster.nodes())
    assert weight() == 0


@contextmanager
def counters_from(prometheus: str) -> Iterator[None]:
    """Have the stack's commands ask a Prometheus for the counters."""
    set_analysis({**ANALYSIS, "prometheus": prometheus})
    yield
    set_analysis(ANALYSIS)


def set_analysis(given: dict[str, Any]) -> None:
    """Write how rollouts judge, which no update is needed for."""
    found = yaml.safe_load(stack.SETTINGS.read_text())
    found["config"]["linkerd-canary:canaryAnalysis"] = given
    stack.SETTINGS.write_text(yaml.safe_dump(found))


def read_of_status() -> dict[str, object]:
    """Which linkerds `canary status` has read, and what they have counted since they started."""
    said = json.loads(command(str(PYTHON), "-m", "canary", "status", "--json"))
    counted = {each["name"]: (each["requests"], each["failures"]) for each in said["versions"]}
    return {"linkerds": sorted(said["measured"]["linkerds"]), **counted}


def test_abort_from_another_terminal(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    rolling = run("--steps", "20,100", "--interval", "10m", "--load", LOAD)
    rolling.says("Step 1/2")
    status = command(str(PYTHON), "-m", "canary", "status")
    assert "runs a rollout of world-v2 since" in status
    assert "0 % is in force after " in command(str(PYTHON), "-m", "canary", "abort")
    assert rolling.ends() == exits.ABORTED, rolling.lines
    assert "world-v2" not in table(cluster)


@pytest.mark.long
def test_two_aborts_at_once(cluster: Cluster, url: str, run: Callable[..., UnderWay]) -> None:
    rolling = run("--steps", "20,100", "--interval", "10m", "--load", LOAD)
    rolling.says("Step 1/2")
    both = [UnderWay(_started("abort")) for _ in range(2)]
    assert [each.ends() for each in both] == [exits.DONE, exits.DONE], [e.lines for e in both]
    assert rolling.ends() == exits.ABORTED, rolling.lines
    assert "world-v2" not in table(cluster)
    assert weight() == 0


@pytest.mark.long
def test_a_table_changed_by_hand_stops_it_and_stays(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    rolling = run("--steps", "20,100", "--interval", "10m", "--load", LOAD)
    rolling.says("Step 1/2")
    with linkerds.table_with(cluster, 50):
        assert rolling.ends() == exits.DRIFTED, rolling.lines
        assert "50.00*/srv/world-v2" in table(cluster).replace(" ", "")
    rolling.says("Stopped: The table was changed to 50/50 by kubectl-patch")
    command("pulumi", "up", "--yes", "--skip-preview", "--refresh")


@pytest.mark.long
def test_an_update_that_fails_in_a_step_is_tried_again(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    lock = locked(stack.STATE.locks)
    try:
        rolling = run("--steps", "20,100", "--max-hold", "10m", "--load", LOAD)
        rolling.says("20 %: not done: ")
        assert "world-v2" not in table(cluster)
        assert weight() == 0
    finally:
        lock.unlink()
    assert rolling.ends() == exits.DONE, rolling.lines


@pytest.mark.long
def test_an_api_server_that_is_away_for_a_while_is_waited_for(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    rolling = run("--steps", "20,100", "--max-hold", "10m", "--load", LOAD)
    rolling.says("Step 1/2")
    signal_api_server(cluster, "STOP")
    try:
        rolling.says("Not seen: ")
    finally:
        signal_api_server(cluster, "CONT")
    assert rolling.ends() == exits.DONE, rolling.lines


def signal_api_server(cluster: Cluster, name: str) -> None:
    """Have it stand still, or go on."""
    each = f"grep -qx kube-apiserver $each/comm && kill -{name} ${{each#/proc/}}"
    cluster.enter("sh", "-c", f"for each in /proc/[0-9]*; do {each}; done; :")


@pytest.mark.long
def test_both_versions_bad_is_no_fault_of_the_canary(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    with told.told(cluster, "fifth", "world-v1", "world-v2"):
        rolling = run("--steps", "20,100", "--load", LOAD)
        assert rolling.ends() == exits.HELD, rolling.lines
    rolling.says("both versions break the limits")
    assert weight() == 20


@pytest.mark.long
def test_a_version_without_endpoints_is_waited_for(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    with told.told(cluster, "refuse"):
        eventually(lambda: not _ready(cluster, "world-v2"))
        rolling = run("--steps", "20,100")
        rolling.says("20 %: not done: world-v2 has no endpoints. Holding for up to ")
    # It is ready again.
    assert rolling.ends() == exits.HELD, rolling.lines
    rolling.says("Step 1/2")
    rolling.says("no data: 0 requests to world-v2")


def _ready(cluster: Cluster, app: str) -> bool:
    found = cluster.get("endpoints", app, "-n", APPS)
    return any(subset.get("addresses") for subset in found.get("subsets") or [])


@pytest.mark.long
def test_what_happens_to_the_mesh_meanwhile_is_no_fault_of_the_canary(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    """A linkerd and both namerds replaced, and the rollout itself killed: it goes on to its end."""
    with Visitors(url, at_once=2, pause=0.2) as visitors:
        how = ("--steps", "20,100", "--interval", "20s", "--max-hold", "5m", "--load", LOAD)
        rolling = run(*how)
        rolling.says("Step 1/2")
        names = [pod["metadata"]["name"] for pod in pods(cluster, MESH, "namerd")]
        cluster.kubectl("delete", "pod", "-n", MESH, *names, "--grace-period=0", "--force")
        one = pods(cluster, MESH, "l5d")[0]["metadata"]["name"]
        cluster.kubectl("delete", "pod", "-n", MESH, one)
        rolling.says("linkerd on ")
        rolling.process.send_signal(signal.SIGKILL)
        rolling.ends()
        before = journal.find(ROOT, None).rollout
        assert before.code is None
        settled(cluster)
        refused = command(
            str(PYTHON), "-m", "canary", "run", "--resume", status=exits.DRIFTED
        )  # the lease is the killed one's yet
        assert "runs a rollout of this split since" in refused
        expire(cluster)
        again = run("--resume", "--load", LOAD)
        assert again.ends() == exits.DONE, again.lines
    again.says("Resumed by ")
    again.says("world-v2 has 100 % after ")
    assert "world-v1" not in table(cluster)
    assert visitors.failures == [], visitors.reasons


def expire(cluster: Cluster) -> None:
    """As though a minute had passed since the lease was renewed."""
    patch = '{"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}}'
    where = ("lease", "canary-world", "-n", MESH, "--type=merge", "-p", patch)
    cluster.kubectl("patch", *where)


@pytest.fixture
def away(cluster: Cluster) -> Iterator[node.Node]:
    """A node that may be stopped: neither the control plane's nor that of the only CoreDNS."""
    (dns,) = cluster.get("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")["items"]
    chosen = next(each for each in node.nodes()[1:] if each.name != dns["spec"]["nodeName"])
    yield chosen
    make("up")
    settled(cluster)


@pytest.mark.long
def test_a_node_that_goes_is_no_fault_of_the_canary(
    cluster: Cluster, url: str, run: Callable[..., UnderWay], away: node.Node
) -> None:
    """Requests to its pods fail, of both versions; its linkerd is left out in the end."""
    how = ("--steps", "20,100", "--interval", "45s", "--max-hold", "10m", "--load", LOAD)
    rolling = run(*how)
    rolling.says("Step 1/2")
    make("stop", away.number)
    rolling.says(f"linkerd on {away.name} cannot be read any more: the others go on without it.")
    assert rolling.ends() == exits.DONE, rolling.lines


@pytest.mark.long
def test_another_release_of_the_canary_in_mid_run_stops_it(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    rolling = run("--steps", "20,100", "--interval", "15s", "--load", LOAD)
    rolling.says("Step 1/2")
    cluster.kubectl("rollout", "restart", "deployment/world-v2", "-n", APPS)
    assert rolling.ends() == exits.DRIFTED, rolling.lines
    rolling.says("world-v2 is not what this rollout began with: its pods run another release")
    assert weight() == 20
    settled(cluster)


@pytest.mark.long
def test_an_interrupt_leaves_the_weight_and_promote_goes_on(
    cluster: Cluster, url: str, run: Callable[..., UnderWay]
) -> None:
    rolling = run("--steps", "20,100", "--interval", "10m", "--load", LOAD)
    rolling.says("Step 1/2")
    rolling.process.send_signal(signal.SIGINT)
    assert rolling.ends() == exits.INTERRUPTED, rolling.lines
    rolling.says("Interrupted at 20 %, which stays. canary run --resume goes on")
    assert weight() == 20
