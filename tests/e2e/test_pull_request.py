"""A pull request's way on the local stack: preview, comment, deployment, drift; and the rights."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from local import stack, toolchain
from local.paths import ROOT
from tests.e2e import linkerds, local_stack, rights
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.local_stack import command
from tests.e2e.pipeline import ADMINISTRATOR, Pipeline
from tests.harness.fake_github import FakeGitHub, fake_github

TABLES = "/apis/l5d.io/v1alpha1/namespaces/linkerd/dtabs"
PICTURES = ROOT / "docs" / "pictures"
"""The comments that the walkthrough shows, as Markdown."""

ANALYSIS = {"interval": "10s", "scrape": "5s", "steps": [100], "onNoData": "go"}
"""Of rollouts that are short and ask for no traffic."""


@pytest.fixture(scope="module")
def github() -> Iterator[FakeGitHub]:
    with fake_github() as found:
        yield found


@pytest.fixture(scope="module")
def pipeline(
    cluster: Cluster, github: FakeGitHub, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """The stack as the deploying identity has made it; put back as it was found at the end."""
    local_stack.up()
    settings = stack.SETTINGS.read_text()
    made = Pipeline(cluster, github, tmp_path_factory.mktemp("runner"))
    try:
        command("pulumi", "config", "set", "kubeconfig", str(made.kubeconfig))
        set_analysis(ANALYSIS)
        set_weight(10)
        made.run("exec ci/deploy.sh", "deploy")
        yield made
    finally:
        stack.SETTINGS.write_text(settings)
        made.restore()
        made.close()


def set_weight(weight: int) -> None:
    """What a pull request does: the stack's config has another weight."""
    command("pulumi", "config", "set", "canaryWeight", str(weight))


def set_analysis(analysis: Mapping[str, object]) -> None:
    """The same, of what a rollout is judged by."""
    settings = yaml.safe_load(stack.SETTINGS.read_text())
    settings["config"]["linkerd-canary:canaryAnalysis"] = dict(analysis)
    stack.SETTINGS.write_text(yaml.safe_dump(settings))


def deployed(pipeline: Pipeline, weight: int) -> None:
    """Bring the stack to a weight, where it has another."""
    set_weight(weight)
    wanted = {"/srv/world-v1": 100 - weight, "/srv/world-v2": weight}
    if local_stack.outputs().get("split") != {"/host/world": wanted}:
        pipeline.run("exec ci/deploy.sh", "deploy")


def table(cluster: Cluster) -> tuple[str, str]:
    """The version of the live table, and where world's traffic goes."""
    found = cluster.get("dtabs", "internal", "-n", "linkerd")
    return found["metadata"]["resourceVersion"], found["dentries"][-1]["dst"]


def change(cluster: Cluster, destination: str) -> None:
    """Somebody changes the live table."""
    dentry = {"prefix": "/host/world", "dst": destination}
    patch = json.dumps([{"op": "replace", "path": "/dentries/9", "value": dentry}])
    cluster.kubectl("patch", "dtab", "internal", "-n", "linkerd", "--type=json", f"-p={patch}")


def state() -> str:
    """Tells whether anything in the state's backend has changed."""
    files = sorted(path for path in toolchain.STACKS.rglob("*") if path.is_file())
    content = [(str(path), path.read_bytes()) for path in files]
    return hashlib.sha256(repr(content).encode()).hexdigest()


def test_a_pull_request_from_preview_to_traffic(
    pipeline: Pipeline, cluster: Cluster, github: FakeGitHub
) -> None:
    deployed(pipeline, 10)
    before = table(cluster), state()
    set_weight(30)
    pipeline.run("ci/preview.sh", "preview")
    comment(pipeline)
    set_weight(40)
    pipeline.set_pull_request("fedcba9876543210")
    pipeline.run("ci/preview.sh", "preview")
    comment(pipeline)
    assert (table(cluster), state()) == before, "a preview writes nothing, anywhere"

    (kept,) = github.comments
    assert without_counts(kept["body"]) == shown("comment.md"), "as the walkthrough shows it"

    settings = stack.SETTINGS.read_bytes()
    said = pipeline.run("exec ci/deploy.sh", "deploy")
    assert "Step 2/2: 40 % to world-v2 for 10 s." in said
    assert stack.SETTINGS.read_bytes() == settings
    assert table(cluster)[1] == "60.00*/srv/world-v1 & 40.00*/srv/world-v2"
    assert tell(pipeline) == "what Git has is in force\n"
    linkerds.wait_until_followed(cluster, 40)
    worlds = local_stack.split_of(str(local_stack.outputs()["url"]), 500)
    assert local_stack.within_binomial_bounds(worlds["worldv2"], worlds.total(), 0.4), worlds
    pipeline.run("ci/preview.sh", "preview")
    assert "Nothing changes, and nothing has drifted." in pipeline.summary


