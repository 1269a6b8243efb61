"""A second clone of the project's local part, to start nodes of its own."""

import shutil
from pathlib import Path

from local.paths import ROOT, VENV


def copy_of_local(folder: Path) -> Path:
    """Make a folder with what the nodes need of the project, by the same Python."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "local", folder / "local", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / VENV.name).symlink_to(VENV)
    return folder
