"""What holds for every workflow: pinned actions, least rights, forks without any, tested steps."""

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

from local import binaries
from local.paths import ROOT
from tests.harness.workflows import GITHUB, Step, command, steps, workflows

EXECUTED = {
    "make check": ".ci/run",
    "ci/test.sh": "tests/unit/test_workflows.py",
    "ci/identity.sh": "tests/unit/test_workflows.py",
    "ci/prepare.sh": "tests/unit/test_workflows.py",
    "ci/preview.sh": "tests/e2e/test_pull_request.py",
    "exec ci/deploy.sh": "tests/e2e/test_pull_request.py",
    "ci/drift.sh": "tests/e2e/test_pull_request.py",
    '.venv/bin/python -m canary comment "$RUNNER_TEMP/preview.md" --stack "$PULUMI_STACK"': (
        "tests/e2e/test_pull_request.py"
    ),
    '.venv/bin/python -m canary outcome "$RUNNER_TEMP/deployment.json" --stack "$PULUMI_STACK"': (
        "tests/e2e/test_pull_request.py"
    ),
    '.venv/bin/python -m canary drift "$RUNNER_TEMP/drift.jsonl" --stack "$PULUMI_STACK"': (
        "tests/e2e/test_pull_request.py"
    ),
}
"""Each script that a step may run, and what executes it word for word."""

FROM_FORKS = {"pull_request", "pull_request_target", "issue_comment", "workflow_run"}
"""Events that somebody without rights on the repository can cause."""

SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"


def test_each_step_runs_a_script_that_a_test_executes() -> None:
    assert {step.run for step in steps() if step.run} == set(EXECUTED)
    for script, where in EXECUTED.items():
        assert script in executed_in(ROOT / where), f"{where} does not run {script!r}"


def executed_in(file: Path) -> set[str]:
    """The lines of a shell script, or what the calls of a test module begin with."""
    text = file.read_text()
    if file.suffix != ".py":
        return set(text.splitlines())
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    first = [call.args[0] for call in calls if call.args]
    return {str(given.value) for given in first if isinstance(given, ast.Constant)}


def test_no_script_has_a_value_of_the_event_written_into_it() -> None:
    assert [step for step in steps() if "${{" in step.run] == []


@pytest.mark.parametrize("file", sorted({step.file for step in steps()}))
def test_actions_are_pinned_by_their_commit_and_say_their_version(file: str) -> None:
    used = re.findall(r"uses: (.*)", (GITHUB / file).read_text())
    foreign = [line for line in used if not line.startswith("./.github/actions/")]
    assert foreign
    for line in foreign:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+(\.\d+)+", line), line


def test_each_action_has_one_version() -> None:
    used = {step.content["uses"] for step in steps() if "uses" in step.content}
    names = [each.partition("@")[0] for each in used]
    assert len(names) == len(set(names))


def test_no_workflow_runs_others_code_with_the_repositorys_rights() -> None:
    for name, workflow in workflows().items():
        caused = {"pull_request"} if isinstance(workflow["on"], str) else set(workflow["on"])
        assert caused & FROM_FORKS <= {"pull_request"}, name


def test_rights_are_given_job_by_job() -> None:
    wanted = {
        ("ci.yml", "check"): {"contents": "read"},
        ("ci.yml", "test"): {"contents": "read"},
        ("preview.yml", "preview"): {
            "contents": "read",
            "id-token": "write",
            "pull-requests": "write",
        },
        ("deploy.yml", "preview"): {"contents": "read", "id-token": "write"},
        ("deploy.yml", "up"): {"contents": "read", "id-token": "write"},
        ("deploy.yml", "outcome"): {
            "contents": "read",
            "issues": "write",
            "pull-requests": "read",
        },
        ("drift.yml", "drift"): {"contents": "read", "id-token": "write", "issues": "write"},
    }
    found = {
        (name, job): content["permissions"]
        for name, workflow in workflows().items()
        for job, content in workflow["jobs"].items()
    }
    assert found == wanted
    assert all(workflow["permissions"] == {} for workflow in workflows().values())


def test_a_forks_pull_request_gets_no_identity() -> None:
    for name, workflow in workflows().items():
        if "pull_request" in workflow["on"]:
            for job in workflow["jobs"].values():
                writes = "write" in job["permissions"].values()
                assert not writes or SAME_REPOSITORY in job["if"], name


def test_only_the_approved_job_has_the_identity_that_may_write() -> None:
    holders = {
        (step.file, step.job)
        for step in steps()
        if "AZURE_DEPLOY_CLIENT_ID" in str(step.content.get("with"))
    }
    assert holders == {("workflows/deploy.yml", "up")}
    up = workflows()["deploy.yml"]["jobs"]["up"]
    assert (up["environment"], up["needs"]) == ("dev", "preview")
    assert "refs/heads/main" in workflows()["deploy.yml"]["jobs"]["preview"]["if"]


