"""The Go tests of this project's own Go code."""

import os
import subprocess
from pathlib import Path

import pytest

from local.cache import go_env
from local.paths import ROOT

TESTED = sorted(
    {str(test.parent.relative_to(ROOT)) for test in (ROOT / "local").rglob("*_test.go")}
)


@pytest.mark.parametrize("package", TESTED)
def test_go(package: str) -> None:
    # -trimpath as the programs are built, so that both take from one build cache; vetting, which
    # goes through every dependency, is `make check`'s.
    done = subprocess.run(
        ["go", "test", "-trimpath", "-vet=off", "."],
        cwd=Path(ROOT, package),
        env={**os.environ, **go_env()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
