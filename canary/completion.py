"""Print what completes these commands in a shell, where they are called `canary`."""

import argparse
from collections.abc import Callable

import shtab

NAME = "completion"

EXAMPLES = """\
example:
  alias canary='python -m canary'
  eval "$(python -m canary completion bash)"
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="the shell")


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    parser_of: Callable[[str], argparse.ArgumentParser] = arguments.parser_of
    print(shtab.complete(parser_of("canary"), shell=arguments.shell))
    return 0
