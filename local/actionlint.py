"""actionlint on the workflows: `python -m local.actionlint`, which `make check` runs."""

import subprocess
import sys
from pathlib import Path

from local import cache
from local.errors import LocalError
from local.paths import ROOT, VENV

_MODULE = ROOT / "local" / "build" / "actionlint"


def main() -> int:
    """Lint them; actionlint's exit status. It has shellcheck look at each `run:` step."""
    try:
        folder = cache.go_build(
            "actionlint", _MODULE, ["github.com/rhysd/actionlint/cmd/actionlint"]
        )
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    linters = ["-shellcheck", str(VENV / "bin" / "shellcheck"), "-pyflakes="]
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    command: list[str | Path] = [folder / "actionlint", *linters, *workflows]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
