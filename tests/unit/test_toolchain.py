"""Which Pulumi is taken: the machine's own, or the one that is built here."""

from pathlib import Path

import pytest

from local import toolchain


def a_pulumi(folder: Path) -> Path:
    folder.mkdir(parents=True)
    program = folder / "pulumi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return folder


def test_the_machines_own_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_pulumi(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(folder))
    assert not toolchain.is_own_pulumi()
    assert toolchain.pulumi() == folder


def test_the_built_one_on_path_is_not_the_machines_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a shell that has taken `make env`."""
    monkeypatch.setattr(toolchain, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", str(a_pulumi(tmp_path / "cache" / "pulumi-cli-1")))
    assert toolchain.is_own_pulumi()


def test_none_on_path_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert toolchain.is_own_pulumi()
