"""`python -m canary deploy` and `outcome`, on a real API server, the real engine and a fake GitHub.

The linkerds are stand-ins that count as the table in force says.
"""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from canary import exits
from local.paths import ROOT
from tests.engine.cluster import MESH, Cluster
from tests.engine.split_stack import split_stack
from tests.engine.test_rollout import change, held
from tests.engine.test_rollout_run import Traffic
from tests.harness.engine import Engine
from tests.harness.fake_github import FakeGitHub, fake_github
from tests.harness.linkerds import StandInLinkerds
from tests.harness.under_way import UnderWay
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.long

ANALYSIS = {"interval": "10s", "scrape": "1s", "maxHold": "10s", "steps": [20, 100]}


@pytest.fixture(scope="module")
def made(
    shared_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, StandInLinkerds]]:
    """A stack that was never deployed, in a repository."""
    with split_stack(shared_cluster, tmp_path_factory.mktemp("deploy")) as found:
        git(found[0], "init", "-q", "-b", "main")
        yield found


def git(engine: Engine, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", *who, "-C", str(engine.project), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Pipeline:
    """Merges to a branch, and what its jobs do then."""

    def __init__(self, engine: Engine, cluster: Cluster, github: FakeGitHub, folder: Path) -> None:
        self.engine, self.github = engine, github
        self.outcome, self.report = folder / "deployment.json", folder / "rollout.html"
        self.summary = folder / "summary.md"
        self._cluster = cluster
        self.config: dict[str, object] = {
            "kubeconfig": yaml.safe_dump(cluster.admin),
            "canaryAnalysis": ANALYSIS,
        }

    def merge(self, weight: float, **more: object) -> str:
        """Commit another config as a pull request does; the commit."""
        self.engine.configure(**{**self.config, "canaryWeight": weight, **more})
        git(self.engine, "add", "Pulumi.yaml", "Pulumi.dev.yaml")
        git(self.engine, "commit", "-q", "--allow-empty", "-m", f"{weight} percent")
        commit = git(self.engine, "rev-parse", "HEAD")
        self.github.merged(commit)
        return commit

    @property
    def arguments(self) -> list[str]:
        return ["deploy", "-o", str(self.report), "--outcome", str(self.outcome)]

    def deploy(self, code: int, *more: str) -> subprocess.CompletedProcess[str]:
        """The job `up`, on a fresh checkout."""
        self.check_out()
        ran = self.engine.canary(*self.arguments, *more)
        assert ran.returncode == code, ran
        return ran

    def check_out(self) -> None:
        for path in (self.report, self.outcome, self.summary):
            path.unlink(missing_ok=True)
        self.engine.set_environment(GITHUB_STEP_SUMMARY=str(self.summary))
        git(self.engine, "checkout", "-q", "--", "Pulumi.dev.yaml")

    def tell(self) -> str:
        """The job `outcome`."""
        self.engine.set_environment(**self.github.environment())
        ran = self.engine.canary("outcome", str(self.outcome), "--stack", "dev")
        assert ran.returncode == exits.DONE, ran
        return ran.stdout

    @property
    def settings(self) -> bytes:
        return (self.engine.project / "Pulumi.dev.yaml").read_bytes()

    @property
    def canary_weight(self) -> object:
        found = yaml.safe_load(self.settings)["config"]
        return found["linkerd-canary:canaryWeight"]

    @property
    def table(self) -> str:
        return (self._cluster.table() or "").rpartition("=>")[2]


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with fake_github() as found:
        yield found


@pytest.fixture
def traffic(made: tuple[Engine, StandInLinkerds], shared_cluster: Cluster) -> dict[str, Traffic]:
    linkerds = made[1]
    found = {pod: Traffic(shared_cluster) for pod in linkerds.pods}
    for pod, each in found.items():
        linkerds.counters[pod] = each.page
    return found


@pytest.fixture
def pipeline(
    made: tuple[Engine, StandInLinkerds],
    traffic: dict[str, Traffic],
    shared_cluster: Cluster,
    github: FakeGitHub,
    tmp_path: Path,
) -> Pipeline:
    assert traffic
    shared_cluster.api.kubectl("delete", "leases", "--all", "--namespace", MESH)
    made[0].set_environment(REFUSE="")
    return Pipeline(made[0], shared_cluster, github, tmp_path)


@pytest.fixture
def at_0(pipeline: Pipeline) -> Pipeline:
    """Deployed with no weight for the canary."""
    pipeline.merge(0)
    pipeline.engine.up("--refresh")
    return pipeline


def test_the_first_deployment_has_its_weight_at_once(pipeline: Pipeline) -> None:
    """It runs first: nothing is deployed before."""
    pipeline.merge(30)
    before = pipeline.settings
    ran = pipeline.deploy(exits.DONE)
    assert "Step 1/" not in ran.stdout
    assert "create" in ran.stdout
    assert pipeline.table == "70.00*/srv/world-v1 & 30.00*/srv/world-v2"
    assert pipeline.settings == before
    assert pipeline.tell() == "what Git has is in force\n"


def test_a_weight_that_rises_goes_by_steps_and_the_rest_at_once(at_0: Pipeline) -> None:
    at_0.merge(40, replicas=7)
    before = at_0.settings
    ran = at_0.deploy(exits.DONE)
    lines = ran.stdout.splitlines()
    assert lines[0] == "world-v2: 0 % for this update, then by steps to 40 %."
    (update,) = [number for number, line in enumerate(lines) if line.startswith("Resources:")]
    told = [line[9:] for line in lines[update:]]
    assert told.index("Step 1/2: 20 % to world-v2 for 10 s.") < told.index(
        "Step 2/2: 40 % to world-v2 for 10 s."
    )
    assert any(line.startswith("world-v2 has 40 % after ") for line in told)
    assert at_0.table == "60.00*/srv/world-v1 & 40.00*/srv/world-v2"
    assert "/replicas/7" in str(at_0.engine.state())
    assert at_0.settings == before
    assert "world-v2 was promoted to 40 % in " in at_0.report.read_text()
    assert "| `world-v2` | 0 % | 40 % | 40 % |" in at_0.summary.read_text()
    assert at_0.engine.preview().steps.keys() == {"unchanged"}


def test_a_version_that_fails_goes_back_and_the_next_good_deployment_closes_the_issue(
    at_0: Pipeline, github: FakeGitHub, traffic: dict[str, Traffic]
) -> None:
    commit = at_0.merge(40)
    at_0.merge(40, replicas=8)
    for each in traffic.values():
        each.failing = 0.2
    ran = at_0.deploy(exits.FAILED)
    assert "worse beyond chance" in ran.stdout
    assert at_0.table == "/srv/world-v1"
    assert at_0.canary_weight == "0"
    assert "world-v2 was rolled back at 20 % after " in at_0.summary.read_text()
    assert "world-v2 was rolled back at 20 % after " in at_0.report.read_text()

    assert at_0.tell() == "opened https://github.example/i/1\n"
    (issue,) = github.issues
    assert issue["title"] == "Git has a canary weight that has not passed on dev"
    assert f"**Revert #{github.pulls[commit]}**, which raised `world-v2`." in issue["body"]
    assert "| `world-v2` | 0 % | 40 % | 0 % |" in issue["body"]
    assert "world-v2 was rolled back at 20 % after " in issue["body"]

    at_0.engine.set_environment(REFUSE="the program refuses")
    at_0.deploy(exits.CANNOT)
    assert at_0.tell() == "nothing was rolled out: the issue, if there is one, stays as it is\n"
    assert issue["state"] == "open"

    at_0.engine.set_environment(REFUSE="")
    at_0.merge(0)
    at_0.deploy(exits.DONE)
    assert at_0.tell() == "closed https://github.example/i/1\n"
    assert issue["state"] == "closed"


def test_a_weight_that_falls_falls_at_once(at_0: Pipeline) -> None:
    at_0.merge(30)
    at_0.engine.up()
    at_0.merge(10)
    ran = at_0.deploy(exits.DONE)
    assert "Step 1/" not in ran.stdout
    assert at_0.table == "90.00*/srv/world-v1 & 10.00*/srv/world-v2"


def test_what_somebody_changed_is_put_back_before_the_steps(
    at_0: Pipeline, shared_cluster: Cluster
) -> None:
    change(shared_cluster)
    at_0.merge(20)
    ran = at_0.deploy(exits.DONE)
    assert "Step 1/1: 20 % to world-v2 for 10 s." in ran.stdout
    assert at_0.table == "80.00*/srv/world-v1 & 20.00*/srv/world-v2"


def test_an_update_that_fails_puts_the_settings_back(at_0: Pipeline) -> None:
    at_0.merge(40)
    before = at_0.settings
    at_0.engine.set_environment(REFUSE="the program refuses")
    ran = at_0.deploy(exits.CANNOT)
    assert ran.stderr.endswith("\nerror: pulumi up failed: the program refuses\n")
    assert at_0.settings == before
    assert (
        "**The deployment failed:** `pulumi up failed: the program refuses`"
        in at_0.summary.read_text()
    )


def test_what_pulumi_refuses_to_begin_with_is_the_reason_too(at_0: Pipeline) -> None:
    at_0.merge(0, replicas="[]")
    ran = at_0.deploy(exits.CANNOT)
    assert "error: pulumi up failed: validating stack config: " in ran.stderr
    assert "`pulumi up failed: validating stack config: " in at_0.summary.read_text()


def test_a_step_that_is_too_large_is_told_before_anything_changes(at_0: Pipeline) -> None:
    at_0.merge(40, maxWeightStep=10)
    before = at_0.settings
    ran = at_0.deploy(exits.CANNOT)
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: the step from 0 to 20 is more than maxWeightStep, 10")
    assert at_0.settings == before


def test_a_rollout_by_hand_is_let_be(at_0: Pipeline, shared_cluster: Cluster) -> None:
    held(shared_cluster, "Progressing")
    at_0.merge(0, replicas=9)
    ran = at_0.deploy(exits.DRIFTED)
    assert ran.stderr.startswith("error: anna@ws7 (pid 4121) runs a rollout of world-v2 since ")
    assert ran.stderr.endswith(": canary abort or promote act on it\n")
    assert at_0.tell() == "nothing was rolled out: the issue, if there is one, stays as it is\n"


def test_an_interrupt_leaves_the_weight_and_is_told(at_0: Pipeline, github: FakeGitHub) -> None:
    at_0.merge(100, canaryAnalysis={**ANALYSIS, "interval": "10m"})
    at_0.check_out()
    running = UnderWay(at_0.engine.start_canary(*at_0.arguments))
    try:
        running.says("Step 1/2: 20 %")
        running.process.send_signal(signal.SIGTERM)
        assert running.ends() == exits.TERMINATED, running.lines
    finally:
        running.process.kill()
    assert at_0.table == "80.00*/srv/world-v1 & 20.00*/srv/world-v2"
    assert at_0.tell() == "opened https://github.example/i/1\n"
    assert "| `world-v2` | 0 % | 100 % | 20 % |" in github.issues[0]["body"]


def test_a_deployment_that_was_killed_is_told(at_0: Pipeline, github: FakeGitHub) -> None:
    at_0.merge(100, canaryAnalysis={**ANALYSIS, "interval": "10m"})
    at_0.check_out()
    running = UnderWay(at_0.engine.start_canary(*at_0.arguments))
    running.says("Step 1/2: 20 %")
    running.process.kill()
    running.ends()
    assert at_0.tell() == "opened https://github.example/i/1\n"
    assert "did not come to its end" in github.issues[0]["body"]
    assert "| `world-v2` | 0 % | 100 % | not known |" in github.issues[0]["body"]


def test_its_rights_are_enough(at_0: Pipeline, shared_cluster: Cluster) -> None:
    """The Role of deployments in the mesh's namespace, and what tells the cluster."""
    api = shared_cluster.api
    rights = list(yaml.safe_load_all((ROOT / "ci" / "rights" / "deploy.yaml").read_text()))
    for number, role in enumerate(rights[:2]):
        name = f"deploy-user-{number}"
        in_mesh = {"namespace": MESH} if role["kind"] == "Role" else {}
        api.apply({**role, "metadata": {"name": name, **in_mesh}})
        binding, ref = (
            ("rolebinding", "--role") if in_mesh else ("clusterrolebinding", "--clusterrole")
        )
        where = ("-n", MESH) if in_mesh else ()
        api.kubectl("create", binding, name, *where, f"{ref}={name}", "--user=deploy-user")
    kubeconfig = api.kubeconfig_for("deploy-user")
    api.wait_until_allowed("deploy-user", "update", "leases.coordination.k8s.io", MESH)
    at_0.config["kubeconfig"] = kubeconfig.read_text()
    at_0.merge(20)
    asked = len(api.requests())
    at_0.deploy(exits.DONE)

    def used() -> set[str]:
        return {
            each.verb
            for each in api.requests()[asked:]
            if each.user == "deploy-user" and "/leases" in each.path
        }

    wait_until(lambda: used() == {"get", "create", "update"}, "all rights on leases used")
