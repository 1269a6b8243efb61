"""Programs through the real Pulumi engine, each on a stack and a backend of its own.

    with stack(folder, {"kubernetes": kubernetes_plugin()}) as engine:
        engine.run(PROGRAMS / "shop.py", WEIGHT="10")
        engine.up()
        assert engine.preview().steps == {"unchanged": 3}

A program is a file; it takes its values from environment variables.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local import binaries, plugin, toolchain
from local.paths import ROOT, VENV

VERSIONS = {"kubernetes": binaries.PLUGIN_VERSION, "azure-native": "v3.29.0"}

PROJECT = "linkerd-canary"

# The wrapper of the language host wants `virtualenv:` on a line of its own.
_PROJECT = f"""\
name: harness
runtime:
  name: python
  options:
    toolchain: pip
    virtualenv: {VENV}
"""
PACKAGES = ("settings", "infra", "mesh", "apps", "dynamic", "kube", "canary")
"""What this project's program imports."""

_STEP = re.compile(r"(\d+) (?:to )?(create|update|replace|delete|import|unchanged)")


@dataclass(frozen=True)
class Ran:
    """A command that succeeded."""

    text: str
    """What it printed."""

    @property
    def steps(self) -> dict[str, int]:
        """How many resources took or will take which step: create, update, replace, …"""
        counted = self.text.partition("Resources:\n")[2]
        return {step: int(count) for count, step in _STEP.findall(counted)}


