"""Arguments that several commands take."""

import argparse
from collections.abc import Callable
from urllib.parse import urlsplit


def of_split(parser: argparse.ArgumentParser) -> None:
    """Which split is meant."""
    parser.add_argument("--service", help="whose split, where the stack has several")
    parser.add_argument("--stack", help="the stack; by default the one that is selected")


def notify(parser: argparse.ArgumentParser) -> None:
    """Who is told what happens to a rollout."""
    parser.add_argument(
        "--notify",
        type=url,
        metavar="URL",
        help="POST each line there, as the JSON of Flagger's webhooks",
    )


def url(text: str) -> str:
    """A URL that can be posted to. What is said of another does not show it: it may be a secret."""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")  # as the client does: a label has at most 63 letters
    except ValueError:
        is_usable = False
    if not is_usable:
        raise argparse.ArgumentTypeError(
            "it must be a URL with a host, such as https://hooks.example.com/canary"
        )
    return text


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
