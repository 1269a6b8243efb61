"""Arguments that several commands take."""

import argparse
from collections.abc import Callable


def of_split(parser: argparse.ArgumentParser) -> None:
    """Which split is meant."""
    parser.add_argument("--service", help="whose split, where the stack has several")
    parser.add_argument("--stack", help="the stack; by default the one that is selected")


def seconds(most: int) -> Callable[[str], float]:
    """What reads seconds from 1 to `most`."""

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = 0.0
        if not 1 <= found <= most:
            raise argparse.ArgumentTypeError(f"it must be seconds from 1 to {most}")
        return found

    return read
