"""The project's workflows of GitHub Actions, and what their steps run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.paths import ROOT

GITHUB = ROOT / ".github"


@dataclass(frozen=True)
class Step:
    """One step of a job, or of an action of the project's own."""

    file: str
    """From `.github`."""
    job: str
    """Empty in an action."""
    content: dict[str, Any]

    @property
    def run(self) -> str:
        """The script that the step runs; empty where it uses an action."""
        return str(self.content.get("run", "")).strip()


def workflows() -> dict[str, dict[str, Any]]:
    """Each workflow by its file's name."""
    files = sorted((GITHUB / "workflows").glob("*.yml"))
    return {file.name: _read(file) for file in files}


def steps() -> Iterator[Step]:
    """The steps of all workflows and actions."""
    for name, workflow in workflows().items():
        for job, content in workflow["jobs"].items():
            for step in content["steps"]:
                yield Step(f"workflows/{name}", job, step)
    for file in sorted((GITHUB / "actions").glob("*/action.yml")):
        for step in _read(file)["runs"]["steps"]:
            yield Step(str(file.relative_to(GITHUB)), "", step)


def command(of: str) -> list[str]:
    """How a runner executes a step whose script is exactly `of`; there must be one."""
    assert of in {step.run for step in steps()}, f"no step runs {of!r}"
    return ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", of]


def _read(file: Path) -> dict[str, Any]:
    # YAML 1.1 takes a key `on` for true.
    found: dict[Any, Any] = yaml.safe_load(file.read_text())
    return {"on" if key is True else key: value for key, value in found.items()}
