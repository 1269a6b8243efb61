"""What is drawn in place on a terminal, and printed in lines where it cannot be."""

import sys

import pytest

from local.paths import ROOT
from tests.harness.terminal import on_terminal
from tests.harness.waiting import wait_until

ROLLOUT = """
from canary.rollout import terminal
from tests.unit.test_canary_commands import cluster, stack
from tests.unit.test_rollout_notify import a_step

with terminal.display() as display:
    display.show(a_step(), stack(), cluster())
    input()
"""

WATCH = """
from canary import watching
from canary.counters import measured
from tests.unit.test_canary_commands import cluster, stack

found = cluster()
with watching.display(watching.How(0, as_json=False)) as display:
    display.show(watching.Shown.of(stack(), found, measured.now(found.seen, found.names)))
    display.tell("Not seen: 503")
    input()
"""


@pytest.mark.parametrize("term", ["xterm", "dumb", "unknown"])
@pytest.mark.parametrize(
    ("program", "line", "drawn"),
    [(ROLLOUT, "Step 1/3: 10 % to world-v2", "▶10"), (WATCH, "Not seen: 503", "endpoints")],
    ids=["rollout", "watch"],
)
def test_a_terminal_shows_what_happens_at_once(
    program: str, line: str, drawn: str, term: str
) -> None:
    env = {"TERM": term, "PYTHONIOENCODING": "utf-8"}
    with on_terminal([sys.executable, "-c", program], ROOT, env) as terminal:
        wait_until(lambda: line in terminal.shown, line)
        if term == "xterm":
            wait_until(lambda: drawn in terminal.shown, drawn)
            assert "\x1b" in terminal.shown
        else:
            assert drawn not in terminal.shown
            assert "\x1b" not in terminal.shown
