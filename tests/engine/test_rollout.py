"""`python -m canary status` and `set`, on a real API server and the real engine."""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from canary import endpoints, exits, lease
from kube.api import Api
from kube.connection import to_cluster
from local.paths import ROOT
from tests.engine.cluster import MESH, Cluster
from tests.engine.split_stack import split_stack
from tests.harness import counters
from tests.harness.counters import DAEMONSET, steady
from tests.harness.engine import Engine
from tests.harness.linkerds import StandInLinkerds
from tests.harness.processes import refusing_port
from tests.harness.real_prometheus import RealPrometheus, Scraped, real_prometheus

V1, V2 = f"{DAEMONSET}$/inet/127.0.0.1/7001", f"{DAEMONSET}$/inet/127.0.0.1/7002"


@pytest.fixture(scope="module")
def deployed(
    shared_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, StandInLinkerds]]:
    """A stack at weight 10 whose two linkerds count."""
    with split_stack(shared_cluster, tmp_path_factory.mktemp("rollout")) as found:
        yield found


@pytest.fixture
def engine(deployed: tuple[Engine, StandInLinkerds], shared_cluster: Cluster) -> Engine:
    """At weight 10, with nothing left of the test before."""
    found, linkerds = deployed
    linkerds.counters.clear()
    for pod in linkerds.pods:
        linkerds.counters[pod] = counts(90, 10)
    shared_cluster.api.kubectl("delete", "leases", "--all", "--namespace", MESH)
    found.set_environment(REFUSE="")
    found.configure(kubeconfig=yaml.safe_dump(shared_cluster.admin), canaryWeight=10)
    found.up("--refresh")
    return found


@pytest.fixture
def linkerds(deployed: tuple[Engine, StandInLinkerds]) -> StandInLinkerds:
    return deployed[1]


def counts(v1: int, v2: int, failed: int = 0) -> Callable[[], str]:
    """A page on which each version has had so many requests in its last window, and ten times that
    before."""

    def version(client: str, count: int, failures: int | None) -> str:
        window = steady(3)
        return counters.version(client, 11 * count, failures, window=window, window_count=count)

    return lambda: counters.page(version(V1, v1, None), version(V2, v2, failed or None))


def growing(v1: int, v2: int) -> Callable[[], str]:
    """A page whose counters grow by so many at each look."""
    looks = iter(range(1, 1_000_000))

    def page() -> str:
        look = next(looks)
        return counters.page(counters.version(V1, look * v1), counters.version(V2, look * v2))

    return page


def settings(engine: Engine) -> bytes:
    return (engine.project / "Pulumi.dev.yaml").read_bytes()


def test_where_a_canary_stands(engine: Engine) -> None:
    # Rates are of the last window: two linkerds with 90 and 10 requests in 10 s.
    ran = engine.canary("status")
    assert ran.returncode == exits.DONE, ran
    assert ran.stderr == ""
    rows = {line[:13].strip(): line[13:] for line in ran.stdout.splitlines()}
    assert "canary of world-v2 over world-v1" in ran.stdout
    assert "stack dev" in ran.stdout
    assert rows["weight"].split() == ["90", "%", "10", "%"]
    assert rows["configured"].split() == ["90", "%", "10", "%"]
    assert "90 % (85.1–93.4)" in rows["share"]
    assert "10 % (6.6–14.9)   last 10 s" in rows["share"]
    assert rows["requests/s"].split() == ["18.0", "2.0"]
    assert "100 % of 1,980" in rows["success"]
    assert "100 % of 220   since linkerd counts" in rows["success"]
    assert "p50 3 p90 3 ms" in rows["latency"]


def test_as_json(engine: Engine, linkerds: StandInLinkerds) -> None:
    linkerds.counters["l5d-1"] = counts(90, 10, failed=4)
    ran = engine.canary("status", "--json", "--stack", "dev", "--service", "world")
    found = json.loads(ran.stdout)
    assert found["exit"] == ran.returncode == exits.DONE
    assert (found["version"], found["stack"], found["service"]) == (1, "dev", "world")
    weights = {"world-v1": 90, "world-v2": 10}
    assert found["weights"] == {
        "inForce": weights,
        "deployed": weights,
        "configured": weights,
        "committed": None,
    }
    assert found["measured"]["linkerds"] == ["node-0", "node-1"]
    v1, v2 = found["versions"]
    assert (v2["name"], v2["boundName"]) == ("world-v2", "/$/inet/127.0.0.1/7002")
    assert (v2["requests"], v2["failures"], v2["requestsPerSecond"]) == (220, 4, 2.0)
    assert v2["share"]["low"] < 0.1 < v2["share"]["high"]
    assert v1["latencyMs"] == {"p50": 3, "p90": 3}
    assert found["rollout"] is None
    assert found["findings"] == []


