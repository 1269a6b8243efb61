"""Turn a preview into the lines that a reviewer wants, as Markdown."""

import argparse
import os
import sys
from pathlib import Path

from canary import changes, events, markdown
from canary.errors import CanaryError

NAME = "summary"

DRIFTED = 3
"""The exit status of --fail-on-drift where something has drifted."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "log",
        help="the log of `PULUMI_DEBUG_COMMANDS=true pulumi preview --refresh --event-log FILE`; "
        "- for standard input",
    )
    parser.add_argument(
        "--fail-on-drift",
        action="store_true",
        help=f"end with status {DRIFTED} if anything was changed outside of Pulumi",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the summary, and add it to the job's where there is one ($GITHUB_STEP_SUMMARY).

    Raises CanaryError for a log that cannot be read.
    """
    preview = events.read(_text(arguments.log), arguments.log)
    text = markdown.document(preview)
    sys.stdout.write(text)
    _add_to_job(text)
    return DRIFTED if arguments.fail_on_drift and changes.drift(preview) else 0


def _text(log: str) -> str:
    try:
        return sys.stdin.read() if log == "-" else Path(log).read_text(encoding="utf-8")
    except OSError as error:
        raise CanaryError(f"cannot read {log}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CanaryError(f"{log} is no text: give the engine's event log") from None


def _add_to_job(text: str) -> None:
    job = os.environ.get("GITHUB_STEP_SUMMARY")
    if not job:
        return
    try:
        with Path(job).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CanaryError(f"cannot write $GITHUB_STEP_SUMMARY ({job}): {error.strerror}") from None
