"""Roll a canary out: step by step while the analysis passes, and back when it fails."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from canary import exits
from canary.arguments import notify
from canary.errors import CanaryError

NAME = "run"

EXAMPLES = """\
examples:
  python -m canary run                                  by the steps of the stack's config, to 100 %
  python -m canary run --to 50 --interval 2m            to 50 %, two minutes a step
  python -m canary run --pause-at 10 --max-hold 2h      wait at 10 % for `canary promote`
  python -m canary run --load 20/s                      with requests of its own beside the callers'
  python -m canary run --dry-run                        the plan, and what each step could miss
  python -m canary run --observe                        judge the weight in force, change nothing
  python -m canary run --resume                         go on after an interrupt or a crash

exit codes: 0 promoted, 1 it cannot be done, 3 the analysis failed and 0 % is in force, 4 aborted by
an operator, 5 paused, 6 a hold ran out and the weight stays, 7 somebody else's change or rollout,
130 and 143 interrupted
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--service", help="whose split, where the stack has several")
    parser.add_argument("--stack", help="the stack; by default the one that is selected")
    parser.add_argument("--to", type=_percent, metavar="N", help="the last step; by default 100")
    parser.add_argument(
        "--steps", type=_limit("steps"), metavar="N,N,…", help="the weights, such as 1,5,25,100"
    )
    parser.add_argument(
        "--interval", type=_limit("interval"), metavar="TIME", help="of a step, such as 60s or 5m"
    )
    parser.add_argument(
        "--pause-at",
        type=_percent,
        action="append",
        default=[],
        metavar="N",
        help="wait after this step for `canary promote`; may be given several times",
    )
    parser.add_argument(
        "--on-no-data",
        type=_limit("onNoData"),
        metavar="hold|go|abort",
        help="what a step with too few requests does",
    )
    parser.add_argument(
        "--max-hold", type=_limit("maxHold"), metavar="TIME", help="how long a hold or pause lasts"
    )
    parser.add_argument(
        "--load",
        type=_rate,
        metavar="N/s",
        help="send so many requests a second to the service, GET / by way of the linkerds, for a "
        "canary that gets too few of others",
    )
    notify(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    how.add_argument("--observe", action="store_true", help="judge the weight in force")
    how.add_argument("--resume", action="store_true", help="go on with the last rollout")


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit code says how it ended. Raises CanaryError."""
    # What these import takes longer than what --help needs.
    from canary.rollout import running  # noqa: PLC0415

    fields = ("steps", "interval", "on_no_data", "max_hold")
    changes = tuple(
        (name, getattr(arguments, name)) for name in fields if getattr(arguments, name) is not None
    )
    if arguments.resume and (changes or arguments.to is not None or arguments.pause_at):
        raise CanaryError(
            "--resume goes on with the plan of the last rollout: leave out --to, --steps, "
            "--interval, --pause-at, --on-no-data and --max-hold, or begin another rollout",
            exits.USAGE,
        )
    given = running.Given(
        arguments.stack,
        arguments.service,
        100.0 if arguments.to is None else arguments.to,
        tuple(sorted(set(arguments.pause_at))),
        changes,
        arguments.observe,
        arguments.notify,
        arguments.load,
    )
    act = running.dry_run if arguments.dry_run else running.run
    return (running.resume if arguments.resume else act)(given, Path.cwd())


def _limit(key: str) -> Callable[[str], Any]:
    """Read a value as the stack's config does."""

    def read(text: str) -> Any:
        from settings import analysis  # noqa: PLC0415

        try:
            return analysis.value(key, text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _rate(text: str) -> float:
    from canary.rollout.load import MOST  # noqa: PLC0415

    number, slash, unit = text.partition("/")
    try:
        found = float(number) if slash and unit == "s" else 0.0
    except ValueError:
        found = 0.0
    if not 0.1 <= found <= MOST:
        raise argparse.ArgumentTypeError(
            f"it must be requests a second, from 0.1/s to {MOST:g}/s, such as 20/s"
        )
    return found


def _percent(text: str) -> float:
    from settings import readers  # noqa: PLC0415

    try:
        return readers.percent(0.01)(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
