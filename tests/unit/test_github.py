"""The pull request's comment and the drift issue, against a fake of GitHub."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from canary.__main__ import main
from canary.errors import CanaryError
from canary.github import GitHub
from tests.harness.fake_github import PERSON, REPOSITORY, TOKEN, FakeGitHub, fake_github
from tests.unit import logs

MARK = "<!-- linkerd-canary preview dev -->\n"
DRIFT_MARK = "<!-- linkerd-canary drift dev -->\n"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with fake_github() as found:
        yield found


class Job:
    """A job's steps, for a pull request."""

    def __init__(
        self,
        github: FakeGitHub,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.set = monkeypatch.setenv
        self._event = folder / "event.json"
        self._given = folder / "given"
        self._capsys = capsys
        self.set_event({"pull_request": {"number": 7, "head": {"sha": "abcdef0123456"}}})
        for name, value in github.environment(GITHUB_EVENT_PATH=str(self._event)).items():
            self.set(name, value)

    def set_event(self, event: Mapping[str, Any]) -> None:
        self._event.write_text(json.dumps(event))

    def comment(self, summary: str) -> str:
        return self._run("comment", summary)

    def drift(self, log: str) -> str:
        return self._run("drift", log)

    def _run(self, command: str, given: str) -> str:
        """What a command prints; its errors are raised."""
        self._given.write_text(given)
        status = main([command, str(self._given), "--stack", "dev"])
        said = self._capsys.readouterr()
        if status:
            raise CanaryError(said.err)
        assert said.err == ""
        return said.out


@pytest.fixture
def job(
    github: FakeGitHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Job:
    return Job(github, tmp_path, monkeypatch, capsys)


def test_a_comment_is_made_and_then_kept_up_to_date(github: FakeGitHub, job: Job) -> None:
    said = job.comment("### Preview of `dev`\n\nfirst\n")
    (made,) = github.comments
    assert said == f"{made['html_url']}\n"
    assert made["issue"] == 7
    assert made["body"] == (
        f"{MARK}### Preview of `dev`\n\nfirst\n\n"
        "<sub>of abcdef0 · [log](https://github.example/octo/canary/actions/runs/42)</sub>\n"
    )
    assert job.comment("### Preview of `dev`\n\nsecond\n") == said
    assert len(github.comments) == 1
    assert "second" in made["body"]
    assert "first" not in made["body"]


def test_only_the_jobs_own_comment_is_changed(github: FakeGitHub, job: Job) -> None:
    for number in range(150):
        github.comment(7, f"comment {number}", PERSON)
    github.comment(7, f"{MARK}copied", PERSON)
    github.comment(7, "a bot's, with the mark inside: " + MARK)
    github.comment(7, "<!-- linkerd-canary preview prod -->\nof another stack")
    github.comment(8, f"{MARK}of another pull request")
    own = github.comment(7, f"{MARK}own")
    before = [dict(comment) for comment in github.comments if comment is not own]
    job.comment("new")
    assert "new" in own["body"]
    assert [comment for comment in github.comments if comment is not own] == before


def test_a_preview_that_wrote_nothing_is_told(github: FakeGitHub, job: Job) -> None:
    job.comment("\n")
    assert "**The preview was not begun.**" in github.comments[0]["body"]


def test_a_job_that_failed_before_its_preview_is_told(
    github: FakeGitHub, job: Job, tmp_path: Path
) -> None:
    github.comment(7, f"{MARK}an earlier commit's")
    assert main(["comment", str(tmp_path / "preview.md"), "--stack", "dev"]) == 0
    assert "**The preview was not begun.**" in github.comments[0]["body"]


def test_a_busy_github_is_asked_again(github: FakeGitHub, job: Job) -> None:
    github.comment(7, f"{MARK}old")
    github.failures += [502, 429]
    job.comment("new")
    assert len(github.comments) == 1
    assert "new" in github.comments[0]["body"]


def test_nothing_is_made_twice(github: FakeGitHub) -> None:
    github.failures.append(502)
    with pytest.raises(CanaryError, match="502 fake failure"):
        GitHub(github.url, REPOSITORY, TOKEN).create("/issues/7/comments", body="one")
    assert github.comments == []
    assert len(github.requests) == 1


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GITHUB_TOKEN", "", "$GITHUB_TOKEN is not set: this command is for a job of GitHub"),
        ("GITHUB_TOKEN", "other", "401 Bad credentials; does the job's `permissions` give this?"),
        ("GITHUB_REPOSITORY", "octo/none", "404 Not Found"),
        ("GITHUB_API_URL", "http://127.0.0.1:1", "no answer (ConnectionError)"),
        ("GITHUB_EVENT_PATH", "/no/event", "cannot read $GITHUB_EVENT_PATH (/no/event)"),
        ("GITHUB_EVENT_PATH", "", "$GITHUB_EVENT_PATH is not set"),
    ],
)
def test_a_failure_is_one_line(job: Job, variable: str, value: str, said: str) -> None:
    job.set(variable, value)
    with pytest.raises(CanaryError) as failed:
        job.comment("text")
    (line,) = str(failed.value).splitlines()
    assert said in line
    assert TOKEN not in line