def test_status_changes_nothing(engine: Engine, shared_cluster: Cluster) -> None:
    before, version = settings(engine), shared_cluster.object()
    asked = len(shared_cluster.api.requests())
    engine.canary("status")
    assert not [each for each in shared_cluster.api.requests()[asked:] if each.writes]
    assert (settings(engine), shared_cluster.object()) == (before, version)


def test_a_config_that_is_not_deployed(engine: Engine) -> None:
    engine.set("canaryWeight", "30")
    ran = engine.canary("status")
    assert ran.returncode == exits.DRIFTED
    said = (
        "Pulumi.dev.yaml has canaryWeight 30, and 10 % is in force: the next pulumi up sets 30 %."
    )
    assert said in ran.stdout.splitlines()
    assert "≠ in force" in ran.stdout


def test_a_config_that_cannot_be_used(engine: Engine) -> None:
    engine.set("canaryWeight", "130")
    ran = engine.canary("status")
    assert ran.returncode == exits.DRIFTED
    assert "Pulumi.dev.yaml cannot be used: it must be a percent from 0 to 100" in ran.stdout


def test_a_config_that_is_not_committed(engine: Engine) -> None:
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(engine.project))
    before = settings(engine)
    subprocess.run([*git, "init", "-q"], check=True)
    try:
        subprocess.run([*git, "add", "Pulumi.yaml"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
        ran = engine.canary("status")
        assert "Pulumi.dev.yaml is not in the last commit. Commit it." in ran.stdout
        engine.set("canaryWeight", "0")
        subprocess.run([*git, "add", "Pulumi.dev.yaml"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "two"], check=True)
        (engine.project / "Pulumi.dev.yaml").write_bytes(before)
        ran = engine.canary("status")
    finally:
        subprocess.run(["rm", "-r", str(engine.project / ".git")], check=True)
    assert ran.returncode == exits.DRIFTED
    said = (
        "Pulumi.dev.yaml has canaryWeight 10, the last commit has canaryWeight 0: the next "
        "deployment from it sets 0 %. Commit it."
    )
    assert said in ran.stdout.splitlines()


def test_a_table_that_somebody_has_changed(engine: Engine, shared_cluster: Cluster) -> None:
    change(shared_cluster)
    ran = engine.canary("status")
    assert ran.returncode == exits.DRIFTED
    assert "The table was changed to 50/50 by kubectl-edit at 20" in ran.stdout
    assert "≠ the last update" in ran.stdout


def change(cluster: Cluster) -> None:
    """Give each version half, by hand."""
    found = cluster.object()
    assert found is not None
    entries = [(each["prefix"], each["dst"]) for each in found["dentries"]]
    half = "50.00*/srv/world-v1 & 50.00*/srv/world-v2"
    cluster.edit([*entries[:-1], (entries[-1][0], half)])


def held(cluster: Cluster, phase: str, ago: int = 0) -> None:
    """Have somebody hold the split."""
    renewed = datetime.now(UTC) - timedelta(seconds=ago)
    cluster.api.apply(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": lease.name_of("world"),
                "namespace": MESH,
                "annotations": {lease.PHASE: phase, lease.WEIGHT: "10"},
            },
            "spec": {
                "holderIdentity": "anna@ws7/4121",
                "leaseDurationSeconds": 60,
                "acquireTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }
    )


@pytest.mark.parametrize(
    ("phase", "code"),
    [("Progressing", exits.DONE), ("Paused", exits.PAUSED), ("Holding", exits.HELD)],
)
def test_a_rollout_that_is_under_way(
    engine: Engine, shared_cluster: Cluster, phase: str, code: int
) -> None:
    held(shared_cluster, phase)
    ran = engine.canary("status")
    assert ran.returncode == code
    assert "anna@ws7 (pid 4121) runs a rollout of world-v2 since " in ran.stdout
    assert f", at 10 %: {phase}." in ran.stdout


def test_a_rollout_that_was_killed(engine: Engine, shared_cluster: Cluster) -> None:
    held(shared_cluster, "Progressing", ago=600)
    ran = engine.canary("status")
    assert ran.returncode == exits.HELD
    assert "The rollout of anna@ws7 (pid 4121), at 10 % has not been heard of" in ran.stdout


def test_a_share_that_is_not_the_weight(engine: Engine, linkerds: StandInLinkerds) -> None:
    for pod in linkerds.pods:
        linkerds.counters[pod] = growing(1000, 0)
    ran = engine.canary("status", "--for", "1", "--json")
    found = json.loads(ran.stdout)
    # So soon after an update nothing is said of the share, but the numbers are there.
    assert found["measured"]["requestsSinceStart"] is False
    assert found["versions"][0]["requests"] == 2000
    assert found["versions"][1]["share"]["value"] == 0


def test_a_linkerd_that_cannot_be_read(engine: Engine, linkerds: StandInLinkerds) -> None:
    linkerds.counters["l5d-1"] = lambda: "jvm:start_time never\n"
    ran = engine.canary("status")
    assert "linkerd on node-1 is left out: its counters cannot be read" in ran.stdout
    assert "100 % of 990" in ran.stdout


def by_prometheus(engine: Engine, cluster: Cluster, address: str, **more: object) -> None:
    """Have the counters read from there."""
    given = {"prometheus": address, **more}
    engine.configure(
        kubeconfig=yaml.safe_dump(cluster.admin), canaryWeight=10, canaryAnalysis=given
    )


@pytest.fixture
def scraping(
    engine: Engine, linkerds: StandInLinkerds, shared_cluster: Cluster, tmp_path: Path
) -> Iterator[RealPrometheus]:
    """A Prometheus that scrapes both linkerds, which the commands read their counters from."""
    with real_prometheus(tmp_path) as found:
        shared_cluster.api.expose(MESH, "prometheus", {"web": found.port})
        found.scrape(*(Scraped(*linkerds.scraped(pod), {"pod": pod}) for pod in linkerds.pods))
        by_prometheus(engine, shared_cluster, f"{MESH}/prometheus:web", interval="10s")
        yield found


def test_counters_by_prometheus_are_those_of_the_linkerds(
    engine: Engine, scraping: RealPrometheus, linkerds: StandInLinkerds, shared_cluster: Cluster
) -> None:
    asked = len(linkerds.asked)
    scraped = json.loads(engine.canary("status", "--json").stdout)
    by_prometheus(engine, shared_cluster, scraping.url)
    by_url = json.loads(engine.canary("status", "--json").stdout)
    by_prometheus(engine, shared_cluster, "")
    directly = json.loads(engine.canary("status", "--json").stdout)
    for found in (scraped, by_url):
        for key in ("versions", "measured", "findings", "weights"):
            assert found[key] == directly[key]
    assert directly["measured"]["linkerds"] == ["node-0", "node-1"]
    assert asked < len(linkerds.asked)


def test_a_prometheus_that_cannot_be_asked_hides_nothing_else(
    engine: Engine, shared_cluster: Cluster
) -> None:
    with refusing_port() as port:
        by_prometheus(engine, shared_cluster, f"http://127.0.0.1:{port}")
        ran = engine.canary("status")
        moved = engine.canary("set", "20")
    assert ran.returncode == exits.FAILED
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert (
        "linkerd on node-0 and node-1 is left out: Prometheus at "
        f"http://127.0.0.1:{port} cannot be reached: Connection refused"
    ) in lines
    assert any(line.split() == ["weight", "90", "%", "10", "%"] for line in lines)
    # An abort must not depend on it either.
    assert moved.returncode == exits.DONE, moved
    assert "20.00*/srv/world-v2" in str(shared_cluster.table())


@pytest.mark.long
@pytest.mark.usefixtures("scraping")
def test_set_waits_for_the_share_of_scrapes_after_the_update(
    engine: Engine, linkerds: StandInLinkerds
) -> None:
    for pod in linkerds.pods:
        linkerds.counters[pod] = growing(800, 200)
    ran = engine.canary("set", "20", "--wait", "--max-wait", "120")
    assert ran.returncode == exits.DONE, ran
    assert "20 % (" in ran.stdout.splitlines()[-1]
    # And one look after another is no shorter than from scrape to scrape.
    found = json.loads(engine.canary("status", "--for", "1", "--json").stdout)
    assert found["measured"]["requestsSinceStart"] is False
    assert found["measured"]["leftOut"] == []
    v1, v2 = found["versions"]
    assert v1["requests"] == 4 * v2["requests"] >= 800
    lines = engine.canary("status", "--watch", "--for", "8").stdout.splitlines()
    assert "share 20 % (" in lines[-1]


def test_watching_through_a_pipe_is_a_line_a_look(
    engine: Engine, linkerds: StandInLinkerds
) -> None:
    for pod in linkerds.pods:
        linkerds.counters[pod] = growing(900, 100)
    lines = watched(engine, "--watch", until=lambda line: "share 10 % (" in line)
    assert len(lines) >= 2
    assert all(line[2] == line[5] == ":" and " world: world-v1 90 %" in line for line in lines)

    def has_measured(line: str) -> bool:
        return json.loads(line)["measured"]["requestsSinceStart"] is False

    assert len(watched(engine, "--watch", "--json", until=has_measured)) >= 2


def watched(engine: Engine, *arguments: str, until: Callable[[str], bool]) -> list[str]:
    """The lines of a `status` that is watched, to the first that is as it is to be."""
    with engine.start_canary("status", *arguments) as process:
        assert process.stdout
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if until(line):
                break
        process.kill()
    assert lines, "it said nothing"
    assert until(lines[-1]), lines
    return lines


def test_set_moves_the_config_and_this_table_alone(engine: Engine, shared_cluster: Cluster) -> None:
    spare = shared_cluster.object("spare")
    engine.set("replicas", "5")
    ran = engine.canary("set", "25.5")
    assert ran.returncode == exits.DONE, ran
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[0] == "Not part of this update, and not deployed yet: replicas."
    assert lines[1] == "world-v2: 10 % to 25.5 % …"
    assert lines[2].startswith("25.5 % is in force after ")
    assert "25.50*/srv/world-v2" in str(shared_cluster.table())
    assert b"canaryWeight: 25.5" in settings(engine).replace(b'"', b"")
    assert shared_cluster.object("spare") == spare
    found = json.loads(engine.canary("status", "--json").stdout)
    assert found["weights"]["inForce"] == found["weights"]["configured"]
    assert found["update"]["by"].startswith("canary set world 25.5 by ")


def test_set_waits_until_the_share_is_the_weight(engine: Engine, linkerds: StandInLinkerds) -> None:
    for pod in linkerds.pods:
        linkerds.counters[pod] = growing(800, 200)
    ran = engine.canary("set", "20", "--wait", "--max-wait", "60")
    assert ran.returncode == exits.DONE, ran
    assert "20 % (18.3–21.8) of 2,000 requests reach world-v2." in ran.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (lambda: growing(1000, 41), "Weight 20 %, but 3.9 % ("),
        (lambda: counts(0, 0), "20 %: no data: 0 requests in the last of 3 s, 100 are needed."),
    ],
)
def test_a_share_that_does_not_follow(
    engine: Engine, linkerds: StandInLinkerds, page: Callable[[], Callable[[], str]], said: str
) -> None:
    for pod in linkerds.pods:
        linkerds.counters[pod] = page()
    ran = engine.canary("set", "20", "--wait", "--max-wait", "3")
    assert ran.returncode == exits.HELD
    assert said in ran.stdout.splitlines()[-1]


