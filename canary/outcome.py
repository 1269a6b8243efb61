"""Keep one issue open for as long as Git has a weight that a deployment did not bring about."""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from canary import github, outcomes
from canary.github import GitHub, Object
from canary.issue import Issue
from canary.markdown import bold, code
from canary.outcomes import Outcome, Rollout

NAME = "outcome"

EXAMPLES = """\
example:
  python -m canary outcome "$RUNNER_TEMP/deployment.json" --stack dev    in a job of GitHub Actions
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("outcome", type=Path, help="the file that `deploy --outcome` has written")
    parser.add_argument("--stack", required=True, help="the stack that was deployed")


def run(arguments: argparse.Namespace) -> int:
    """Open the issue, bring it up to date, or close it.

    Takes GITHUB_TOKEN and GITHUB_REPOSITORY from the environment. A deployment that did not begin,
    or whose update failed, leaves the issue as it is: the weights are those of before. So does one
    that had nothing to roll out, while the weight is in force that was not passed. Raises
    CanaryError.
    """
    if not arguments.outcome.exists():
        print("the deployment did not begin: the issue, if there is one, stays as it is")
        return 0
    found = outcomes.read(arguments.outcome)
    if not found.open_rollouts and found.code != 0:
        print("nothing was rolled out: the issue, if there is one, stays as it is")
        return 0
    repository = GitHub.of_job()
    issue = Issue(repository, github.mark("deployment", arguments.stack))
    left = _not_judged(issue.text, found)
    if found.open_rollouts:
        title = f"Git has a canary weight that has not passed on {arguments.stack}"
        print(issue.keep(title, _body(repository, arguments.stack, found, left)))
    elif left:
        print(f"the issue stays open: the last step of {' and '.join(left)} was not passed")
    elif issue.is_open:
        print(issue.close("What Git has is in force again."))
    else:
        print("what Git has is in force")
    return 0


_WANTED = re.compile(r"<!-- wanted (\S+) ([0-9]+(?:\.[0-9]+)?) -->")
"""Of each canary in the issue: its version and the percent that Git had."""


def _not_judged(text: str, found: Outcome) -> dict[str, float]:
    """The canaries of an issue that have what Git wants, and have never passed there.

    A deployment has nothing to roll out then, and would take them for accepted.
    """
    rolled_out = {each.canary for each in found.rollouts}
    wanted = {canary: float(percent) for canary, percent in _WANTED.findall(text)}
    return {
        canary: percent
        for canary, percent in wanted.items()
        if canary not in rolled_out and found.weights.get(canary) == percent
    }


_IN_FORCE = (
    "{} has its weight, and its last step was not passed: no deployment rolls it out again. Revert "
    "it, or judge it with `python -m canary run --observe` and close this issue."
)

_UNTIL = (
    "Each deployment until then rolls {} out again, by steps. This issue closes by itself once a "
    "deployment has brought about what Git has."
)


def _body(repository: GitHub, stack: str, found: Outcome, left: Mapping[str, float]) -> str:
    """`left` are the canaries of earlier deployments that have never passed."""
    rollouts = found.open_rollouts
    away = [each for each in rollouts if each.in_force != each.wanted]
    there = {each.canary: each.wanted for each in rollouts if each not in away}
    heading = "does not have what" if away else "has, without having passed, what"
    parts = [
        f"### {code(stack)} {heading} {code(found.settings)} says",
        outcomes.rows(rollouts),
        *outcomes.sentences(rollouts),
        *_advice(repository, rollouts),
        *(_IN_FORCE.format(code(canary)) for canary in {**there, **left}),
        *([_UNTIL.format(_listed([each.canary for each in away]))] if away else []),
        *(f"<!-- wanted {each.canary} {each.wanted:g} -->" for each in rollouts),
        *(f"<!-- wanted {canary} {percent:g} -->" for canary, percent in left.items()),
        f"<sub>{github.run_link()}</sub>",
    ]
    return "\n\n".join(parts) + "\n"


def _advice(repository: GitHub, rollouts: Sequence[Rollout]) -> list[str]:
    """What to revert, a paragraph for each commit."""
    by_commit: dict[str, list[str]] = {}
    for each in rollouts:
        by_commit.setdefault(each.commit, []).append(each.canary)
    return [
        f"{bold(f'Revert {_change(repository, commit)}')}, which raised {_listed(canaries)}."
        for commit, canaries in by_commit.items()
    ]


def _listed(canaries: Sequence[str]) -> str:
    return " and ".join(map(code, canaries))


def _change(repository: GitHub, commit: str) -> str:
    """What brought a commit to the branch: `#12`, or itself where it was pushed."""
    if not commit:
        return "the change"
    merged = [each for each in _pulls(repository, commit) if each.get("merged_at")]
    return f"#{merged[0]['number']}" if merged else f"{commit} (of no pull request)"


def _pulls(repository: GitHub, commit: str) -> list[Object]:
    return list(repository.listed(f"/commits/{commit}/pulls"))
