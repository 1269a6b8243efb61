"""Keep one issue open for as long as the live routing tables are not those deployed."""

import argparse

from canary import changes, events, files, github, report
from canary.errors import CanaryError
from canary.events import Preview
from canary.github import GitHub
from canary.issue import Issue

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
    issue = Issue(GitHub.of_job(), github.mark("drift", arguments.stack))
    if drifted:
        told = report.document(found, "Drift")
        body = f"{told}\n{_advice(found)}\n\n<sub>{github.run_link()}</sub>\n"
        print(issue.keep(f"The live routes of {arguments.stack} are not as deployed", body))
    elif issue.is_open:
        print(issue.close("The live tables are as deployed again."))
    else:
        print("the live tables are as deployed")
    return 0


def _advice(found: Preview) -> str:
    own = [changes.is_unsaved(each) for each in changes.tables_drifted(found)]
    said = [_ON_UNSAVED] if any(own) else []
    if not all(own):
        said.append(_ON_CHANGES)
    said.append("This issue closes by itself.")
    if changes.lags(found):
        said.append(_ON_LAGS)
    return " ".join(said)


_ON_UNSAVED = (
    "The state does not have what an update of this stack wrote. If none is under way, it was "
    "ended before it could save: deploy again, or run `pulumi up --refresh`, which brings the "
    "tables to the stack's config."
)

_ON_CHANGES = (
    "Either keep what somebody did, by writing it into the stack's config, or deploy: an update "
    "with `--refresh` puts the tables back."
)

_ON_LAGS = (
    "A linkerd that does not follow a table is not put right by an update: look at namerd and at "
    "its log, and delete its pod."
)
