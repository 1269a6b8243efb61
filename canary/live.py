"""Drawing in place, where the terminal can."""

import sys


def is_possible() -> bool:
    """Whether standard output is a terminal that moves its cursor: a dumb one would stay empty."""
    if not sys.stdout.isatty():
        return False
    from rich.console import Console  # noqa: PLC0415

    return not Console().is_dumb_terminal
