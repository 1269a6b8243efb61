"""`python -m canary run`, `promote` and `abort`, on a real API server and the real engine.

The linkerds are stand-ins that count as the table in force says, at 400 requests a second each.
"""

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from canary import exits, lease
from canary.rollout import journal
from canary.stack.alone import alone
from kube.api import Api
from kube.connection import to_cluster
from tests.engine.cluster import MESH, Cluster
from tests.engine.split_stack import split_stack
from tests.engine.test_rollout import V1, V2, change, held
from tests.harness import counters
from tests.harness.engine import Engine
from tests.harness.linkerds import StandInLinkerds
from tests.harness.locks import locked
from tests.harness.under_way import UnderWay
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.long

AT_V1 = "/$/inet/127.0.0.1/7001"
RATE = 400.0


class Traffic:
    """What a linkerd would have counted."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._lock = cluster, threading.Lock()
        self._at = time.monotonic()
        self.rate, self.failing = RATE, 0.0
        self.counts = [0.0, 0.0]
        self.weight = 0.0

    def page(self) -> str:
        with self._lock:
            now = time.monotonic()
            requests, self._at = self.rate * (now - self._at), now
            self.counts[0] += requests * (100 - self.weight) / 100
            self.counts[1] += requests * self.weight / 100
            self.weight = self._in_force()
            v1, v2 = (int(each) for each in self.counts)
            failed = int(v2 * self.failing)
        return counters.page(counters.version(V1, v1), counters.version(V2, v2, failed))

    def _in_force(self) -> float:
        table = self._cluster.table() or ""
        found = re.search(r"([\d.]+)\*/srv/world-v2", table)
        return float(found[1]) if found else 100.0 * table.endswith("/srv/world-v2")


@pytest.fixture(scope="module")
def deployed(
    shared_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, StandInLinkerds]]:
    with split_stack(shared_cluster, tmp_path_factory.mktemp("run")) as found:
        yield found


@pytest.fixture
def traffic(deployed: tuple[Engine, StandInLinkerds], shared_cluster: Cluster) -> list[Traffic]:
    linkerds = deployed[1]
    found = [Traffic(shared_cluster) for _ in linkerds.pods]
    for pod, each in zip(linkerds.pods, found, strict=True):
        linkerds.counters[pod] = each.page
    return found


@pytest.fixture
def engine(
    deployed: tuple[Engine, StandInLinkerds], shared_cluster: Cluster, traffic: list[Traffic]
) -> Engine:
    """At weight 0."""
    assert traffic
    found, linkerds = deployed
    linkerds.pages.clear()
    for pod in linkerds.pods:
        linkerds.set_ready(pod)
    shared_cluster.api.kubectl("delete", "leases", "--all", "--namespace", MESH)
    found.set_environment(REFUSE="")
    found.configure(
        kubeconfig=yaml.safe_dump(shared_cluster.admin),
        canaryWeight=0,
        canaryAnalysis={"interval": "10s", "scrape": "1s", "maxHold": "10s"},
    )
    found.up("--refresh")
    return found


@pytest.fixture
def start(engine: Engine) -> Iterator[Callable[..., UnderWay]]:
    running: list[UnderWay] = []

    def started(*arguments: str) -> UnderWay:
        running.append(UnderWay(engine.start_canary(*arguments)))
        return running[-1]

    yield started
    for each in running:
        each.kill()


def settings(engine: Engine) -> dict[str, object]:
    found = yaml.safe_load((engine.project / "Pulumi.dev.yaml").read_text())["config"]
    return {key.partition(":")[2]: value for key, value in found.items()}


def test_a_version_without_fault_gets_everything(engine: Engine, shared_cluster: Cluster) -> None:
    ran = engine.canary("run", "--steps", "20,100")
    assert ran.returncode == exits.DONE, ran
    lines = [line[9:] for line in ran.stdout.splitlines()]
    assert lines[0] == "Step 1/2: 20 % to world-v2 for 10 s."
    assert lines[1].startswith("20 %: passed, ")
    assert lines[1].endswith(" On to 100 %.")
    assert lines[2] == "Step 2/2: 100 % to world-v2 for 10 s."
    assert lines[-1].startswith("world-v2 has 100 % after ")
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in ran.stdout.splitlines())
    assert settings(engine)["canaryWeight"] == "100"
    found = journal.find(engine.project, None)
    assert found.rollout.code == exits.DONE
    with to_cluster(yaml.safe_dump(shared_cluster.admin)) as connection:
        assert lease.read(Api(connection), MESH, "world") is None


def test_a_version_that_fails_goes_back(
    engine: Engine, traffic: list[Traffic], shared_cluster: Cluster
) -> None:
    for each in traffic:
        each.failing = 0.2
    ran = engine.canary("run", "--steps", "20,100")
    assert ran.returncode == exits.FAILED, ran
    assert "worse beyond chance" in ran.stdout
    assert "Back at 0 % in " in ran.stdout
    assert str(shared_cluster.table()).endswith("/srv/world-v1")
    assert settings(engine)["canaryWeight"] == "0"


def test_abort_from_another_terminal(engine: Engine, start: Callable[..., UnderWay]) -> None:
    running = start("run", "--steps", "20,100", "--interval", "10m")
    running.says("Step 1/2")
    second = engine.canary("run")
    assert second.returncode == exits.DRIFTED, second
    assert "runs a rollout of this split" in second.stderr
    ran = engine.canary("abort")
    assert ran.returncode == exits.DONE, ran
    assert running.ends() == exits.ABORTED, running.lines
    assert settings(engine)["canaryWeight"] == "0"


def test_two_aborts_at_once(engine: Engine, start: Callable[..., UnderWay]) -> None:
    running = start("run", "--steps", "20,100", "--interval", "10m")
    running.says("Step 1/2")
    both = [start("abort"), start("abort")]
    before = settings(engine)
    assert [each.ends() for each in both] == [exits.DONE, exits.DONE], [e.lines for e in both]
    assert running.ends() == exits.ABORTED, running.lines
    # Pulumi empties the file and writes it anew: of two at once one might have lost it.
    assert settings(engine) == {**before, "canaryWeight": "0"}


def test_abort_without_a_rollout(engine: Engine, shared_cluster: Cluster) -> None:
    engine.set("canaryWeight", "20")
    engine.up()
    ran = engine.canary("abort")
    assert ran.returncode == exits.DONE, ran
    assert "world-v2: 0 % is in force after " in ran.stdout
    assert settings(engine)["canaryWeight"] == "0"
    again = engine.canary("abort")
    assert again.returncode == exits.DONE, again


def test_an_abort_waits_for_a_config_that_the_program_refuses_to_be_mended(
    engine: Engine, start: Callable[..., UnderWay]
) -> None:
    engine.set("canaryWeight", "20")
    engine.up()
    engine.set("maxWeightStep", "0")
    running = start("abort")
    running.says("config maxWeightStep is '0': it must be a percent from 0.01")
    assert running.lines[0].startswith("0 % is not done yet: ")
    with alone(engine.project):  # each try writes the settings too
        engine.set("maxWeightStep", "100")
    assert running.ends() == exits.DONE, running.lines


def test_abort_leaves_somebody_elses_table_alone(engine: Engine, shared_cluster: Cluster) -> None:
    change(shared_cluster)
    table = shared_cluster.table()
    ran = engine.canary("abort")
    assert ran.returncode == exits.DRIFTED, ran
    assert "error: The table was changed to 50/50 by kubectl-edit" in ran.stderr
    assert shared_cluster.table() == table


def test_a_linkerd_that_does_not_follow_holds_the_step_until_it_does(
    engine: Engine,
    start: Callable[..., UnderWay],
    deployed: tuple[Engine, StandInLinkerds],
    shared_cluster: Cluster,
) -> None:
    linkerds = deployed[1]
    linkerds.follow("l5d-1", "/svc/world", {AT_V1: 1.0})
    running = start("run", "--steps", "20,100", "--interval", "10m", "--max-hold", "10m")
    running.says("20 %: not done: ")
    assert "20.00*" in str(shared_cluster.table())
    assert settings(engine)["canaryWeight"] == "20"
    said: list[str] = []

    def is_held() -> bool:  # as the lease says, which is written every few seconds
        said.append(engine.canary("status").stdout)
        return ": Holding. " in said[-1]

    wait_until(is_held, "status says that it holds")
    assert "was changed" not in said[-1], said
    linkerds.pages.clear()
    running.says("Step 1/2")
    running.process.send_signal(signal.SIGTERM)
    assert running.ends() == exits.TERMINATED, running.lines


def test_an_update_that_failed_after_it_wrote_is_aborted_all_the_same(
    engine: Engine,
    start: Callable[..., UnderWay],
    deployed: tuple[Engine, StandInLinkerds],
    shared_cluster: Cluster,
) -> None:
    deployed[1].follow("l5d-1", "/svc/world", {AT_V1: 1.0})
    running = start("run", "--steps", "20,100", "--interval", "10m", "--max-hold", "10m")
    running.says("20 %: not done: ")
    ran = engine.canary("abort")
    assert ran.returncode == exits.DONE, ran
    assert running.ends() == exits.ABORTED, running.lines
    assert str(shared_cluster.table()).endswith("/srv/world-v1")
    assert settings(engine)["canaryWeight"] == "0"


def test_a_linkerd_that_is_not_ready_is_waited_for_and_then_left_out(
    engine: Engine, start: Callable[..., UnderWay], deployed: tuple[Engine, StandInLinkerds]
) -> None:
    running = start("run", "--steps", "20,100", "--interval", "20s")
    running.says("Step 1/2")
    deployed[1].set_ready("l5d-1", False)
    running.says("linkerd on node-1 cannot be read any more: the others go on without it.")
    assert running.ends() == exits.DONE, running.lines


def test_a_stack_that_somebody_else_updates_is_waited_for(
    engine: Engine, start: Callable[..., UnderWay]
) -> None:
    lock = locked(locks(engine))
    running = start("run", "--steps", "20,100", "--max-hold", "10m")
    running.says("20 %: not done: ")
    assert settings(engine)["canaryWeight"] in (0, "0")
    lock.unlink()
    assert running.ends() == exits.DONE, running.lines


def locks(engine: Engine) -> Path:
    """Where the backend keeps the stack's."""
    backend = engine.project.parent / "backend" / ".pulumi"
    (stack,) = (backend / "stacks").rglob("dev.json")
    project = stack.parent.name
    return backend / "locks" / "organization" / project / "dev"


