"""`make up` and what it leaves: a canary that takes its share, and commands that move it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import stack
from local.paths import KUBECONFIG
from tests.e2e import linkerds, local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.local_stack import ANSWER, command, local, set_weight


@pytest.fixture(scope="module")
def tour(cluster: Cluster) -> Iterator[str]:
    """What `make up` prints where no weight was ever set; the config is put back at the end."""
    found = stack.config().get("canaryWeight")
    tree = local_stack.changed_files()
    if found is not None:
        local_stack.up()
        set_weight(0)
        command("pulumi", "config", "rm", "canaryWeight")
    yield local("up")
    assert local_stack.changed_files() == tree, "make up changes no tracked file"
    if found is None:
        command("pulumi", "config", "rm", "canaryWeight")
    else:
        local_stack.configure_weight(float(found))


@pytest.fixture
def url(tour: str) -> str:
    return str(local_stack.outputs()["url"])


def test_make_up_shows_ten_answers_in_the_walkthroughs_form(tour: str) -> None:
    answers = [line for line in tour.splitlines() if ANSWER.fullmatch(line)]
    assert len(answers) == 10
    assert {local_stack.world_of(answer) for answer in answers} == {"world"}


def test_make_up_shows_the_preview_of_the_weight_and_nothing_else(tour: str) -> None:
    preview = tour[tour.index("$ pulumi preview --diff") : tour.index("$ pulumi up")]
    resources, outputs = preview.split("--outputs:--")
    assert [line.strip() for line in resources.splitlines() if re.match(r" +[-+~] ", line)] == [
        "~ pulumi-python:dynamic/namerd:Dtab: (update)",
        "~ splits         : {",
        "~ /host/world: {",
        "~ /srv/world-v1: 100 => 90",
        "~ /srv/world-v2: 0 => 10",
    ], preview
    assert "~ 1 to update" in outputs


def test_make_up_measures_the_split(tour: str) -> None:
    found = re.search(r"Of 500 requests (\d+) went to world-v1 and (\d+) to world-v2", tour)
    assert found
    assert int(found[1]) + int(found[2]) == 500
    assert local_stack.within_binomial_bounds(int(found[2]), 500, 0.1)


def test_make_up_says_which_parts_are_real(tour: str) -> None:
    parts = {
        line.split()[0]: line
        for line in tour.splitlines()
        if " real " in line or "STAND-IN" in line
    }
    assert " real " in parts["kubectl"]
    assert {"pulumi", "kubernetes", "linkerd", "namerd", "helloworld"} <= set(parts)
    for part in ("linkerd", "namerd", "helloworld"):
        assert ("STAND-IN" in parts[part]) == ("standin" in parts[part]), parts[part]


def test_outputs(url: str) -> None:
    outputs = local_stack.outputs()
    assert re.fullmatch(r"http://[0-9.]+", url)
    assert outputs["split"] == {"/host/world": {"/srv/world-v1": 90, "/srv/world-v2": 10}}
    assert outputs["linkerdAdmin"] == "kubectl -n linkerd port-forward svc/l5d 9990"
    assert outputs["namerdAdmin"] == "kubectl -n linkerd port-forward svc/namerd 9991"


def test_an_up_without_a_change_finds_nothing_to_do(url: str) -> None:
    command("pulumi", "up", "--yes", "--expect-no-changes")
    command("pulumi", "preview", "--refresh", "--expect-no-changes")


@pytest.mark.parametrize("weight", [30, 100, 0])
def test_the_traffic_follows_the_weight(cluster: Cluster, url: str, weight: int) -> None:
    set_weight(weight)
    linkerds.wait_until_followed(cluster, weight)
    worlds = local_stack.split_of(url, 2000)
    share = weight / 100
    assert local_stack.within_binomial_bounds(worlds["worldv2"], worlds.total(), share), worlds


def test_the_tables_in_namerd_are_the_walkthroughs(cluster: Cluster, url: str) -> None:
    set_weight(30)
    tables = {
        one["metadata"]["name"]: one for one in cluster.get("dtabs", "-n", "linkerd")["items"]
    }
    assert set(tables) == {"external", "internal"}
    entries = [(one["prefix"], one["dst"]) for one in tables["internal"]["dentries"]]
    # Before them, names with a port or a namespace lose it.
    assert entries[-5:] == [
        ("/srv", "/#/io.l5d.k8s/hello-world/http"),
        ("/host", "/srv"),
        ("/tmp", "/srv"),
        ("/svc", "/host"),
        ("/host/world", "70.00*/srv/world-v1 & 30.00*/srv/world-v2"),
    ]


def test_a_route_of_ones_own_is_refused_at_the_edge(cluster: Cluster, url: str) -> None:
    set_weight(0)
    linkerds.wait_until_followed(cluster, 0)
    answer = local_stack.ask(url, **{"l5d-dtab": "/host/world => /srv/world-v2"})
    assert local_stack.world_of(answer) == "world"


def test_a_request_inside_may_choose_its_version(cluster: Cluster, url: str) -> None:
    for entrance in linkerds.entrances(cluster).values():
        said = local_stack.ask(
            entrance,
            Host="world",
            **{"l5d-dtab": "/host/world => /srv/world-v2"},
        )
        assert said.startswith("worldv2 (")


def test_linkerd_counts_the_canarys_requests_by_version(cluster: Cluster, url: str) -> None:
    set_weight(30)
    linkerds.wait_until_followed(cluster, 30)
    local_stack.split_of(url, 100)
    # Only linkerds beside a hello have passed requests on to world.
    metrics = "".join(linkerds.pages(cluster, "/admin/metrics/prometheus").values())
    for version in ("world-v1", "world-v2"):
        client = (
            f"%/io.l5d.k8s.daemonset/linkerd/incoming/l5d/#/io.l5d.k8s/hello-world/http/{version}"
        )
        line = (
            f'rt:client:service:requests{{rt="outgoing", client="{client}", service="svc/world"}} '
        )
        assert line in metrics, metrics


@pytest.mark.long
def test_no_request_fails_while_the_weight_changes_twenty_times(cluster: Cluster, url: str) -> None:
    """Four times by a whole update, and sixteen by the one write that such an update makes."""
    tables: dict[int, list[dict[str, str]]] = {}
    # With a pause, or the load takes both cores and each update half a minute.
    with local_stack.load(url, pause=0.02) as traffic:
        for weight in (100, 0):
            set_weight(weight)
            tables[weight] = _internal(cluster)["dentries"]
        for weight in (100, 0) * 8:
            # Holds only while the object is the one that was read, as the resource's own does.
            table = json.dumps({**_internal(cluster), "dentries": tables[weight]})
            cluster.kubectl("replace", "-f", "-", given=table)
            linkerds.wait_until_followed(cluster, weight)
        for weight in (100, 0):
            set_weight(weight)
        eventually(lambda: traffic.count >= 10_000, seconds=300)
    assert not traffic.failures, (len(traffic.failures), traffic.failures[:3])
    assert min(traffic.worlds["world"], traffic.worlds["worldv2"]) > 100, traffic.worlds


def _internal(cluster: Cluster) -> dict[str, Any]:
    return cluster.get("dtab", "internal", "-n", "linkerd")


def test_drift_shows_as_lines_and_is_mended(cluster: Cluster, url: str) -> None:
    set_weight(10)
    dentry = {"prefix": "/host/world", "dst": "50.00*/srv/world-v1 & 50.00*/srv/world-v2"}
    patch = [{"op": "replace", "path": "/dentries/9", "value": dentry}]
    cluster.kubectl(
        "patch", "dtab", "internal", "-n", "linkerd", "--type=json", f"-p={json.dumps(patch)}"
    )
    preview = eventually(
        lambda: _with("50 => 90", command("pulumi", "preview", "--refresh", "--diff"))
    )
    assert "~ /srv/world-v2: 50 => 10" in preview
    command("pulumi", "up", "--yes", "--refresh", "--skip-preview")
    assert local_stack.outputs()["split"] == {
        "/host/world": {"/srv/world-v1": 90, "/srv/world-v2": 10}
    }
    command("pulumi", "preview", "--refresh", "--expect-no-changes")


def _with(wanted: str, text: str) -> str | None:
    return text if wanted in text else None


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("canaryWeight", "101", "config canaryWeight is '101': it must be a percent from 0"),
        ("canaryWeight", "ten", "config canaryWeight is 'ten': it must be a percent from 0"),
        ("kubeconfig", "no/such/file", "cannot read the kubeconfig no/such/file"),
        ("kubeContext", "elsewhere", "has no context 'elsewhere': it has local"),
        ("nonsense", "1", "config key 'nonsense' is not one of this project's"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(url: str, key: str, value: str, said: str) -> None:
    found = stack.SETTINGS.read_text()
    try:
        command("pulumi", "config", "set", key, value)
        output = command("pulumi", "preview", status=1)
    finally:
        stack.SETTINGS.write_text(found)
    errors = [line for line in _diagnostics(output) if said in line]
    assert len(errors) == 1, output
    assert "Traceback" not in output


def _diagnostics(output: str) -> list[str]:
    """The lines under Diagnostics, or all of them where the engine did not even start."""
    return output.partition("Diagnostics:")[2].splitlines() or output.splitlines()


def test_an_unreachable_cluster_is_one_clear_line(url: str, tmp_path: Path) -> None:
    soon = {"LINKERD_CANARY_PATIENCE": "0.1"}  # 3 s instead of 30
    found = stack.SETTINGS.read_text()
    elsewhere = tmp_path / "kubeconfig"
    elsewhere.write_text(
        re.sub(r"https://[0-9.]+:[0-9]+", "https://127.0.0.1:1", KUBECONFIG.read_text())
    )
    try:
        command("pulumi", "config", "set", "kubeconfig", str(elsewhere))
        command("pulumi", "config", "set", "canaryWeight", "70")
        output = command("pulumi", "up", "--yes", "--skip-preview", status=1, **soon)
    finally:
        stack.SETTINGS.write_text(found)
    said = "the cluster at https://127.0.0.1:1 cannot be reached"
    assert len([line for line in _diagnostics(output) if said in line]) == 1, output
    assert "Traceback" not in output
    command("pulumi", "up", "--yes", "--skip-preview")
    command("pulumi", "preview", "--refresh", "--expect-no-changes")


def test_make_env_gives_a_shell_plain_commands(url: str) -> None:
    script = 'eval "$(make -s env)" && pulumi stack output url && kubectl get nodes -o name'
    lines = command("bash", "-c", script).splitlines()
    assert url in lines
    assert "node/local-node" in lines[lines.index(url) + 1 :]


def test_make_up_again_changes_nothing(tour: str) -> None:
    for weight in (0, 10):  # also at 0, where an abort puts it
        set_weight(weight)
        again = local("up")
        assert "unchanged" in again
        assert "pulumi config set" not in again.split("To go on:")[0]
        assert not re.search(r"[-+~] \d+ (created|updated|deleted|replaced)", again)
