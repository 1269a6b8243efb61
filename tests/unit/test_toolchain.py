"""Which Pulumi is taken, by which way it reaches the node, and its plugin."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dynamic.connection import environment_proxies
from local import binaries, node, toolchain
from local.errors import LocalError
from local.node.network import Network


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


def test_a_proxy_is_passed_by_on_the_way_to_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network.of("198.19.0.0/16")
    monkeypatch.setattr(node, "own_network", lambda: network)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert "NO_PROXY" not in toolchain.environment()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com,198.19.0.0/16")
    environment = toolchain.environment()
    assert environment["NO_PROXY"] == environment["no_proxy"]
    assert environment["NO_PROXY"] == "example.com,198.19.0.0/16,127.198.19.2"
    monkeypatch.setenv("NO_PROXY", environment["NO_PROXY"])
    assert environment_proxies("https://198.19.0.2:6443") == {}
    assert environment_proxies("https://127.198.19.2:26443") == {}
    assert environment_proxies("https://198.18.0.2:6443") != {}


@dataclass
class Installed:
    """Pulumi's home, and what has been installed there."""

    home: Path
    published: bool = False
    """Whether the published plugin can be downloaded."""
    builds: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.home / "plugins" / f"resource-kubernetes-{binaries.PLUGIN_VERSION}"

    def install(self, more: list[str], timeout: float | None = None) -> None:
        """What `pulumi plugin install` does."""
        if "--file" in more:
            self.builds.append(Path(more[-1]).name)
        elif not self.published:
            raise LocalError("no such host")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        Path(f"{self.folder}.partial").unlink(missing_ok=True)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    found = Installed(tmp_path)
    monkeypatch.setattr(toolchain, "PULUMI_HOME", tmp_path)
    monkeypatch.setattr(toolchain, "_install", found.install)
    monkeypatch.setattr(binaries, "kubernetes_plugin", lambda: tmp_path / "build-1")
    return found


def test_the_published_plugin_is_taken_where_it_can_be_downloaded(installed: Installed) -> None:
    installed.published = True
    for _ in range(2):
        assert toolchain.kubernetes_plugin().origin == "published, v4.34.2"
    assert installed.builds == []


def test_elsewhere_it_is_built_once(installed: Installed) -> None:
    for _ in range(2):
        plugin = toolchain.kubernetes_plugin()
        assert plugin.folder == installed.folder
        assert plugin.origin.startswith("built from github.com/pulumi/pulumi-kubernetes/provider/")
    assert installed.builds == ["build-1"]


def test_a_build_of_other_sources_is_replaced(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolchain.kubernetes_plugin()
    monkeypatch.setattr(binaries, "kubernetes_plugin", lambda: installed.home / "build-2")
    toolchain.kubernetes_plugin()
    assert installed.builds == ["build-1", "build-2"]


def test_the_stand_in_of_earlier_releases_is_replaced(installed: Installed) -> None:
    installed.folder.mkdir(parents=True)
    (installed.folder / "STANDIN").touch()
    toolchain.kubernetes_plugin()
    assert installed.builds == ["build-1"]
    assert not (installed.folder / "STANDIN").exists()


def test_an_installation_that_was_cut_short_is_done_again(installed: Installed) -> None:
    installed.folder.mkdir(parents=True)
    Path(f"{installed.folder}.partial").touch()
    toolchain.kubernetes_plugin()
    assert installed.builds == ["build-1"]
