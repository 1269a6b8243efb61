"""local/cache.py: what is built once, what it is built with, and which Go that takes."""

import socket
import stat
from pathlib import Path

import pytest

from local import cache, policies
from local.errors import LocalError


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(cache, "CACHE", folder)
    return folder


def an_only_program(name: str, script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH with one program on it."""
    folder.mkdir()
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def test_a_thing_is_built_once_for_each_content(builds: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    made = []

    def make(folder: Path) -> None:
        made.append(source.read_text())
        (folder / "program").write_text(source.read_text())

    source.write_text("one")
    first = cache.built("thing", [source], make)
    assert cache.built("thing", [source], make) == first
    source.write_text("two")
    second = cache.built("thing", [source], make)
    assert made == ["one", "two"]
    assert (first / "program").read_text() == "one"
    assert (second / "program").read_text() == "two"


def test_a_build_that_fails_leaves_nothing_and_is_tried_again(builds: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise LocalError("the compiler says no")

    with pytest.raises(LocalError, match="the compiler says no"):
        cache.built("thing", ["input"], fail)
    assert [entry.name for entry in builds.iterdir()] == [".thing.lock"]
    assert cache.built("thing", ["input"], lambda folder: (folder / "whole").touch()).is_dir()


def test_a_build_that_makes_nothing_is_not_kept(builds: Path) -> None:
    with pytest.raises(LocalError, match=r"^thing cannot be built: nothing was made in /.*$"):
        cache.built("thing", ["input"], lambda folder: None)
    assert [entry.name for entry in builds.iterdir()] == [".thing.lock"]


def test_a_failed_command_is_told_with_its_last_lines() -> None:
    with pytest.raises(LocalError, match=r"`sh -c .*` failed \(3\):\nwhat it said"):
        cache.run(["sh", "-c", "echo what it said >&2; exit 3"])


def test_without_go_it_says_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match=r"^no `go` on PATH: install Go 1\.21 or newer") as refused:
        cache.go_env()
    assert "\n" not in str(refused.value)


def test_a_go_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_only_program("go", "echo go1.19.8", tmp_path / "bin", monkeypatch)
    with pytest.raises(LocalError, match=r"^Go 1\.19\.8 is too old: install Go 1\.21 or newer"):
        cache.go_env()


@pytest.mark.parametrize(
    ("version", "toolchain"),
    [("go1.21", "auto"), ("go1.25.10", "auto"), ("go1.25.11", "local"), ("go1.26rc1", "local")],
)
def test_an_older_go_fetches_the_one_that_the_engine_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, toolchain: str
) -> None:
    an_only_program("go", f"echo {version}", tmp_path / "bin", monkeypatch)
    assert cache.go_env()["GOTOOLCHAIN"] == toolchain


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go1.25.11", (1, 25, 11)),
        ("go1.26rc1", (1, 26)),
        ("go1.25.11 X:jsonv2", (1, 25, 11)),
        ("go1.21.0 X:boringcrypto", (1, 21, 0)),
        ("devel go1.27-0123abc Tue Nov 24 2026", (1, 27)),
    ],
)
def test_every_way_to_say_a_version(
    said: str, version: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_only_program("go", f"echo '{said}'", tmp_path / "bin", monkeypatch)
    assert cache._go_version() == version


def test_a_go_that_says_no_version_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_only_program("go", "echo", tmp_path / "bin", monkeypatch)
    with pytest.raises(LocalError, match=r"^`go env GOVERSION` says '': install Go 1.21 or newer$"):
        cache.go_env()


def test_a_registry_that_does_not_answer_is_one_line(
    builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = f"http://127.0.0.1:{silent.getsockname()[1]}"
        script = f"""
case "$2" in GOVERSION) echo go1.26.0;; GOPROXY) echo '{registry},direct';; esac
[ "$1" = env ] || {{ echo "main.go:3:2: module lookup disabled by GOPROXY=$GOPROXY"; exit 1; }}
"""
        an_only_program("go", script, tmp_path / "bin", monkeypatch)
        monkeypatch.setattr(cache, "REGISTRY_SECONDS", 0.2)
        with pytest.raises(LocalError) as error:
            cache.go_build("thing", tmp_path, ["."])
    assert str(error.value) == (
        f"thing cannot be built: the Go module registry {registry} does not answer; set GOPROXY to "
        "one that does and try again"
    )


@pytest.mark.parametrize(("taken", "why"), [(".", "File exists"), ("cache", "Not a directory")])
def test_a_cache_that_cannot_be_written_is_one_line(
    builds: Path, monkeypatch: pytest.MonkeyPatch, taken: str, why: str
) -> None:
    """A file where a folder should be: no right of root's helps against that."""
    builds.touch()
    monkeypatch.setattr(cache, "CACHE", builds / taken)
    with pytest.raises(LocalError) as error:
        cache.built("thing", ["input"], lambda folder: None)
    assert str(error.value) == (
        f"the cache {builds / taken} cannot be written ({why}): set "
        "LINKERD_CANARY_CACHE to a folder that can"
    )


def test_a_cache_that_the_policies_cannot_use_is_one_line(
    builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds.touch()
    with pytest.raises(LocalError, match=r"^the cache .* cannot be written \(File exists\): set "):
        policies.environment()


def test_it_builds_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOARCH", "mips")
    found = cache.run(["go", "env", "GOOS", "GOARCH"], None, **cache.go_env()).split()
    assert found == cache.run(["go", "env", "GOHOSTOS", "GOHOSTARCH"]).split()


def test_flags_and_workspaces_of_the_users_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    monkeypatch.setenv("GOWORK", "/somewhere/go.work")
    assert cache.go_env()["GOFLAGS"] == "-buildvcs=false"
    assert cache.go_env()["GOWORK"] == "off"
