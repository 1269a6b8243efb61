"""A failure is on the terminal while other tests are still running, in however many processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.paths import ROOT
from tests.harness.processes import Process, running

FAILING = """\
import pytest

def test_fails():
    assert 1 + 1 == 3, "the reason"

@pytest.fixture
def broken():
    raise ValueError("the fixture's reason")

def test_is_not_reached(broken):
    pass
"""
WAITING = """\
import time
from pathlib import Path

def test_waits():
    while not Path("go-on").exists():
        time.sleep(0.02)
"""


@pytest.mark.parametrize("processes", [0, 2])
def test_a_failure_shows_while_another_test_is_running(tmp_path: Path, processes: int) -> None:
    # One process takes the files in their order, and two take one each.
    (tmp_path / "test_1_failing.py").write_text(FAILING)
    (tmp_path / "test_2_waiting.py").write_text(WAITING)
    options = ["-p", "tests.harness.at_once", f"--numprocesses={processes}", "--dist=loadfile"]
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir=.", *options]
    log = tmp_path / "log"
    environment = {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    with running(command, log, tmp_path, environment) as pytest_itself:
        _wait_for(
            pytest_itself, "FAILED test_1_failing.py::test_fails - AssertionError: the reason"
        )
        _wait_for(pytest_itself, '>       assert 1 + 1 == 3, "the reason"')
        _wait_for(
            pytest_itself,
            "ERROR test_1_failing.py::test_is_not_reached - ValueError: the fixture's reason",
        )
        assert pytest_itself.running
        assert "passed" not in log.read_text()
        (tmp_path / "go-on").touch()
        assert pytest_itself.wait() == 1
    assert "1 failed, 1 passed, 1 error in" in log.read_text()


def _wait_for(process: Process, line: str) -> None:
    process.wait_until(lambda: line in process.log.read_text().splitlines(), line)


def test_a_process_that_dies_is_named_with_its_test(tmp_path: Path) -> None:
    (tmp_path / "test_dying.py").write_text("import os\ndef test_dies():\n    os._exit(3)\n")
    options = ["-p", "tests.harness.at_once", "--numprocesses=1"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir=.", *options],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = "worker 'gw0' crashed while running 'test_dying.py::test_dies'"
    lines = done.stdout.splitlines()
    assert any(line.startswith("FAILED test_dying.py") and said in line for line in lines), lines
