"""The stand-ins' own tests, in Go."""

import os
import subprocess

import pytest

from local.cache import go_env
from local.standins import MESH

pytestmark = pytest.mark.stand_ins


def test_the_go_tests_of_the_mesh_pass() -> None:
    done = subprocess.run(
        ["go", "test", "-timeout=300s", "./..."],
        cwd=MESH,
        env={**os.environ, **go_env()},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