def tell(pipeline: Pipeline) -> str:
    return pipeline.run(
        '.venv/bin/python -m canary outcome "$RUNNER_TEMP/deployment.json" --stack "$PULUMI_STACK"',
        "preview",
    )


@pytest.mark.long
def test_a_deployment_that_is_not_rolled_out_opens_an_issue_until_one_is(
    pipeline: Pipeline, cluster: Cluster, github: FakeGitHub
) -> None:
    deployed(pipeline, 10)
    settings = stack.SETTINGS.read_text()
    try:
        set_analysis({**ANALYSIS, "onNoData": "abort", "minRequests": 1_000_000})
        set_weight(40)
        said = pipeline.run("exec ci/deploy.sh", "deploy", status=3)
        assert "Back at 0 % in " in said
        assert table(cluster)[1] == "/srv/world-v1"
        assert tell(pipeline) == "opened https://github.example/i/1\n"
        (issue,) = github.issues
        assert "| `world-v2` | 10 % | 40 % | 0 % |" in issue["body"]
        assert (pipeline.folder / "rollout.html").exists()
    finally:
        stack.SETTINGS.write_text(settings)
    pipeline.run("exec ci/deploy.sh", "deploy")
    assert tell(pipeline) == "closed https://github.example/i/1\n"
    assert github.comments.pop()["body"].startswith("What Git has is in force again.")
    github.issues.clear()


def shown(picture: str) -> str:
    """A comment of the walkthrough."""
    return without_counts((PICTURES / picture).read_text())


def without_counts(text: str) -> str:
    """Whatever the number of policies and of other resources."""
    return re.sub(r"\d+ (kept|unchanged)", r"… \1", text)


def comment(pipeline: Pipeline) -> str:
    return pipeline.run(
        '.venv/bin/python -m canary comment "$RUNNER_TEMP/preview.md" --stack "$PULUMI_STACK"',
        "preview",
    )


def test_a_preview_that_fails_is_told(pipeline: Pipeline, github: FakeGitHub) -> None:
    settings = stack.SETTINGS.read_text()
    try:
        set_weight(101)
        pipeline.run("ci/preview.sh", "preview", status=1)
    finally:
        stack.SETTINGS.write_text(settings)
    comment(pipeline)
    body = github.comments[-1]["body"]
    assert "**The preview failed:** an update would stop." in body
    assert "config canaryWeight is '101': it must be a percent from 0 to 100" in body


@pytest.mark.long
def test_drift_opens_an_issue_until_it_is_undone(
    pipeline: Pipeline, cluster: Cluster, github: FakeGitHub
) -> None:
    deployed(pipeline, 10)
    change(cluster, "50.00*/srv/world-v1 & 50.00*/srv/world-v2")
    before = table(cluster), state()
    assert drift(pipeline) == "opened https://github.example/i/1\n"
    (issue,) = github.issues
    assert "| `/srv/world-v2` | 10 % | **50 %** |" in issue["body"]

    set_weight(20)
    pipeline.set_pull_request("fedcba9876543210")
    pipeline.run("ci/preview.sh", "preview")
    comment(pipeline)
    assert without_counts(github.comments[-1]["body"]) == shown("drift.md")
    assert (table(cluster), state()) == before, "none of these writes anything"

    pipeline.run("exec ci/deploy.sh", "deploy")
    assert drift(pipeline) == "closed https://github.example/i/1\n"
    assert issue["state"] == "closed"


def drift(pipeline: Pipeline) -> str:
    pipeline.run("ci/drift.sh", "preview")
    return pipeline.run(
        '.venv/bin/python -m canary drift "$RUNNER_TEMP/drift.jsonl" --stack "$PULUMI_STACK"',
        "preview",
    )


