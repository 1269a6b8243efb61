"""Which Pulumi is taken, by which way it reaches the node, and its plugin."""

import json
import subprocess
from pathlib import Path

import pytest

from kube.connection import environment_proxies
from local import binaries, node, toolchain
from local.node.network import Network
from local.paths import VENV


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


LISTING = ("-m", "pip", "list", "-v", "--format", "json")
"""How the language host asks for the packages."""


def of_host(*arguments: str) -> str:
    """What the language host's Python prints."""
    program = binaries.BUILD / "host-venv" / "python"
    given = {"HOST_VENV": str(VENV), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [program, *arguments], env=given, capture_output=True, text=True, check=True
    ).stdout


def test_the_language_hosts_python_lists_the_packages_that_pip_lists() -> None:
    pip = subprocess.run(
        [VENV / "bin" / "python", *LISTING], capture_output=True, text=True, check=True
    ).stdout

    def packages(listed: str) -> set[tuple[str, str, str]]:
        # pip says more after the JSON where a newer pip is there.
        found, _ = json.JSONDecoder().raw_decode(listed)
        return {(each["name"], each["version"], each["location"]) for each in found}

    assert packages(of_host(*LISTING)) == packages(pip)
    assert "pulumi_kubernetes" in {name for name, _, _ in packages(pip)}


def test_the_language_hosts_python_is_the_environments_in_all_else() -> None:
    script = "import sys, shutil; print(sys.prefix, shutil.which('python'), sys.argv[1:])"
    said = of_host("-c", script, "a b", "")
    assert said.strip() == f"{VENV} {VENV}/bin/python ['a b', '']"


def test_the_backends_url_is_the_folders_path_where_that_is_plain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for folder, path in (
        ("/home/me/a-b_c.d/~", "/home/me/a-b_c.d/~"),
        ("/a #%?b", "/a%20%23%25%3Fb"),
    ):
        monkeypatch.setattr(toolchain, "STACKS", Path(folder))
        found = toolchain.environment()["PULUMI_BACKEND_URL"]
        assert found == f"file://{path}?metadata=skip"
