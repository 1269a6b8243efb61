"""Bring the stack to its config: weights that rise by steps with analysis, all else at once."""

import argparse
from pathlib import Path

from canary.arguments import notify

NAME = "deploy"

EXAMPLES = """\
examples:
  python -m canary deploy                                   of the stack that is selected
  python -m canary deploy --stack prod --policy-pack policy -o rollout.html

exit codes: 0 the config is in force, 1 it cannot be done, 3 a rollout's analysis failed and 0 % is
in force, 4 aborted by an operator, 6 a hold ran out and the weight stays, 7 somebody else's change
or rollout, 130 and 143 interrupted
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--stack", help="the stack; by default the one that is selected")
    parser.add_argument("--policy-pack", metavar="DIR", help="policies that the update must keep")
    notify(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="REPORT.html",
        help="write the rollout's page; of several, each to REPORT-SERVICE.html",
    )
    parser.add_argument(
        "--outcome", type=Path, metavar="FILE", help="write how it ended, for `canary outcome`"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit code says how it ended. Raises CanaryError."""
    # What these import takes longer than what --help needs.
    from canary import deploying  # noqa: PLC0415

    given = deploying.Given(
        arguments.stack,
        arguments.policy_pack,
        arguments.notify,
        arguments.output,
        arguments.outcome,
    )
    return deploying.deploy(given, Path.cwd())
