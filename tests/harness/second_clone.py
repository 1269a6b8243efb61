"""A second clone of the project, whose local nodes run beside the first one's during the tests.

It lies in `.local`, and is what the tree is at the moment, whether committed or not.
"""

import shutil
import subprocess
from pathlib import Path

from local import toolchain
from local.node import records
from local.node.network import VARIABLE, chosen
from local.paths import LOCAL, PYTHON, ROOT, VENV
from tests.harness.engine import link_or_copy
from tests.harness.networks import free_network

FOLDER = LOCAL / "second"

_NOT_COPIED = shutil.ignore_patterns(
    ".git",
    ".#*",
    LOCAL.name,
    VENV.name,
    "__pycache__",
    ".*_cache",
    ".hypothesis",
    "Pulumi.local.yaml",
)


def make(folder: Path = FOLDER) -> Path:
    """Make the clone, without nodes; what an interrupted run has left of it is ended and gone."""
    remove(folder)
    shutil.copytree(ROOT, folder, ignore=_NOT_COPIED)
    for venv in (VENV, ROOT / "policy" / VENV.name):
        if venv.exists():
            (folder / venv.relative_to(ROOT)).symlink_to(venv)
    plugins = toolchain.PULUMI_HOME / "plugins"
    if plugins.exists():  # else it would look for them outside
        shutil.copytree(plugins, folder / plugins.relative_to(ROOT), copy_function=link_or_copy)
    return folder


def remove(folder: Path = FOLDER) -> None:
    """End whatever runs of the clone, and delete it. Does nothing where it is not there."""
    if not folder.exists():
        return
    # Nodes are found by the folder's path. The code may have been copied by half only.
    shutil.copytree(ROOT / "local", folder / "local", ignore=_NOT_COPIED, dirs_exist_ok=True)
    (folder / LOCAL.name).mkdir(exist_ok=True)
    subprocess.run(
        [PYTHON, "-m", "local", "down"], cwd=folder, check=True, stdin=subprocess.DEVNULL
    )
    shutil.rmtree(folder)


def environment() -> dict[str, str]:
    """What commands in the clone need of one: a network that the first nodes never want."""
    return {VARIABLE: str(free_network(chosen(records.read().network)).all)}


if __name__ == "__main__":
    remove()
