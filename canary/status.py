"""Show where a canary stands: its weights, its traffic, its endpoints, and who moved it last."""

import argparse
from pathlib import Path

from canary.arguments import of_split, seconds

NAME = "status"

EXAMPLES = """\
examples:
  python -m canary status                     where the only split stands, by one look
  python -m canary status --for 30            the same, with rates of the next 30 seconds
  python -m canary status --watch             on and on; plain lines where it is piped
  python -m canary status --service world --stack prod --json

exit codes: 0 all is well, 1 it cannot be told, 3 a check failed, 5 a rollout is paused,
6 one holds, 7 the table, the config and the last commit do not say the same
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    of_split(parser)
    parser.add_argument(
        "--for",
        dest="seconds",
        type=seconds(86400),
        default=0.0,
        metavar="SECONDS",
        help="measure for so long, or watch for so long; by default one look, or until Ctrl-C",
    )
    parser.add_argument("--watch", action="store_true", help="look again every two seconds")
    parser.add_argument("--json", action="store_true", help="as JSON; a line a look with --watch")


def run(arguments: argparse.Namespace) -> int:
    """Show it; the exit code says what is to be done about it. Raises CanaryError."""
    # What these import takes longer than what --help needs.
    from canary import watching  # noqa: PLC0415

    how = watching.How(arguments.seconds, arguments.json)
    show = watching.watch if arguments.watch else watching.once
    return show(arguments.stack, arguments.service, Path.cwd(), how)
