"""local/venv.sh: what it shows while pip works, and what it says where pip cannot."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from local.paths import ROOT
from tests.harness.terminal import on_terminal
from tests.harness.waiting import wait_until

LOCK = "one==1.0 \\\n    --hash=sha256:0\ntwo==2.0 \\\n    --hash=sha256:0\n"

PYTHON3 = f"""\
#!/bin/sh
case "$*" in
"-m venv "*) mkdir -p "$3/bin" && cp "$(dirname "$0")/pip" "$3/bin/python";;
*hashlib*) [ -z "$SYS" ] && echo "${{KEY:-key}}" ||
    exec {sys.executable} -c "import sys; $SYS; exec(sys.argv.pop(1))" "$2" "$3";;
*pwd*) echo /home/of/passwd;;
esac
"""
"""Its key is $KEY, or the real Python's with $SYS done to it."""


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


def run(
    clone: Path, pip: str, arguments: Sequence[str] = ("lock.txt", "venv"), **env: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["local/venv.sh", *arguments],
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


def test_an_update_of_python_in_its_place_needs_no_new_environment(clone: Path) -> None:
    installs = "… installing the Python environment from lock.txt (once)\n"
    assert run(clone, "exit 0", SYS="sys.version = '3.11.2 (Nov 1 2026)'").stderr == installs
    assert run(clone, "exit 1", SYS="sys.version = '3.11.2 (Nov 8 2026)'").stderr == ""
    for other in ("base_prefix = '/opt/python'", "implementation.cache_tag = 'cpython-399'"):
        assert run(clone, "exit 0", SYS=f"sys.{other}").stderr == installs


OLD = "exit 0  # the former Python"


@pytest.fixture
def former(clone: Path) -> Path:
    """The Python of a complete environment of another lock file."""
    assert run(clone, OLD, KEY="former").returncode == 0
    return clone / "venv" / "bin" / "python"


def is_whole(former: Path) -> bool:
    """Whether the former environment is where it was, and no second one anywhere."""
    is_back = former.exists() and OLD in former.read_text()
    kept = (former.parents[2] / ".local").glob("former*")
    return is_back and (former.parents[1] / ".made-former").exists() and not [*kept]


def test_the_former_environment_stays_where_the_new_one_cannot_be_made(
    clone: Path, former: Path
) -> None:
    assert run(clone, "exit 1").returncode == 1
    assert is_whole(former)


def test_the_former_environment_makes_way_for_the_new_one(clone: Path, former: Path) -> None:
    assert run(clone, "exit 0").returncode == 0
    assert OLD not in former.read_text()
    assert [file.name for file in (clone / "venv").glob(".made*")] == [".made-key"]
    assert not [*(clone / ".local").iterdir()]


def test_an_interrupt_brings_the_former_environment_back(clone: Path, former: Path) -> None:
    env = environment(clone, "exec sleep 600")
    with on_terminal(["local/venv.sh", "lock.txt", "venv"], clone, env) as terminal:
        wait_until(lambda: "  … 0 of 2 packages (" in terminal.shown, "the line")
        terminal.press_control_c()
        assert terminal.wait() == 130
    assert is_whole(former)


def test_pip_has_ended_before_the_former_environment_is_put_back(clone: Path, former: Path) -> None:
    kept, late, began = clone / ".local" / "former-venv", clone / "venv" / "late", clone / "began"
    ending = f"""
    for _ in $(seq 30); do [ -e "{kept}" ] || break; sleep 0.1; done
    mkdir -p "{late.parent}"; touch "{late}"; exit 1"""
    pip = f"trap '' HUP; trap '{ending}' TERM; echo $$ >{began}.part; mv {began}.part {began}"
    env = environment(clone, f"{pip}; while :; do sleep 0.1; done")
    with on_terminal(["local/venv.sh", "lock.txt", "venv"], clone, env) as terminal:
        wait_until(began.exists, "pip works")
        terminal.press_control_c()
        assert terminal.wait() == 130
    running = Path("/proc") / began.read_text().strip()
    wait_until(lambda: not running.exists(), "pip has ended")
    assert is_whole(former)
    assert not late.exists()


@pytest.mark.parametrize("pip", ["exit 1", "exit 0"])
def test_an_environment_without_a_mark_is_kept_like_any_other(clone: Path, pip: str) -> None:
    """What `pulumi install` makes has none."""
    python = clone / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{OLD}\n")
    python.chmod(0o755)
    done = run(clone, pip)
    assert done.returncode == (pip == "exit 1")
    assert (OLD in python.read_text()) == (pip == "exit 1")
    assert not [*(clone / ".local").iterdir()]
    assert not (clone / "venv" / ".making").exists()


def test_an_unfinished_environment_is_not_kept(clone: Path, former: Path) -> None:
    (former.parents[1] / ".making").touch()
    assert run(clone, "exit 1").returncode == 1
    assert OLD not in former.read_text()


def test_what_an_interrupt_at_the_end_has_left_is_removed(clone: Path, former: Path) -> None:
    assert run(clone, "exit 0").returncode == 0
    (clone / ".local" / "former-venv" / "bin").mkdir(parents=True)
    done = run(clone, "exit 1")
    assert (done.returncode, done.stderr) == (0, "")
    assert (clone / "venv" / ".made-key").exists()
    assert not [*(clone / ".local").iterdir()]


def test_a_second_run_touches_nothing_while_it_waits(clone: Path) -> None:
    with (clone / "lock.txt").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with subprocess.Popen(
            ["local/venv.sh", "lock.txt", "venv"], cwd=clone, env=environment(clone, "exit 0")
        ) as second:
            children = Path(f"/proc/{second.pid}/task/{second.pid}/children")
            wait_until(lambda: "flock" in map(program_of, children.read_text().split()), "it waits")
            touched = (clone / "venv").exists()
            fcntl.flock(held, fcntl.LOCK_UN)
            assert second.wait(120) == 0
    assert not touched
    assert (clone / "venv" / ".made-key").exists()


def program_of(process: str) -> str:
    """The name of a process's program; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.mark.parametrize(
    ("key", "pip", "status"), [("former", "exit 1", 0), ("key", "exit 1", 1), ("key", "exit 0", 0)]
)
def test_after_a_kill_the_next_run_has_the_former_environment(
    clone: Path, former: Path, key: str, pip: str, status: int
) -> None:
    with subprocess.Popen(
        ["local/venv.sh", "lock.txt", "venv"],
        cwd=clone,
        env=environment(clone, f'touch "{clone}/began"; exec sleep 600'),
        start_new_session=True,
    ) as killed:
        wait_until((clone / "began").exists, "pip works")
        os.killpg(killed.pid, signal.SIGKILL)
    assert not former.exists() or OLD not in former.read_text()
    assert run(clone, pip, KEY=key).returncode == status
    if pip == "exit 0":
        assert (clone / "venv" / ".made-key").exists()
        assert not [*(clone / ".local").iterdir()]
    else:
        assert is_whole(former)


def test_ending_the_nodes_takes_any_environment_that_runs(clone: Path) -> None:
    (clone / "requirements-dev.txt").write_text(LOCK)
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$*" = "-c import local.__main__" ]\n')
    python.chmod(0o755)
    done = run(clone, "exit 1", ["--any"])
    assert (done.returncode, done.stderr) == (0, "")
    python.write_text("#!/bin/sh\nexit 1\n")
    done = run(clone, "exit 0", ["--any"])
    assert done.stderr.startswith("… installing the Python environment from requirements-dev.txt")
    assert (done.returncode, (clone / ".venv" / ".made-key").exists()) == (0, True)


@pytest.mark.parametrize("target", ["down", "status", "clean"])
def test_what_ends_the_nodes_installs_nothing_without_need(target: str) -> None:
    would = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert would.count("local/venv.sh") == would.count("local/venv.sh --any") == 1
