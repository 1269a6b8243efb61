"""Write the page of a rollout: one HTML file that opens anywhere and asks for nothing."""

import argparse
from pathlib import Path

from canary.errors import CanaryError

NAME = "report"

EXAMPLES = """\
examples:
  python -m canary report                              of the last rollout, to rollout-ID.html
  python -m canary report 20261126T081349Z -o page.html
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("id", nargs="?", metavar="ID", help="a rollout's; by default the last one")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="by default rollout-ID.html"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write it. Raises CanaryError."""
    from canary.rollout import journal  # noqa: PLC0415
    from canary.rollout.page import html, sentence, story  # noqa: PLC0415

    found = journal.find(Path.cwd(), arguments.id)
    told = story.told(found)
    path = arguments.output or Path(f"rollout-{found.header.id}.html")
    try:
        path.write_text(html.page(told), encoding="utf-8")
    except OSError as error:
        raise CanaryError(f"{path}: {error.strerror}") from None
    print(f"{sentence.sentence(told)}\n{path}")
    return 0
