"""Keep one issue open for as long as the live routing tables are not those deployed."""

import argparse

from canary import changes, events, files, github, report
from canary.errors import CanaryError
from canary.github import GitHub, Object

NAME = "drift"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "log",
        help=f"the log of `{events.HOW.replace('preview --refresh', 'refresh --preview-only')}`",
    )
    parser.add_argument("--stack", required=True, help="the stack that was refreshed")


def run(arguments: argparse.Namespace) -> int:
    """Open the issue, bring it up to date, or close it.

    Takes GITHUB_TOKEN and GITHUB_REPOSITORY from the environment. A refresh that did not come to
    its end closes nothing. Raises CanaryError.
    """
    found = events.read(files.text(arguments.log), arguments.log)
    drifted = changes.tables_drifted(found)
    if not drifted and not found.succeeded:
        raise CanaryError(
            "the refresh did not come to its end, so nobody knows whether the tables have "
            "drifted; the issue, if there is one, stays as it is"
        )
    mark = github.mark("drift", arguments.stack)
    repository = GitHub.of_job()
    issue = next((i for i in _open(repository) if github.is_own(i, mark)), None)
    if drifted:
        told = report.document(found, "Drift")
        advice = _ADVICE + (_ON_LAGS if changes.lags(found) else "")
        body = f"{mark}{told}\n{advice}\n\n<sub>{github.run_link()}</sub>\n"
        print(_kept(repository, issue, arguments.stack, body))
    elif issue:
        print(_closed(repository, issue))
    else:
        print("the live tables are as deployed")
    return 0


_ADVICE = (
    "Either keep what somebody did, by writing it into the stack's config, or deploy: an update "
    "with `--refresh` puts the tables back. This issue closes by itself."
)

_ON_LAGS = (
    " A linkerd that does not follow a table is not put right by an update: look at namerd and at "
    "its log, and delete its pod."
)


def _open(repository: GitHub) -> list[Object]:
    listed = repository.listed("/issues", state="open")
    return [issue for issue in listed if "pull_request" not in issue]


def _kept(repository: GitHub, issue: Object | None, stack: str, body: str) -> str:
    if issue is None:
        title = f"The live routes of {stack} are not as deployed"
        return f"opened {repository.create('/issues', title=title, body=body)['html_url']}"
    repository.change(f"/issues/{issue['number']}", body=body)
    return f"brought up to date {issue['html_url']}"


def _closed(repository: GitHub, issue: Object) -> str:
    path = f"/issues/{issue['number']}"
    link = github.run_link()
    said = "The live tables are as deployed again." + (f" {link}" if link else "")
    repository.create(f"{path}/comments", body=said)
    repository.change(path, state="closed", state_reason="completed")
    return f"closed {issue['html_url']}"
