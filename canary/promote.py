"""Have a rollout go on: past a pause, a hold or the step that is under way."""

import argparse
from pathlib import Path

NAME = "promote"

EXAMPLES = """\
examples:
  python -m canary promote             to the next step now, from any terminal
  python -m canary promote --full      to the last step now

Where no rollout runs, it goes on with the last one that was left at a pause, a hold or an
interrupt, and its exit codes are those of `run`.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--service", help="whose split, where the stack has several")
    parser.add_argument("--stack", help="the stack; by default the one that is selected")
    parser.add_argument("--full", action="store_true", help="to the last step, over those between")


def run(arguments: argparse.Namespace) -> int:
    """Do it. Raises CanaryError."""
    from canary.rollout import running  # noqa: PLC0415

    return running.promote(arguments.stack, arguments.service, Path.cwd(), full=arguments.full)
