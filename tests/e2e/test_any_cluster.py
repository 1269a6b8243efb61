"""The stack `local` by each exposure, by a kubeconfig of two contexts, and under the policies."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import stack
from local.paths import KUBECONFIG
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster
from tests.e2e.local_stack import command, local
from tests.harness.processes import running


@pytest.fixture(scope="module")
def settings(cluster: Cluster) -> Iterator[Path]:
    """The settings of the stack, which is up; they are put back at the end."""
    local_stack.up()
    found = stack.SETTINGS.read_text()
    yield stack.SETTINGS
    stack.SETTINGS.write_text(found)


def up(*arguments: str) -> str:
    return command("pulumi", "up", "--yes", "--skip-preview", *arguments)


def configure(key: str, *value: str) -> None:
    """Set a config value, or take it back."""
    command("pulumi", "config", *(("set", key, *value) if value else ("rm", key)))


def url() -> str:
    return str(local_stack.outputs()["url"])


def hello_answers(at: str) -> bool:
    return bool(local_stack.world_of(local_stack.first_answer(at)))


def test_a_load_balancers_url_is_its_address(settings: Path) -> None:
    assert re.fullmatch(r"http://[0-9.]+", url())
    assert hello_answers(url())


@pytest.mark.long
def test_a_node_ports_url_is_at_a_node(settings: Path, cluster: Cluster) -> None:
    configure("exposure", "NodePort")
    up()
    (port,) = cluster.get("service", "l5d-external", "-n", "linkerd")["spec"]["ports"]
    assert url() in {f"http://{address}:{port['nodePort']}" for address in cluster.nodes().values()}
    assert hello_answers(url())
    up("--expect-no-changes")
    command("pulumi", "preview", "--refresh", "--expect-no-changes")


@pytest.mark.long
def test_a_cluster_ip_is_reached_by_a_forwarded_port(
    settings: Path, cluster: Cluster, tmp_path: Path
) -> None:
    configure("exposure", "ClusterIP")
    assert "Ten requests" not in local("up"), "this machine does not know names of the cluster"
    outputs = local_stack.outputs()
    assert outputs["url"] == "http://l5d-external.linkerd.svc.cluster.local"
    assert outputs["portForward"] == "kubectl -n linkerd port-forward svc/l5d-external 8080:80"
    # Any free port in place of 8080, which something on this machine may have.
    _, *forward = str(outputs["portForward"]).replace("8080:80", ":80").split()
    log = tmp_path / "port-forward.log"
    with running(cluster.command(*forward), log) as process:
        said = "Forwarding from 127.0.0.1:"
        process.wait_until(lambda: said in log.read_text(), "the port is forwarded")
        port = log.read_text().partition(said)[2].split()[0]
        assert hello_answers(f"http://127.0.0.1:{port}")
    configure("exposure")
    up()
    assert hello_answers(url()), "and back"


def two_contexts(folder: Path) -> dict[str, Any]:
    """The node's kubeconfig as context `chosen`, beside the current one of another cluster."""
    content: dict[str, Any] = yaml.safe_load(KUBECONFIG.read_text())
    content["contexts"][0]["name"] = "chosen"
    content["current-context"] = "elsewhere"
    content["contexts"].append({"name": "elsewhere", "context": {"cluster": "far", "user": "far"}})
    content["clusters"].append({"name": "far", "cluster": {"server": "https://far.example"}})
    content["users"].append({"name": "far", "user": {"token": "t0ken-of-far"}})
    return content


def test_another_context_is_chosen_and_the_state_holds_no_other(
    settings: Path, tmp_path: Path
) -> None:
    found = settings.read_text()
    path = tmp_path / "two-contexts"
    path.write_text(yaml.safe_dump(two_contexts(tmp_path)))
    configure("kubeconfig", str(path))
    configure("kubeContext", "chosen")
    assert re.search(r"~ \d updated", up()), "the context's name is new in the state"
    state = command("pulumi", "stack", "export", "--show-secrets")
    assert "current-context: chosen" in state
    assert "t0ken-of-far" not in state
    assert "far.example" not in state

    # The same as content: nothing is left to do.
    content = path.read_text()
    command("pulumi", "config", "set", "--secret", "kubeconfig", "--", content)
    assert "t0ken-of-far" not in settings.read_text()
    path.unlink()
    up("--expect-no-changes")
    settings.write_text(found)
    up()


def test_the_policies_pass(settings: Path) -> None:
    pack = local("policies").strip()
    shown = command("pulumi", "preview", "--policy-pack", pack)
    assert re.search(r"linkerd-canary.*0\.1\.0", shown.partition("Policies:")[2] or shown), shown


def test_the_policies_stop_an_update(settings: Path, tmp_path: Path) -> None:
    """On this stack as on one in production."""
    strict = tmp_path / "strict.json"
    strict.write_text(json.dumps({"source-ranges": {"devStacks": []}}))
    pack = local("policies").strip()
    said = command(
        *("pulumi", "up", "--yes", "--policy-pack", pack, "--policy-pack-config", str(strict)),
        status=1,
    )
    assert "its load balancer lets every address in: set loadBalancerSourceRanges" in said
