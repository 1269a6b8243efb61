"""local/venv.sh: what it shows while pip works, and what it says where pip cannot."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.paths import ROOT
from tests.harness.terminal import on_terminal
from tests.harness.waiting import wait_until

LOCK = "one==1.0 \\\n    --hash=sha256:0\ntwo==2.0 \\\n    --hash=sha256:0\n"

PYTHON3 = """\
#!/bin/sh
case "$*" in
"-m venv "*) mkdir -p "$3/bin" && cp "$(dirname "$0")/pip" "$3/bin/python";;
*hashlib*) echo key;;
*pwd*) echo /home/of/passwd;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the script, a lock file of two packages, and a `python3` that is quick."""
    (tmp_path / "local").mkdir()
    shutil.copy2(ROOT / "local" / "venv.sh", tmp_path / "local" / "venv.sh")
    (tmp_path / "lock.txt").write_text(LOCK)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text(PYTHON3)
    (tmp_path / "bin" / "python3").chmod(0o755)
    return tmp_path


def environment(clone: Path, pip: str, **env: str) -> Mapping[str, str]:
    """What the script is run with; `pip` is what pip does, in sh."""
    program = clone / "bin" / "pip"
    program.write_text(f"#!/bin/sh\n{pip}\n")
    program.chmod(0o755)
    return {"PATH": f"{clone / 'bin'}:/usr/bin:/bin", "HOME": str(clone), "TERM": "xterm", **env}


def run(clone: Path, pip: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["local/venv.sh", "lock.txt", "venv"],
        cwd=clone,
        env=environment(clone, pip, **env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_quick_installation_is_one_line(clone: Path) -> None:
    done = run(clone, "echo Collecting one")
    assert done.returncode == 0
    assert done.stderr == "… installing the Python environment from lock.txt (once)\n"
    assert (clone / "venv" / ".made-key").exists()
    assert run(clone, "exit 1").stderr == ""


def test_a_terminal_shows_how_many_packages_are_there(clone: Path) -> None:
    env = environment(
        clone, f'echo Collecting one; while [ ! -e "{clone}/go" ]; do sleep 0.1; done'
    )
    with on_terminal(["local/venv.sh", "lock.txt", "venv"], clone, env) as terminal:
        wait_until(lambda: terminal.shown.count("  … 1 of 2 packages (") > 2, "the line, redrawn")
        (clone / "go").touch()
        assert terminal.wait() == 0
        assert terminal.sane
    assert terminal.shown.count("packages (") > terminal.shown.count("\n")
    assert terminal.shown.endswith("\r\x1b[K")


def test_an_interrupt_ends_pip_and_makes_nothing(clone: Path) -> None:
    env = environment(clone, f'echo $$ >"{clone}/pid"; exec sleep 600')
    with on_terminal(["local/venv.sh", "lock.txt", "venv"], clone, env) as terminal:
        wait_until(lambda: "  … 0 of 2 packages (" in terminal.shown, "the line")
        pip = Path("/proc") / (clone / "pid").read_text().strip()
        terminal.press_control_c()
        assert terminal.wait() == 130
        assert terminal.sane
    wait_until(lambda: not pip.exists(), "pip has ended")
    assert not (clone / "venv" / ".made-key").exists()


def test_what_pip_says_is_shown_when_it_fails(clone: Path) -> None:
    done = run(clone, "echo no such package >&2; exit 1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        "no such package",
        "error: the Python packages of lock.txt could not be installed; what pip said is above",
    ]
    assert not (clone / "venv" / ".made-key").exists()


def test_a_full_disk_is_one_line(clone: Path) -> None:
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    done = run(clone, f"echo '{said}'; exit 1")
    (error,) = done.stderr.splitlines()[1:]
    assert error == (
        "error: the disk is full: the Python packages of lock.txt could not be installed; free "
        "some space and try again"
    )


def test_a_folder_that_cannot_be_written_is_one_line(clone: Path) -> None:
    (clone / "venv").touch()
    done = run(clone, "exit 1")
    assert done.returncode == 1
    assert done.stderr == f"error: the folder {clone}/venv cannot be written\n"


@pytest.mark.parametrize("home", ["", "relative"])
def test_without_a_home_it_is_passwds(clone: Path, home: str) -> None:
    done = run(clone, f'echo "$HOME" >"{clone}/home"', HOME=home)
    assert done.returncode == 0
    assert (clone / "home").read_text() == "/home/of/passwd\n"
