"""Give the canary so many percent: the stack's config, and an update of the routing table alone."""

import argparse
from pathlib import Path

from canary.arguments import of_split, seconds

NAME = "set"

EXAMPLES = """\
examples:
  python -m canary set 10                     ten percent to the canary, the rest to the baseline
  python -m canary set 0.5 --wait             and wait until that is what traffic does
  python -m canary set 0 --service world --stack prod

exit codes: 0 done, 1 it cannot be done and nothing was changed unless the line says so,
6 the share was not the weight in time, 7 somebody else changed the table or runs a rollout
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "percent", metavar="N", help="percent for the canary, 0 to 100 with at most two decimals"
    )
    of_split(parser)
    parser.add_argument(
        "--wait", action="store_true", help="until the share of requests is the weight"
    )
    parser.add_argument(
        "--max-wait",
        type=seconds(3600),
        default=120.0,
        metavar="SECONDS",
        help="how long --wait may take, 1 to 3600; by default 120",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it. Raises CanaryError."""
    # What these import takes longer than what --help needs.
    from canary import moving  # noqa: PLC0415

    patience = arguments.max_wait if arguments.wait else None
    return moving.move(arguments.percent, arguments.stack, arguments.service, Path.cwd(), patience)
