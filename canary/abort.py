"""Take a canary back to 0 % now, whether a rollout runs or not."""

import argparse
from pathlib import Path

NAME = "abort"

EXAMPLES = """\
examples:
  python -m canary abort                  from any terminal; a rollout that runs ends with 4
  python -m canary abort --service world --stack prod

exit codes: 0 0 % is in force, 1 it cannot be done, 7 somebody else changed the table
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--service", help="whose split, where the stack has several")
    parser.add_argument("--stack", help="the stack; by default the one that is selected")


def run(arguments: argparse.Namespace) -> int:
    """Do it. Raises CanaryError."""
    from canary.rollout import running  # noqa: PLC0415

    return running.abort(arguments.stack, arguments.service, Path.cwd())