def test_an_api_server_that_is_away_for_a_while_is_waited_for(
    engine: Engine, start: Callable[..., UnderWay], shared_cluster: Cluster
) -> None:
    running = start("run", "--steps", "20,100", "--max-hold", "10m")
    running.says("Step 1/2")
    with shared_cluster.api.away():
        running.says("Not seen: ")
    assert running.ends() == exits.DONE, running.lines


def test_resume_takes_no_other_plan(engine: Engine) -> None:
    ran = engine.canary("run", "--resume", "--to", "50")
    assert ran.returncode == exits.USAGE
    assert "error: --resume goes on with the plan of the last rollout" in ran.stderr


def test_a_rollout_that_was_killed_goes_on(engine: Engine, start: Callable[..., UnderWay]) -> None:
    running = start("run", "--steps", "20,100", "--interval", "20s")
    running.says("Step 1/2")
    found = journal.find(engine.project, None)
    wait_until(lambda: journal.read(found.path).rollout.analysis.counts[1].requests, "evidence")
    running.process.kill()
    running.ends()
    before = journal.read(found.path).rollout.analysis.counts[1].requests
    refused = engine.canary("run", "--resume")
    assert refused.returncode == exits.DRIFTED, refused
    held_by_nobody(engine)
    again = start("run", "--resume")
    again.says("Resumed by ")
    again.process.send_signal(signal.SIGINT)
    assert again.ends() == exits.INTERRUPTED, again.lines
    assert journal.read(found.path).rollout.analysis.counts[1].requests >= before
    promoted = engine.canary("promote", "--full")
    assert promoted.returncode == exits.DONE, promoted
    assert settings(engine)["canaryWeight"] == "100"