class EngineFailedError(Exception):
    """A command failed; `lines` are its errors, each once."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        listed = [line.strip() for line in text.splitlines()]
        found = [line.removeprefix("error: ") for line in listed if line.startswith("error: ")]
        self.lines = list(dict.fromkeys(found))


class Engine:
    """A stack and the commands on it.

    Each is run with `--diff`: the other display tells errors in another order each time.
    """

    def __init__(self, pulumi: Path, project: Path, environment: Mapping[str, str]) -> None:
        self._pulumi = pulumi
        self._project = project
        self._environment = dict(environment)

    @property
    def path(self) -> str:
        """$PATH of its commands."""
        return self._environment["PATH"]

    def run(self, program: Path, **variables: str) -> None:
        """Take a program, and what is in its environment, for the commands to come."""
        shutil.copyfile(program, self._project / "__main__.py")
        self.set_environment(**variables)

    def set_environment(self, **variables: str) -> None:
        self._environment.update(variables)

    def configure(self, **values: Any) -> None:
        """Give the selected stack of this project's program these config values and no others."""
        name = self._command("stack", "--show-name").text.strip()
        path = self._project / f"Pulumi.{name}.yaml"
        settings = yaml.safe_load(path.read_text()) if path.exists() else {}
        config = {f"{PROJECT}:{key}": value for key, value in values.items()}
        path.write_text(yaml.safe_dump({**settings, "config": config}))

    def set_secret(self, path: str, value: str) -> None:
        """Set one config value more, encrypted, at a path such as `services.web.env.KEY`."""
        self._command("config", "set", "--secret", "--path", f"{PROJECT}:{path}", value)

    def select(self, name: str) -> None:
        """Take another stack, a new one without settings."""
        (self._project / f"Pulumi.{name}.yaml").unlink(missing_ok=True)
        self._command("stack", "init", name)

    def rename(self, name: str) -> None:
        """Call the selected stack something else."""
        self._command("stack", "rename", name)

    def up(self, *arguments: str) -> Ran:
        return self._command("up", "--yes", "--skip-preview", "--diff", *arguments)

    def preview(self, *arguments: str) -> Ran:
        return self._command("preview", "--diff", *arguments)

    def refresh(self, *arguments: str) -> Ran:
        return self._command("refresh", "--yes", "--skip-preview", "--diff", *arguments)

    def preview_refresh(self, *arguments: str) -> Ran:
        """Compare the state with what is live, and leave both."""
        return self._command("refresh", "--preview-only", "--diff", *arguments)

    def destroy(self, *arguments: str) -> Ran:
        return self._command("destroy", "--yes", "--skip-preview", "--diff", *arguments)

    def state(self) -> dict[str, Any]:
        """The state as it is kept: secrets are encrypted in it."""
        deployment: dict[str, Any] = json.loads(self._command("stack", "export").text)["deployment"]
        return deployment

    def set(self, key: str, value: str, *more: str) -> None:
        """Set a config key of the stack; `--path` among `more` sets a part of one."""
        self._command("config", "set", "--plaintext", *more, key, value)

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._command("stack", "output", "--json").text)
        return found

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self._project

    @property
    def environment(self) -> dict[str, str]:
        """What its commands have in their environment besides the test's own."""
        return dict(self._environment)

    def canary(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the operator's commands, with what it prints and its exit status."""
        return subprocess.run(
            [sys.executable, "-m", "canary", *arguments],
            cwd=self._project,
            env={**os.environ, **self._environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def start_canary(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin one of the operator's commands; all that it says is on its standard output."""
        return subprocess.Popen(
            [sys.executable, "-m", "canary", *arguments],
            cwd=self._project,
            env={**os.environ, **self._environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _command(self, *arguments: str) -> Ran:
        done = subprocess.run(
            [self._pulumi, *arguments, "--color=never", "--non-interactive"],
            cwd=self._project,
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode:
            raise EngineFailedError(done.stdout)
        return Ran(done.stdout)


def bare_project(folder: Path) -> None:
    """A project without a program: `Engine.run` brings one."""
    (folder / "Pulumi.yaml").write_text(_PROJECT)


def own_project(folder: Path) -> None:
    """This project's program with its own stack files, which a test may change."""
    for path in (ROOT / "__main__.py", *ROOT.glob("Pulumi*.yaml")):
        shutil.copyfile(path, folder / path.name)
    for name in (*PACKAGES, VENV.name):
        (folder / name).symlink_to(ROOT / name)


@contextmanager
def stack(
    folder: Path,
    plugins: Mapping[str, Sequence[str] | Path],
    project_in: Callable[[Path], None] = bare_project,
    name: str = "test",
    /,
    **env: str,
) -> Iterator[Engine]:
    """A new stack whose backend, plugins and everything else of it are in `folder`.

    `plugins` gives of each resource plugin the command, run with the project's modules, or the
    folder that it is in.
    """
    project, backend = folder / "project", folder / "backend"
    project.mkdir()
    backend.mkdir()
    project_in(project)
    programs = toolchain.pulumi()
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": f"file://{backend}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        # The language host runs `pip list` for each command, and that asks for a newer pip.
        "PIP_DISABLE_PIP_VERSION_CHECK": "true",
        **env,
    }
    engine = Engine(programs / "pulumi", project, environment)
    for kind, given in plugins.items():
        installed = folder / "home" / "plugins" / f"resource-{kind}-{VERSIONS[kind]}"
        if isinstance(given, Path):
            shutil.copytree(given, installed, copy_function=link_or_copy)
        else:
            _write_plugin(kind, given, installed)
    engine._command("stack", "init", name)
    yield engine


def kubernetes_plugin() -> Path:
    """The folder of Pulumi's own kubernetes plugin, as the local stack uses it."""
    return plugin.kubernetes().folder


def link_or_copy(source: str, target: str) -> None:
    """The plugin has 100 MB, and each stack has a home of its own."""
    try:
        Path(target).hardlink_to(source)
    except OSError:  # on another file system
        shutil.copy2(source, target)


def _write_plugin(name: str, command: Sequence[str], folder: Path) -> None:
    """Make a folder with a plugin that is this command."""
    folder.mkdir(parents=True)
    program = folder / f"pulumi-resource-{name}"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.join(command)} "$@"\n'
    )
    program.chmod(0o755)
