"""local/progress.py: what is shown of a wait, on a terminal and in a log."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from local import progress
from local.paths import ROOT
from tests.harness.terminal import HIDE_CURSOR, SHOW_CURSOR, on_terminal
from tests.harness.waiting import wait_until

SOON = """\
import time
from local import progress
progress.SILENT_SECONDS, progress.REPEAT_SECONDS = 0.3, 0.6
"""

STEP = f"""\
{SOON}
with progress.step("building kubernetes") as shown:
    for done in range(20):
        shown.status = lambda: f"{{done}} of 20 packages"
        if done == 10:
            progress.say("  a line in between")
        time.sleep(0.1)
"""

ENDLESS = f"""\
{SOON}
with progress.activity("waiting for the API server"):
    time.sleep(600)
"""


def in_a_log(program: str, **env: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert not done.stdout
    return done.stderr.splitlines()


@pytest.mark.parametrize("env", [{}, {"FORCE_COLOR": "1"}], ids=["plain", "forced colour"])
def test_a_log_gets_a_line_now_and_then(env: dict[str, str]) -> None:
    lines = in_a_log(STEP, **env)
    assert lines[0] == "… building kubernetes"
    assert re.fullmatch(r"  done in \d+\.\d s", lines[-1])
    between = [line for line in lines[1:-1] if line != "  a line in between"]
    assert len(between) == len(lines) - 3
    assert 1 <= len(between) <= 4  # of twenty states
    for line in between:
        assert re.fullmatch(r"  … building kubernetes: \d+ of 20 packages \(\d+ s\)", line)


def test_a_terminal_gets_one_line_that_is_redrawn() -> None:
    with on_terminal([sys.executable, "-c", STEP], ROOT) as terminal:
        assert terminal.wait() == 0
        assert terminal.sane
    shown = terminal.shown
    states = set(re.findall(r"building kubernetes: (\d+) of 20 packages \(\d+ s\)", shown))
    assert len(states) >= 3
    assert shown.count("building kubernetes:") > shown.count("\n")  # they share a line
    assert "  a line in between\r\n" in shown
    assert re.search(r"  done in \d+\.\d s\r\n$", shown)
    assert shown.rindex(SHOW_CURSOR) > shown.rindex(HIDE_CURSOR)


def test_a_line_is_cut_to_the_terminals_width() -> None:
    long = f"""{SOON}
with progress.activity("x" * 500):
    time.sleep(1)
"""
    with on_terminal([sys.executable, "-c", long], ROOT, {"COLUMNS": "40"}) as terminal:
        assert terminal.wait() == 0
    assert max(map(len, re.findall("x+", terminal.shown))) <= 40
    assert "…" in terminal.shown


def test_a_dumb_terminal_is_written_to_as_a_log() -> None:
    with on_terminal([sys.executable, "-c", STEP], ROOT, {"TERM": "dumb"}) as terminal:
        assert terminal.wait() == 0
    assert "\x1b" not in terminal.shown
    assert "  … building kubernetes: " in terminal.shown


def test_an_interrupt_leaves_a_sane_terminal() -> None:
    with on_terminal([sys.executable, "-c", ENDLESS], ROOT) as terminal:
        wait_until(lambda: "waiting for the API server (" in terminal.shown, "the line")
        terminal.press_control_c()
        assert terminal.wait() != 0
        assert terminal.sane
    assert "KeyboardInterrupt" in terminal.shown
    assert terminal.shown.rindex(SHOW_CURSOR) > terminal.shown.rindex(HIDE_CURSOR)


def test_a_short_wait_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with progress.activity("waiting"):
        pass
    assert capfd.readouterr().err == ""


def test_of_nested_activities_the_innermost_is_shown(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.0)
    shown = []

    def seen(what: str) -> bool:
        shown.append(capfd.readouterr().err)
        return what in "".join(shown)

    with progress.activity("starting Kubernetes"):
        wait_until(lambda: seen("  … starting Kubernetes (0 s)\n"), "the outer one")
        with progress.activity("waiting for containerd"):
            wait_until(lambda: seen("  … waiting for containerd (0 s)\n"), "the inner one")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.9, "1 min 0 s"), (605, "10 min 5 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_a_step_that_fails_is_not_done(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), progress.step("building"):
        raise ValueError("no")
    assert capfd.readouterr().err == "… building\n"