def test_the_previews_identity_cannot_write(
    pipeline: Pipeline, cluster: Cluster, tmp_path: Path
) -> None:
    before = table(cluster)
    set_weight(90)
    said = pipeline.pulumi("up", "--yes", "--skip-preview", identity="preview", status=1)
    assert 'cannot update resource "dtabs"' in said
    dtab = tmp_path / "dtab"
    dtab.write_text("/svc => /nowhere")
    raw = f"{TABLES}/internal"
    for verb, given in (("create", True), ("replace", True), ("delete", False)):
        more = ["-f", str(dtab)] if given else []
        done, said = pipeline.kubectl(verb, "--raw", raw, *more, identity="preview")
        assert not done
        assert "forbidden" in said.lower(), said
    done, said = pipeline.kubectl("get", "--raw", raw, identity="preview")
    assert done
    assert "/host/world" in said
    assert table(cluster) == before


@pytest.mark.parametrize(
    "asked",
    [
        "create services/proxy -n linkerd",
        "create pods/proxy -n linkerd",
        "get services/other:admin --subresource=proxy -n linkerd",
        "update dtabs.l5d.io -n linkerd",
        "delete dtabs.l5d.io -n linkerd",
        "patch dtabs.l5d.io -n linkerd",
        "patch deployments.apps -n hello-world",
        "create pods -n hello-world",
        "create pods/exec -n linkerd",
        "get secrets -n linkerd",
        "impersonate users",
    ],
)
def test_what_the_previews_identity_may_not(pipeline: Pipeline, asked: str) -> None:
    done, said = pipeline.kubectl("auth", "can-i", *asked.split(), identity="preview")
    assert (done, said.splitlines()[-1]) == (False, "no"), said


@pytest.fixture
def given(pipeline: Pipeline, cluster: Cluster) -> Iterator[None]:
    """The stack in namespaces that an administrator has made for it, and nothing deployed yet."""
    settings = stack.SETTINGS.read_text()
    set_weight(0)
    destroy = ("destroy", "--yes", "--skip-preview")
    pipeline.pulumi(*destroy, identity=ADMINISTRATOR)
    cluster.kubectl("delete", "crd", "dtabs.l5d.io")  # which a destroy leaves, as others may use it
    try:
        pipeline.give_namespaces()
        command("pulumi", "config", "set", "createNamespaces", "false")
        command("pulumi", "config", "set", "networkPolicies", "true")
        yield
    finally:
        pipeline.pulumi(*destroy, identity=ADMINISTRATOR)
        pipeline.take_namespaces()
        stack.SETTINGS.write_text(settings)
        pipeline.restore()
        pipeline.grant()


@pytest.mark.long
@pytest.mark.usefixtures("given")
def test_each_identity_has_the_rights_that_it_uses_and_no_others(
    pipeline: Pipeline, cluster: Cluster
) -> None:
    """From the first deployment by a change of everything, and drift, to the end."""
    since = datetime.now(UTC)
    pipeline.run("ci/preview.sh", "preview")
    assert "| `/srv/world-v1` | – | **100 %** |" in pipeline.summary
    assert re.search(r"\*\*Resources\*\*: \d+ made\n", pipeline.summary), pipeline.summary
    pipeline.run("exec ci/deploy.sh", "deploy")
    answer = eventually(lambda: local_stack.ask(str(local_stack.outputs()["url"])))
    assert local_stack.world_of(answer) == "world"
    pipeline.run("ci/preview.sh", "preview")
    assert "Nothing changes, and nothing has drifted." in pipeline.summary

    change(cluster, "50.00*/srv/world-v1 & 50.00*/srv/world-v2")
    drift(pipeline)
    set_weight(20)
    pipeline.run("exec ci/deploy.sh", "deploy")
    given_away = rights.given_away(cluster)
    destroy = ("destroy", "--yes", "--skip-preview")
    pipeline.pulumi(*destroy, "--target", "**Dtab::internal", identity="deploy")
    pipeline.pulumi(*destroy, identity="deploy")

    def used_are_those_granted() -> bool:
        """A watch is logged when it ends."""
        assert rights.granted("preview") == rights.used("preview", since)
        assert rights.granted("deploy") == rights.used("deploy", since) | given_away
        return True

    eventually(used_are_those_granted)