def refuses(engine: Engine, cluster: Cluster, code: int, *arguments: str) -> str:
    """The one line of a `set` that leaves config and table as they were."""
    before, table = settings(engine), cluster.table()
    ran = engine.canary("set", *arguments)
    assert ran.returncode == code, ran
    assert (settings(engine), cluster.table()) == (before, table)
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


@pytest.mark.parametrize("weight", ["101", "ten", "0.555", ""])
def test_set_refuses_what_is_no_weight(
    engine: Engine, shared_cluster: Cluster, weight: str
) -> None:
    line = refuses(engine, shared_cluster, exits.CANNOT, weight)
    assert line.startswith(f"the weight is {weight!r}: it must be a percent from 0 to 100")


def test_set_refuses_a_step_that_is_too_large(engine: Engine, shared_cluster: Cluster) -> None:
    engine.set("maxWeightStep", "20")
    line = refuses(engine, shared_cluster, exits.CANNOT, "31")
    assert line.startswith("from 10 to 31 is more than maxWeightStep, 20: go by 30, or raise it")


def test_set_refuses_while_the_table_is_another(engine: Engine, shared_cluster: Cluster) -> None:
    change(shared_cluster)
    line = refuses(engine, shared_cluster, exits.DRIFTED, "20")
    assert line.startswith("The table was changed to 50/50 by kubectl-edit at 20")


