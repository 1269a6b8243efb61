"""Which kubernetes plugin the local stack gets, and when it is installed again."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local import binaries, cache, node, plugin, toolchain, whole
from local.errors import LocalError


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

    def install(self, *more: str, timeout: float | None = None) -> None:
        """What `pulumi plugin install` does."""
        if not more and not self.published:
            raise LocalError("no such host")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if more:
            build = Path(more[-1])
            self.builds.append(build.name)
            shutil.copytree(build, self.folder, dirs_exist_ok=True)
        Path(f"{self.folder}.partial").unlink(missing_ok=True)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    found = Installed(tmp_path)
    monkeypatch.setattr(toolchain, "PULUMI_HOME", tmp_path)
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(plugin, "_install", found.install)
    monkeypatch.setattr(binaries, "kubernetes_plugin", lambda: a_build(tmp_path, "build-1"))
    return found


def a_build(folder: Path, name: str) -> Path:
    """A plugin that was built."""
    build = folder / name
    build.mkdir(exist_ok=True)
    (build / binaries.PLUGIN_BUILD_MARK).write_text(name)
    return build


def test_the_published_plugin_is_taken_where_it_can_be_downloaded(installed: Installed) -> None:
    installed.published = True
    for _ in range(2):
        assert plugin.kubernetes().origin == "published, v4.34.2"
    assert installed.builds == []


def test_elsewhere_it_is_built_once(installed: Installed) -> None:
    for _ in range(2):
        found = plugin.kubernetes()
        assert found.folder == installed.folder
        assert found.origin.startswith("built from github.com/pulumi/pulumi-kubernetes/provider/")
    assert installed.builds == ["build-1"]


def test_a_build_of_other_sources_is_replaced(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin.kubernetes()
    monkeypatch.setattr(binaries, "kubernetes_plugin", lambda: a_build(installed.home, "build-2"))
    plugin.kubernetes()
    assert installed.builds == ["build-1", "build-2"]


@pytest.mark.parametrize("mark", ["STANDIN", "built-by-make-up"])
def test_what_earlier_releases_installed_is_replaced(installed: Installed, mark: str) -> None:
    installed.folder.mkdir(parents=True)
    (installed.folder / mark).touch()
    plugin.kubernetes()
    assert installed.builds == ["build-1"]
    assert not (installed.folder / mark).exists()


def test_an_installation_that_was_cut_short_is_done_again(installed: Installed) -> None:
    installed.folder.mkdir(parents=True)
    Path(f"{installed.folder}.partial").touch()
    plugin.kubernetes()
    assert installed.builds == ["build-1"]


def test_without_a_network_and_a_build_nothing_is_started(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Path:
        raise LocalError("kubernetes-plugin cannot be built: the Go module registry is silent")

    monkeypatch.setattr(binaries, "kubernetes_plugin", fail)
    monkeypatch.setattr(node, "check", lambda: None)
    monkeypatch.setattr(node, "up", lambda: pytest.fail("the nodes were started"))
    monkeypatch.setattr(toolchain, "pulumi", lambda: installed.home)
    with pytest.raises(LocalError, match="kubernetes-plugin cannot be built"):
        whole.up()
    assert not installed.folder.exists()
