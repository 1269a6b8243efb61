"""The stack `local`: this project's program on the local node, by plain `pulumi` commands."""

import json
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local import toolchain
from local.errors import LocalError
from local.node.cgroups import alive
from local.paths import KUBECONFIG, ROOT
from local.progress import say

NAME = "local"
SETTINGS = ROOT / f"Pulumi.{NAME}.yaml"
"""The stack's own settings: made here, ignored by git, changed by `pulumi config set`."""

PROJECT = "linkerd-canary"


def pulumi(*arguments: str) -> None:
    """Run a `pulumi` command on the stack and let it speak for itself."""
    done = subprocess.run(_command(arguments), cwd=ROOT, env=_environment(), check=False)
    if done.returncode:
        raise LocalError(f"`pulumi {shlex.join(arguments)}` failed: what it said is above")


def ask(*arguments: str) -> str:
    """What a `pulumi` command prints; a LocalError with its complaint if it fails."""
    done = subprocess.run(
        _command(arguments),
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LocalError(f"`pulumi {shlex.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout


def _command(arguments: tuple[str, ...]) -> list[str]:
    return [str(toolchain.pulumi() / "pulumi"), *arguments, "--stack", NAME]


def _environment() -> dict[str, str]:
    return toolchain.subprocess_environment()


def ensure() -> None:
    """Make the backend's folder and the stack where they are missing, and unlock it if need be."""
    stacks = toolchain.STACKS
    stacks.mkdir(parents=True, exist_ok=True)
    if not (stacks / ".pulumi" / "stacks" / PROJECT / f"{NAME}.json").exists():
        say(f"… making the stack {NAME}")
        ask("stack", "init", "--no-select")
    ask("stack", "select")
    _release_dead_locks()


def _release_dead_locks() -> None:
    """Unlock the stack if all who locked it have been killed; the lock of a living one stays."""
    locks = (toolchain.STACKS / ".pulumi" / "locks").rglob("*")
    holders = [_holder(lock) for lock in locks if lock.is_file()]
    if holders and not any(holder is not None and alive(holder) for holder in holders):
        say(f"… releasing the stack {NAME}, which a killed pulumi had locked")
        ask("cancel", "--yes")
        _forget_pending()


def _holder(lock: Path) -> int | None:
    """The process that locked the stack; None if it was killed while it wrote that down."""
    try:
        return int(json.loads(lock.read_text())["pid"])
    except (ValueError, KeyError):
        return None


def _forget_pending() -> None:
    """Drop the state's notes of what was begun; every command would warn of them for good.

    What was made finds its place again: see PULUMI_K8S_UPSERT_EXISTING_OBJECTS in toolchain.py.
    """
    state = json.loads(ask("stack", "export"))
    if state["deployment"].pop("pending_operations", None):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(state, file)
            file.flush()
            ask("stack", "import", "--file", file.name)


def config() -> dict[str, Any]:
    """The stack's own config values, by their short keys; the project's defaults are not in it."""
    if not SETTINGS.exists():
        return {}
    values = (yaml.safe_load(SETTINGS.read_text()) or {}).get("config") or {}
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in values.items()}


def default(key: str) -> Any:
    """A config key's default from Pulumi.yaml."""
    return yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"][key]["default"]


def configure(images: Mapping[str, str]) -> None:
    """Point the stack at the local node, and at the images that are on it, by config key."""
    wanted = {"kubeconfig": str(KUBECONFIG.relative_to(ROOT)), **images}
    present = config()
    for key, value in wanted.items():
        if present.get(key, default(key)) != value:
            ask("config", "set", key, value)


def outputs() -> dict[str, Any]:
    """The stack's outputs by name."""
    parsed: dict[str, Any] = json.loads(ask("stack", "output", "--json"))
    return parsed
