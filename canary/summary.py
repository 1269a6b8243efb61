"""Turn a preview into the lines that a reviewer wants, as Markdown."""

import argparse
import sys

from canary import events, files, github, report

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
    github.add_to_summary(text)
    return 0
