"""The harness of dynamic providers by itself, as another project would have it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.paths import ROOT

PROVIDER = """\
from pulumi.dynamic import CreateResult, ResourceProvider

class Greeting(ResourceProvider):
    def create(self, props):
        return CreateResult("1", {**props, "says": f"Hello {props['name']}"})
"""
TEST = """\
from greeting import Greeting
from harness.provider_host import Stack, provider_host

with provider_host() as host:
    stack = Stack(host, Greeting())
    print(stack.up({"name": "world"}), stack.state.outputs["says"])
    stack.destroy()
"""


def test_it_can_be_copied_into_another_project(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests" / "provider_host", tmp_path / "harness" / "provider_host")
    (tmp_path / "greeting.py").write_text(PROVIDER)
    (tmp_path / "test.py").write_text(TEST)
    done = subprocess.run(
        [sys.executable, "test.py"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "create Hello world\n", done.stderr
