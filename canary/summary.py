"""Turn a preview into the lines that a reviewer wants, as Markdown."""

import argparse
import os
import sys
from pathlib import Path

from canary import events, files, report
from canary.errors import CanaryError

NAME = "summary"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("log", help=f"the log of `{events.HOW}`; - for standard input")


def run(arguments: argparse.Namespace) -> int:
    """Print the summary, and add it to the job's where there is one ($GITHUB_STEP_SUMMARY).

    Raises CanaryError for a log that cannot be read.
    """
    text = report.document(events.read(files.text(arguments.log), arguments.log))
    sys.stdout.write(text)
    _add_to_job(text)
    return 0


def _add_to_job(text: str) -> None:
    job = os.environ.get("GITHUB_STEP_SUMMARY")
    if not job:
        return
    try:
        with Path(job).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CanaryError(f"cannot write $GITHUB_STEP_SUMMARY ({job}): {error.strerror}") from None