def test_a_job_without_a_pull_request_has_no_comment(job: Job) -> None:
    job.set_event({"ref": "refs/heads/main"})
    with pytest.raises(CanaryError, match="does not run for a pull request"):
        job.comment("text")


DRIFTED = logs.text(
    logs.refreshed(logs.table({"v1": 100, "v2": 0}), logs.table({"v1": 25, "v2": 75}))
)
AS_DEPLOYED = logs.text(logs.refreshed(logs.table({"v1": 100, "v2": 0})))


def test_an_issue_is_open_for_as_long_as_there_is_drift(github: FakeGitHub, job: Job) -> None:
    assert job.drift(AS_DEPLOYED) == "the live tables are as deployed\n"
    assert github.issues == []
    assert job.drift(DRIFTED) == "opened https://github.example/i/1\n"
    (issue,) = github.issues
    assert issue["title"] == "The live routes of dev are not as deployed"
    assert issue["body"].startswith(f"{DRIFT_MARK}### Drift of `dev`\n")
    assert "| `v1` | 100 % | **25 %** |" in issue["body"]
    assert "[log](https://github.example/octo/canary/actions/runs/42)" in issue["body"]
    other = DRIFTED.replace("75", "65").replace("25", "35")
    assert job.drift(other) == "brought up to date https://github.example/i/1\n"
    assert "| `v1` | 100 % | **35 %** |" in issue["body"]
    assert job.drift(AS_DEPLOYED) == "closed https://github.example/i/1\n"
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    assert github.comments[0]["body"].startswith("The live tables are as deployed again. [log](")
    assert job.drift(DRIFTED) == "opened https://github.example/i/2\n"


def test_the_issue_says_what_to_do_about_a_linkerd_that_lags(github: FakeGitHub, job: Job) -> None:
    table = logs.table({"v1": 100, "v2": 0})
    job.drift(logs.text(logs.refreshed(table, {**table, "lagging": ["linkerd l5d-x …"]})))
    (issue,) = github.issues
    assert "`linkerd l5d-x …`" in issue["body"]
    assert "delete its pod" in issue["body"]
    job.drift(DRIFTED)
    assert "delete its pod" not in issue["body"]


def test_the_issue_says_what_to_do_about_an_update_that_did_not_save(
    github: FakeGitHub, job: Job
) -> None:
    was, live = logs.table({"v1": 100, "v2": 0}), logs.table({"v1": 25, "v2": 75})
    own = logs.refreshed(was, {**live, "unsaved": "written by an update of this stack"})
    job.drift(logs.text(own))
    (issue,) = github.issues
    assert "If none is under way, it was ended before it could save" in issue["body"]
    assert "somebody" not in issue["body"]
    job.drift(logs.text([*own, *logs.refreshed(was, live, "external")]))
    assert "If none is under way" in issue["body"]
    assert "Either keep what somebody did" in issue["body"]
    job.drift(DRIFTED)
    assert "If none is under way" not in issue["body"]


def test_other_issues_are_let_be(github: FakeGitHub, job: Job) -> None:
    github.issue("copied", f"{DRIFT_MARK}copied", PERSON)
    github.issue("a pull request", f"{DRIFT_MARK}text", pull_request={"url": "…"})
    before = [dict(issue) for issue in github.issues]
    job.drift(AS_DEPLOYED)
    assert github.issues == before
    job.drift(DRIFTED)
    assert github.issues[:-1] == before


@pytest.mark.parametrize("ending", [logs.ended(failed=True), []])
def test_a_refresh_that_failed_closes_nothing(
    github: FakeGitHub, job: Job, ending: list[Any]
) -> None:
    issue = github.issue("drift", f"{DRIFT_MARK}text")
    with pytest.raises(CanaryError, match="did not come to its end"):
        job.drift(logs.text(logs.refreshed(logs.table({"v1": 100})), ending=ending))
    assert issue["state"] == "open"
    drifted = logs.refreshed(logs.table({"v1": 100}), logs.table({"v2": 100}))
    job.drift(logs.text(drifted, ending=ending))
    assert "| `v2` | – | **100 %** |" in issue["body"], "drift that was seen is told all the same"


def test_what_drifts_beside_the_tables_opens_no_issue(github: FakeGitHub, job: Job) -> None:
    other = logs.refreshed({"spec": 1}, {"spec": 2}, kind="kubernetes:apps/v1:Deployment")
    assert job.drift(logs.text(other)) == "the live tables are as deployed\n"
    assert github.issues == []
