"""The commit that gave a canary its weight."""

from collections.abc import Iterator
from pathlib import Path

from canary.errors import CanaryError
from canary.stack import configured
from canary.stack.cli import output
from canary.stack.deployed import Deployed
from canary.stack.split import Split

_MOST = 100
"""Commits of the stack's settings that are looked at."""


def raised_by(folder: Path, deployed: Deployed, split: Split) -> str:
    """The commit of the branch by which the canary's committed weight last rose.

    It is the first of those that have had at least today's weight ever since. Empty where git does
    not say, as in a shallow clone that ends after it. A merged pull request is the one commit that
    merged it.
    """
    raised, today = "", None
    for commit, weight in _weights(folder, deployed, split):
        today = weight if today is None else today
        if weight < today:
            break
        raised = commit
    return "" if raised in _boundary(folder) else raised


def _weights(folder: Path, deployed: Deployed, split: Split) -> Iterator[tuple[str, float]]:
    """The commits of the settings, the last one first, and the canary's weight by each."""
    for commit in _commits(folder, deployed.settings):
        values = configured.committed(folder, deployed.settings, deployed.project, commit)
        try:
            found = configured.weights(values, split) if values else {}
        except CanaryError:
            return
        yield commit, found.get(split.canary, 0)


def _commits(folder: Path, settings: str) -> list[str]:
    log = ("log", "--first-parent", f"--max-count={_MOST}", "--format=%H")
    try:
        said = output(["git", "-C", str(folder), *log, "--", settings, configured.PROJECT_FILE])
    except CanaryError:
        return []
    return said.split()


def _boundary(folder: Path) -> list[str]:
    """The commits that a shallow clone has no parents of: git takes all their files for new."""
    try:
        found = output(["git", "-C", str(folder), "rev-parse", "--git-path", "shallow"]).strip()
        return (folder / found).read_text(encoding="ascii").split()
    except (CanaryError, OSError):  # whole clones have no such file
        return []
