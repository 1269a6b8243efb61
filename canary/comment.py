"""Keep a summary as the one comment of its stack on the pull request that the job runs for."""

import argparse
from pathlib import Path
from typing import Any

from canary import files, github
from canary.errors import CanaryError
from canary.github import GitHub

NAME = "comment"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("summary", help="the file that `summary` was written to")
    parser.add_argument("--stack", required=True, help="the stack that it is a preview of")


def run(arguments: argparse.Namespace) -> int:
    """Write the comment, or bring the one that is there up to date.

    Takes GITHUB_TOKEN, GITHUB_REPOSITORY and GITHUB_EVENT_PATH from the environment. Raises
    CanaryError.
    """
    pull = _pull_request()
    # A job that failed before the preview has not even made the file.
    made = arguments.summary == "-" or Path(arguments.summary).exists()
    summary = files.text(arguments.summary).strip() if made else ""
    if not summary:
        summary = "**The preview was not begun.** The job's log says more."
    mark = github.mark("preview", arguments.stack)
    body = f"{mark}{summary}\n\n<sub>{_footer(pull)}</sub>\n"
    print(_kept(GitHub.of_job(), int(pull["number"]), mark, body))
    return 0


def _pull_request() -> Any:
    pull = github.event().get("pull_request")
    if not isinstance(pull, dict) or "number" not in pull:
        raise CanaryError("the job does not run for a pull request: it has no place for a comment")
    return pull


def _footer(pull: Any) -> str:
    commit = str((pull.get("head") or {}).get("sha", ""))[:7]
    return " · ".join(
        part for part in (f"of {commit}" if commit else "", github.run_link()) if part
    )


def _kept(repository: GitHub, number: int, mark: str, body: str) -> str:
    """The comment's address."""
    for found in repository.listed(f"/issues/{number}/comments"):
        if github.is_own(found, mark):
            path = f"/issues/comments/{found['id']}"
            return str(repository.change(path, body=body)["html_url"])
    return str(repository.create(f"/issues/{number}/comments", body=body)["html_url"])
