"""Homes and caches that are not there or cannot be written: local/paths.py, local/__main__.py."""

import errno
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from local import __main__ as commands
from local import paths
from local.paths import LOCAL, ROOT

MINE = pwd.getpwuid(os.getuid()).pw_dir


@pytest.mark.parametrize("given", ["", "relative/home", None])
def test_without_a_home_in_the_environment_it_is_passwds(
    monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    if given is None:
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", given)
    assert paths.home() == Path(MINE)
    paths.ensure_home()
    assert os.environ["HOME"] == MINE


def test_a_home_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert paths.home() == Path("/somewhere")


def test_a_user_without_any_home_has_one_in_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert paths.home() == LOCAL / "home"


def cache_of(**env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from local.paths import CACHE; print(CACHE)"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_where_the_cache_is() -> None:
    assert cache_of() == f"{MINE}/.cache/linkerd-canary"
    assert cache_of(HOME="") == f"{MINE}/.cache/linkerd-canary"
    assert cache_of(HOME="/a") == "/a/.cache/linkerd-canary"
    assert cache_of(HOME="/a", XDG_CACHE_HOME="/b") == "/b/linkerd-canary"
    assert cache_of(HOME="/a", XDG_CACHE_HOME="/b", LINKERD_CANARY_CACHE="/c") == "/c"


def test_a_cache_is_never_relative() -> None:
    assert cache_of(HOME="/a", LINKERD_CANARY_CACHE="~/c") == "/a/c"
    assert cache_of(HOME="/a", LINKERD_CANARY_CACHE="~") == "/a"
    assert cache_of(HOME="/a", LINKERD_CANARY_CACHE="~//c") == "/a/c"
    assert cache_of(HOME="a", LINKERD_CANARY_CACHE="~/c") == f"{MINE}/c"
    assert cache_of(HOME="", LINKERD_CANARY_CACHE="~") == MINE
    assert cache_of(HOME="/a", LINKERD_CANARY_CACHE="~root/c") == f"{pwd.getpwnam('root').pw_dir}/c"
    assert cache_of(HOME="/a", LINKERD_CANARY_CACHE="c") == str(ROOT / "c")
    assert cache_of(LINKERD_CANARY_CACHE="~no-such-user/c") == str(ROOT / "~no-such-user/c")
    assert cache_of(HOME="/a", XDG_CACHE_HOME="b") == "/a/.cache/linkerd-canary"


def test_a_relative_home_of_caches_reaches_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    paths.ensure_home()
    assert os.environ["XDG_CACHE_HOME"] == "/caches"
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    paths.ensure_home()
    assert "XDG_CACHE_HOME" not in os.environ


@pytest.mark.parametrize("name", ["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT"])
def test_faults_of_the_file_system_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    number = getattr(errno, name)

    def fail() -> None:
        raise OSError(number, os.strerror(number), "/clone/.local")

    monkeypatch.setattr(commands, "_status", fail)
    monkeypatch.setattr(commands, "exit_on_termination", lambda: None)
    monkeypatch.setattr(sys, "argv", ["local", "status"])
    assert commands.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: /clone/.local: {os.strerror(number)}; ")
    assert said.err.count("\n") == 1


def test_a_fault_that_nobody_foresaw_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.ENOENT, "No such file or directory", "mount")

    monkeypatch.setattr(commands, "_status", fail)
    monkeypatch.setattr(commands, "exit_on_termination", lambda: None)
    monkeypatch.setattr(sys, "argv", ["local", "status"])
    with pytest.raises(FileNotFoundError):
        commands.main()