def held_by_nobody(engine: Engine) -> None:
    """As though the lease of the one that was killed had expired."""
    config = str(settings(engine)["kubeconfig"])
    with to_cluster(config) as connection:
        api = Api(connection)
        path = f"/apis/coordination.k8s.io/v1/namespaces/{MESH}/leases/canary-world"
        found = api.parsed(api.get(path))
        found["spec"]["renewTime"] = "2020-01-01T00:00:00.000000Z"
        assert api.put(path, found).status == 200


def test_anothers_change_stops_it_with_nothing_written(
    engine: Engine, start: Callable[..., UnderWay], shared_cluster: Cluster
) -> None:
    running = start("run", "--steps", "20,100", "--interval", "10m")
    running.says("Step 1/2")
    change(shared_cluster)
    table = shared_cluster.table()
    assert running.ends() == exits.DRIFTED
    running.says("Stopped: The table was changed to 50/50 by kubectl-edit")
    assert shared_cluster.table() == table


def test_without_traffic_it_holds_and_leaves_the_weight(
    engine: Engine, traffic: list[Traffic]
) -> None:
    for each in traffic:
        each.rate = 0
    ran = engine.canary("run", "--steps", "20,100")
    assert ran.returncode == exits.HELD, ran
    said = r"20 %: no data: 0 requests to world-v2 in \d+ s, 100 are needed\."
    assert re.search(said, ran.stdout), ran
    assert settings(engine)["canaryWeight"] == "20"


def test_what_it_would_do(engine: Engine) -> None:
    before = settings(engine)
    ran = engine.canary("run", "--dry-run", "--steps", "20,100", "--pause-at", "20")
    assert ran.returncode == exits.DONE, ran
    assert ran.stdout.splitlines()[0].startswith(
        "world-v2: from 0 % to 100 % in 2 steps and at least 20 s, at "
    )
    assert settings(engine) == before
    assert engine.canary("run", "--observe").stderr == (
        "error: world-v2 has 0 %: there is nothing to observe\n"
    )


def test_what_is_held_by_another_is_left_alone(engine: Engine, shared_cluster: Cluster) -> None:
    held(shared_cluster, "Progressing")
    ran = engine.canary("run")
    assert ran.returncode == exits.DRIFTED
    assert ran.stderr.startswith("error: anna@ws7 (pid 4121) runs a rollout of this split since ")
