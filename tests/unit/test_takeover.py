"""`make down` while others work on the stack: local/takeover.py, with fakes at work."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local import holders, processes
from local.node.cgroups import alive
from local.paths import ROOT
from local.state import State, url
from local.takeover import taken_over
from tests.harness.waiting import wait_until

TIDY = "echo interrupted >>$log; rm $lock; exit 1"
"""What Pulumi does when it is interrupted."""

WAIT = "echo began >>$log; while :; do sleep 0.05; done"


class Stack:
    """A stack in a folder, and fakes that work on it."""

    def __init__(self, folder: Path, started: ExitStack) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        self.state = State(folder / "stacks", "project", "local")
        self.state.locks.mkdir(parents=True)
        self.keep = folder / "stack.lock"
        self.lock = self.state.locks / "4d1e5c3a-0000-4000-8000-000000000000.json"
        self.log = folder / "log"
        self._started = started

    def pulumi(
        self, script: str, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a fake pulumi; returns once it is at work and the lock names it."""
        named = f"lock={shlex.quote(str(self.lock))}; log={shlex.quote(str(self.log))}; {script}"
        process = self._started.enter_context(
            subprocess.Popen(
                ["pulumi", "-c", named],
                executable="/bin/sh",
                cwd=cwd or self.project,
                env={**os.environ, **(env or {})},
            )
        )
        self._started.callback(process.kill)
        self.locked_by(process.pid)
        wait_until(lambda: self.said.count("began") > 0, "it works")
        return process

    def make_up(self, script: str) -> subprocess.Popen[bytes]:
        """Start what keeps the stack and has a pulumi at work, as `make up` does."""
        command = [sys.executable, "-c", _MAKE_UP, str(self.keep), str(self.log), script]
        process = self._started.enter_context(subprocess.Popen(command, cwd=ROOT))
        self._started.callback(process.kill)
        wait_until(lambda: {"ready", "began"} <= {*self.said}, "it works")
        return process

    def locked_by(self, pid: int, age: float = 0.0, host: str | None = None) -> None:
        """Write Pulumi's lock."""
        then = datetime.now(UTC) - timedelta(seconds=age)
        note = {"pid": pid, "hostname": host or socket.gethostname(), "timestamp": then.isoformat()}
        self.lock.write_text(json.dumps(note))

    @property
    def said(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def take_over(self) -> None:
        """What `make down` does before the nodes end."""
        with taken_over(self.keep, self.state, self.project):
            keeper = holders.keeper(self.keep)
            assert keeper is not None
            assert keeper.pid == os.getpid()


_MAKE_UP = """\
import os, subprocess, sys
from pathlib import Path
from local import holders
keep, log, script = sys.argv[1:]
with holders.alone(Path(keep), "local"):
    child = subprocess.Popen(["pulumi", "-c", f"log={log}; {script}"], executable="/bin/sh")
    def say(word):
        with open(log, "a") as file:
            file.write(f"{word}\\n")
    say("ready")
    while child.returncode is None:
        try:
            child.wait()
        except KeyboardInterrupt:
            say("told")
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    folder = tmp_path / "50%#1"  # a URL has them quoted
    folder.mkdir()
    with ExitStack() as started:
        yield Stack(folder, started)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TIDY_SECONDS", 0.5)
    monkeypatch.setattr(processes, "HURRY_SECONDS", 0.5)


def test_where_nobody_works_nothing_is_said(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.take_over()
    assert capsys.readouterr().err == ""


def test_a_pulumi_is_named_interrupted_and_waited_for(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    process = stack.pulumi(f"trap 'sleep 0.5; {TIDY}' INT; {WAIT}")
    stack.take_over()
    assert process.poll() == 1, "it has ended"
    assert stack.said == ["began", "interrupted"]
    assert not stack.lock.exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        rf"… interrupting `pulumi -c .*` \(process {process.pid}, since \S+\), at work on the "
        "stack local",
        line,
    )


def test_a_make_up_and_its_pulumi_are_named_once(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    note = f'{{"pid": %s, "timestamp": "{datetime.now(UTC).isoformat()}"}}'
    lock = shlex.quote(str(stack.lock))
    script = f"lock={lock}; trap '{TIDY}' INT; printf '{note}' $$ >$lock; {WAIT}"
    process = stack.make_up(script)
    stack.take_over()
    assert process.poll() == 0, "it has ended"
    assert sorted(stack.said) == ["began", "interrupted", "ready", "told"], "each has one SIGINT"
    (line,) = capsys.readouterr().err.splitlines()
    assert f"(process {process.pid}, since " in line


def test_one_that_does_not_end_is_interrupted_again(
    stack: Stack, impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    process = stack.pulumi(f"trap 'trap \"{TIDY}\" INT' INT; {WAIT}")
    stack.take_over()
    assert process.poll() == 1
    assert capsys.readouterr().err.splitlines()[1:] == ["  it has not ended: interrupting it again"]


def test_one_that_never_ends_is_killed_with_what_it_started(
    stack: Stack, impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    child = "sh -c 'trap : INT; echo $$ >>$log; while :; do sleep 0.05; done' &"
    process = stack.pulumi(f"export log; trap '' INT; {child} {WAIT}")
    wait_until(lambda: len(stack.said) == 2, "its child runs")
    (plugin,) = (int(word) for word in stack.said if word != "began")
    stack.take_over()
    assert process.poll() == -signal.SIGKILL
    wait_until(lambda: not alive(plugin), "what it started has ended")
    assert capsys.readouterr().err.splitlines()[1:] == [
        "  it has not ended: interrupting it again",
        "  it has not ended: killing it",
    ]
    assert holders.look(stack.state.locks) == ([stack.lock], []), "the lock binds nobody"


@pytest.mark.parametrize("by", ["folder", "backend"])
def test_a_pulumi_is_known_by_either(stack: Stack, tmp_path: Path, by: str) -> None:
    backend = {"PULUMI_BACKEND_URL": f"{url(stack.state.backend)}?metadata=skip"}
    process = (
        stack.pulumi(f"trap '{TIDY}' INT; {WAIT}")
        if by == "folder"
        else stack.pulumi(f"trap '{TIDY}' INT; {WAIT}", cwd=tmp_path, env=backend)
    )
    stack.take_over()
    assert process.poll() == 1


def test_a_pulumi_of_another_project_is_left_alone(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has the number of one that was killed; its clock may have been put right."""
    elsewhere = {"PULUMI_BACKEND_URL": f"{url(stack.state.backend)}-of-another"}
    process = stack.pulumi(f"trap '{TIDY}' INT; {WAIT}", cwd=tmp_path, env=elsewhere)
    stack.take_over()
    assert is_left_alone(stack, process)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("… leaving `pulumi -c ")
    assert line.endswith(" alone: it may be at work on something else")


def test_a_pulumi_that_is_younger_than_the_lock_is_left_alone(stack: Stack) -> None:
    process = stack.pulumi(f"trap '{TIDY}' INT; {WAIT}")
    stack.locked_by(process.pid, age=600)
    stack.take_over()
    assert is_left_alone(stack, process)


def test_a_process_of_another_name_is_left_alone(stack: Stack) -> None:
    stack.locked_by(os.getpid())  # SIGINT would end this test
    stack.take_over()
    assert stack.lock.exists()


def test_a_pulumi_of_another_machine_is_left_alone(stack: Stack) -> None:
    process = stack.pulumi(f"trap '{TIDY}' INT; {WAIT}")
    stack.locked_by(process.pid, host="elsewhere")
    stack.take_over()
    assert is_left_alone(stack, process)


def is_left_alone(stack: Stack, process: subprocess.Popen[bytes]) -> bool:
    """Whether a process got no signal: one that it had got before this one would show."""
    if process.poll() is not None or "interrupted" in stack.said:
        return False
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=120) == 1 and stack.said.count("interrupted") == 1


def test_another_make_down_is_waited_for(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process = stack.make_up("echo began >>$log; sleep 1")
    monkeypatch.setattr(holders, "_command", lambda _: "make down")
    stack.take_over()
    assert process.wait(timeout=120) == 0
    assert "told" not in stack.said, "it got no signal"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"… waiting for `make down` (process {process.pid}, since ")


def test_whoever_comes_meanwhile_is_told_who_has_the_stack(stack: Stack) -> None:
    with (
        taken_over(stack.keep, stack.state, stack.project),
        pytest.raises(holders.StackInUseError) as refused,
        holders.alone(stack.keep, "local"),
    ):
        pass
    assert refused.value.holder is not None
    assert refused.value.holder.pid == os.getpid()
