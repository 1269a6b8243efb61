"""The policy pack as this machine's Pulumi can run it."""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from local import cache, toolchain
from local.errors import LocalError
from local.paths import LOCAL, ROOT

PACK = ROOT / "policy"
"""The pack; a Pulumi with its own language host takes it as it is."""

_RUNTIME = "linkerd-canary"
_VERSION = "v1.0.0"


def environment() -> Path:
    """The Python of the pack's own environment, made from its lock where it is not there yet."""
    with cache.lock("policy"):
        cache.run(["local/venv.sh", "policy/requirements.txt", "policy/.venv"], cwd=ROOT)
    return PACK / ".venv" / "bin" / "python"


def pack(folder: Path = LOCAL / "policy", environ: Mapping[str, str] | None = None) -> Path:
    """The folder to give to `--policy-pack`, with all that it needs.

    The language host that is built here takes a pack for a program. Under a runtime that no
    language host answers for, the engine runs an analyzer plugin, which starts the same pack.
    `folder` is where that goes, `environ` that of the Pulumi whose plugin it is.
    """
    python = environment()
    if not toolchain.is_own_pulumi():
        return PACK
    folder.mkdir(parents=True, exist_ok=True)
    declared = (PACK / "PulumiPolicy.yaml").read_text()
    head, _, _ = declared.partition("runtime:")
    (folder / "PulumiPolicy.yaml").write_text(f"{head}runtime: {_RUNTIME}\n")
    _install(_analyzer(folder / "analyzer", python), environ or toolchain.subprocess_environment())
    return folder


def _analyzer(folder: Path, python: Path) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / f"pulumi-analyzer-policy-{_RUNTIME}"
    started = shlex.join([str(python), "-u", "-m", "pulumi.policy"])
    program.write_text(
        f'#!/bin/sh\nunset PYTHONPATH\nexec {started} "$1" {shlex.quote(str(PACK))}\n'
    )
    program.chmod(0o755)
    return folder


def _install(folder: Path, environ: Mapping[str, str]) -> None:
    plugin = ["analyzer", f"policy-{_RUNTIME}", _VERSION, "--file", str(folder), "--reinstall"]
    done = subprocess.run(
        [toolchain.pulumi() / "pulumi", "plugin", "install", *plugin],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LocalError(f"the policy pack's plugin cannot be installed: {done.stderr.strip()}")