def test_set_refuses_while_a_rollout_is_under_way(engine: Engine, shared_cluster: Cluster) -> None:
    held(shared_cluster, "Progressing")
    line = refuses(engine, shared_cluster, exits.DRIFTED, "20")
    assert line.startswith("anna@ws7 (pid 4121) runs a rollout of world-v2 since ")
    assert line.endswith(", at 10 %: canary abort or promote act on it")


def test_a_set_that_pulumi_refuses_changes_nothing(engine: Engine, shared_cluster: Cluster) -> None:
    engine.set_environment(REFUSE="the program refuses")
    line = refuses(engine, shared_cluster, exits.CANNOT, "20")
    assert line == "the program refuses; nothing was changed"


def test_a_service_or_stack_that_is_not_there(engine: Engine, shared_cluster: Cluster) -> None:
    line = refuses(engine, shared_cluster, exits.CANNOT, "20", "--service", "hello")
    assert line == "the stack splits no service 'hello', only world"
    line = refuses(engine, shared_cluster, exits.CANNOT, "20", "--stack", "nowhere")
    assert line == "pulumi stack export: no stack named 'nowhere' found"


@pytest.mark.long
def test_each_right_is_needed_and_enough(engine: Engine, shared_cluster: Cluster) -> None:
    api = shared_cluster.api
    roles = list(yaml.safe_load_all((ROOT / "ci" / "rights" / "rollout.yaml").read_text()))
    whole, cluster_wide, load = roles
    user = "rollout-user"
    api.apply(*roles)
    role, in_cluster = whole["metadata"]["name"], cluster_wide["metadata"]["name"]
    api.kubectl(
        "create", "rolebinding", user, "-n", MESH, f"--clusterrole={role}", f"--user={user}"
    )
    api.kubectl(
        "create", "clusterrolebinding", user, f"--clusterrole={in_cluster}", f"--user={user}"
    )
    kubeconfig = api.kubeconfig_for(user)
    granted = {
        (group, resource, verb)
        for rule in [*whole["rules"], *cluster_wide["rules"]]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    for _, resource, verb in granted:
        if resource not in ("namespaces", "services/proxy"):  # which are limited to names
            api.wait_until_allowed(user, verb, resource, MESH)
    engine.configure(kubeconfig=kubeconfig.read_text(), canaryWeight=10)
    engine.up("--target", internal_urn(engine))
    asked = len(api.requests())
    ran = engine.canary("set", "15", "--wait", "--max-wait", "1")
    assert ran.returncode == exits.HELD, ran
    assert engine.canary("status").returncode == exits.DONE
    ran = engine.canary("run", "--to", "16", "--interval", "10s", "--max-hold", "10s")
    assert ran.returncode == exits.HELD, ran
    assert "no data" in ran.stdout
    ran = engine.canary("run", "--to", "17", "--load", "1/s")
    assert ran.returncode == exits.CANNOT, ran
    assert "no connection to port 4140 (Handshake status 403 Forbidden" in ran.stderr
    with to_cluster(str(kubeconfig)) as connection:
        found = endpoints.read(Api(connection), f"/#/io.l5d.k8s/{MESH}/admin/namerd")
    assert found == endpoints.Endpoints(1, 1)
    used = {right(each.path, each.verb) for each in api.requests()[asked:] if each.user == user}
    assert used - {None, ("", "pods/portforward", "get")} == granted
    how = ("-n", MESH, f"--clusterrole={load['metadata']['name']}", f"--user={user}")
    api.kubectl("create", "rolebinding", f"{user}-load", *how)
    for verb in ("get", "create"):
        api.wait_until_allowed(user, verb, "pods/portforward", MESH)
    # There is no kubelet here that would let it through.
    ran = engine.canary("run", "--to", "17", "--load", "1/s")
    assert ran.returncode == exits.CANNOT, ran
    assert "no connection to port 4140" in ran.stderr
    assert "403" not in ran.stderr


def internal_urn(engine: Engine) -> str:
    urns = [str(each["urn"]) for each in engine.state()["resources"]]
    return next(urn for urn in urns if urn.endswith("::internal"))


def right(path: str, verb: str) -> tuple[str, str, str] | None:
    """Group, resource and verb of a request; None for what anybody may ask."""
    words = path.partition("?")[0].strip("/").split("/")
    group, rest = ("", words[2:]) if words[0] == "api" else (words[1], words[3:])
    if group == "authorization.k8s.io" or words[0] not in ("api", "apis"):
        return None
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    part = rest[2] if len(rest) > 2 else ""
    resource = f"{rest[0]}/{part}" if part in ("proxy", "portforward") else rest[0]
    return group, resource, verb
