"""The operator's commands: `python -m canary COMMAND …`; `--help` says which there are."""

import argparse
import sys
from collections.abc import Sequence

from canary import comment, drift, summary, tls
from canary.errors import CanaryError

COMMANDS = (summary, comment, drift, tls)
"""Each gives a NAME, `arguments(parser)` and `run(arguments)`, which returns the exit status."""


def main(given: Sequence[str] | None = None) -> int:
    """Run one command, by default the program's own; its exit status, 1 where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m canary", description="The canary's commands.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        said = (command.__doc__ or "").partition("\n")[0]
        added = commands.add_parser(command.NAME, help=said, description=said)
        command.arguments(added)
        added.set_defaults(run=command.run)
    arguments = parser.parse_args(given)
    try:
        status: int = arguments.run(arguments)
    except CanaryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