def test_the_token_goes_to_the_step_that_needs_it() -> None:
    def has_token(step: Step) -> bool:
        return "github.token" in str(step.content.get("env"))

    assert all("-m canary" in step.run for step in steps() if has_token(step))
    assert sum(has_token(step) for step in steps()) == 3
    checkouts = [s.content for s in steps() if "checkout@" in str(s.content.get("uses"))]
    assert all(each["with"]["persist-credentials"] is False for each in checkouts)


def test_a_deployment_is_told_however_it_ended() -> None:
    jobs = workflows()["deploy.yml"]["jobs"]
    up, outcome = jobs["up"]["steps"], jobs["outcome"]
    assert outcome["needs"] == "up"
    assert outcome["if"] == "${{ always() && needs.up.result != 'skipped' }}"
    (checkout,) = [each for each in up if "checkout@" in each.get("uses", "")]
    assert checkout["with"]["fetch-depth"] == 0, "which finds the commit that raised a weight"
    (kept,) = [each for each in up if "upload-artifact@" in each.get("uses", "")]
    assert kept["if"] == "${{ always() }}"
    script = (ROOT / "ci" / "deploy.sh").read_text()
    for name in ("deployment.json", "rollout.html"):
        assert f'"$RUNNER_TEMP/{name}"' in script
    assert kept["with"]["path"].split("\n")[:2] == [
        "${{ runner.temp }}/deployment.json",
        "${{ runner.temp }}/rollout*.html",
    ]
    assert kept["with"]["name"] == "deployment-${{ github.run_attempt }}"
    assert jobs["up"]["outputs"] == {"attempt": "${{ github.run_attempt }}"}
    (taken,) = [each for each in outcome["steps"] if "download-artifact@" in each.get("uses", "")]
    assert taken["with"] == {
        # By its name it would fail where there is none.
        "pattern": "deployment-${{ needs.up.outputs.attempt }}",
        "merge-multiple": True,
        "path": "${{ runner.temp }}",
    }


def test_one_run_at_a_time() -> None:
    found = {name: workflow["concurrency"] for name, workflow in workflows().items()}
    assert found["deploy.yml"] == {"group": "deploy-dev", "cancel-in-progress": False}
    assert found["drift.yml"] == {"group": "drift-dev", "cancel-in-progress": False}
    assert found["preview.yml"]["group"].startswith("preview-dev-${{ github.event.pull_request")


def test_the_engine_is_the_one_that_the_tests_run() -> None:
    (version,) = [
        step.content["with"]["pulumi-version"]
        for step in steps()
        if "pulumi/actions@" in str(step.content.get("uses"))
    ]
    assert f"v{version}" == binaries.ENGINE_VERSION


def test_each_file_that_a_step_names_is_there() -> None:
    given = [step.content.get("with", {}) for step in steps()]
    files = [str(each["go-version-file"]) for each in given if "go-version-file" in each]
    hashed = re.findall(r"'([^']+)'", " ".join(str(each.get("key", "")) for each in given))
    assert files
    assert hashed
    for pattern in (*files, *hashed):
        assert any(ROOT.glob(pattern)), pattern


def run(script: str, **env: str) -> str:
    """What a step prints that succeeds; the `make` that runs the tests hands nothing down to it."""
    done = subprocess.run(
        command(script),
        cwd=ROOT,
        env={**os.environ, "MAKEFLAGS": "", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_later_steps_are_told_who_they_are(tmp_path: Path) -> None:
    environment = tmp_path / "env"
    environment.write_text("EARLIER=1\n")
    ids = {"CLIENT_ID": "client", "TENANT_ID": "tenant", "SUBSCRIPTION_ID": "subscription"}
    run("ci/identity.sh", GITHUB_ENV=str(environment), **ids)
    assert environment.read_text().splitlines() == [
        "EARLIER=1",
        "AAD_LOGIN_METHOD=workloadidentity",
        "AZURE_CLIENT_ID=client",
        "AZURE_TENANT_ID=tenant",
        "ARM_USE_OIDC=true",
        "ARM_CLIENT_ID=client",
        "ARM_TENANT_ID=tenant",
        "ARM_SUBSCRIPTION_ID=subscription",
    ]


def test_the_environments_are_made() -> None:
    run("ci/prepare.sh")
    for folder, needed in ((".venv", "pulumi"), ("policy/.venv", "pulumi_policy")):
        python = ROOT / folder / "bin" / "python"
        subprocess.run([python, "-c", f"import {needed}"], cwd=ROOT, check=True)


def test_the_tests_step_runs_the_tests() -> None:
    shown = run(
        "ci/test.sh", SUITE="test", PYTEST_ARGS="--collect-only -q tests/unit/test_workflows.py"
    )
    assert f"test_workflows.py::{test_the_tests_step_runs_the_tests.__name__}" in shown
