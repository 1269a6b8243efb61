"""The operator's commands: `python -m canary COMMAND …`; `--help` says which there are."""

import argparse
import sys
from collections.abc import Sequence

import shtab

from canary import (
    abort,
    comment,
    drift,
    exits,
    promote,
    rollout_report,
    set_weight,
    status,
    summary,
)
from canary import run as run_command
from canary.errors import CanaryError

COMMANDS = (
    status,
    set_weight,
    run_command,
    promote,
    abort,
    rollout_report,
    summary,
    comment,
    drift,
)
"""Each gives a NAME, `arguments(parser)` and `run(arguments)`, which returns the exit status.

A command may give EXAMPLES, which its `--help` ends with.
"""


def main(given: Sequence[str] | None = None) -> int:
    """Run one command, by default the program's own; its exit status: of canary/exits.py."""
    parser = argparse.ArgumentParser(prog="python -m canary", description="The canary's commands.")
    shtab.add_argument_to(parser, help="print what completes these commands in a shell")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        said = (command.__doc__ or "").partition("\n")[0]
        added = commands.add_parser(
            command.NAME,
            help=said,
            description=said,
            epilog=getattr(command, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.arguments(added)
        added.set_defaults(run=command.run)
    arguments = parser.parse_args(given)
    try:
        status: int = arguments.run(arguments)
    except CanaryError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
