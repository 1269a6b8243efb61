"""The operator's commands: `python -m canary COMMAND …`; `--help` says which there are."""

import argparse
import io
import sys
from collections.abc import Sequence

from canary import (
    abort,
    comment,
    completion,
    deploy,
    drift,
    exits,
    outcome,
    promote,
    rollout_report,
    set_weight,
    status,
    summary,
    tls,
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
    deploy,
    outcome,
    summary,
    comment,
    drift,
    tls,
    completion,
)
"""Each gives a NAME, `arguments(parser)` and `run(arguments)`, which returns the exit status.

A command may give EXAMPLES, which its `--help` ends with.
"""


def parser_of(program: str = "python -m canary") -> argparse.ArgumentParser:
    """What parses the commands of a program of that name."""
    parser = argparse.ArgumentParser(prog=program, description="The canary's commands.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        said = (command.__doc__ or "").partition("\n")[0]
        added = commands.add_parser(
            command.NAME,
            # argparse formats this text, but not the description.
            help=said.replace("%", "%%"),
            description=said,
            epilog=getattr(command, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.arguments(added)
        added.set_defaults(run=command.run, parser_of=parser_of)
    return parser


def main(given: Sequence[str] | None = None) -> int:
    """Run one command, by default the program's own; its exit status: of canary/exits.py."""
    _write_in_any_encoding()
    arguments = parser_of().parse_args(given)
    try:
        status: int = arguments.run(arguments)
    except CanaryError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    return status


def _write_in_any_encoding() -> None:
    """Print `?` for what the terminal's encoding lacks; Python escapes it on standard error."""
    # There is none where standard output is closed.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
