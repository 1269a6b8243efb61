"""A `make up` that is killed half-way, and the next one."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import stack, toolchain
from local.node import cgroups
from local.paths import PYTHON, ROOT
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.local_stack import command, local

LOCKS = toolchain.STACKS / ".pulumi" / "locks" / "organization" / stack.PROJECT / stack.NAME


@pytest.fixture
def killed(cluster: Cluster) -> Iterator[None]:
    """The stack after its first `make up` was killed while it made the apps."""
    local("up")
    command("pulumi", "destroy", "--yes", "--skip-preview")
    starting = subprocess.Popen(
        [PYTHON, "-m", "local", "up"],
        cwd=ROOT,
        env=toolchain.subprocess_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: cluster.get("deployment", "hello", "-n", "hello-world"))
        assert starting.poll() is None, "it is still at work"
    finally:
        kill_with_descendants(starting.pid)
        starting.wait()
    # What it leaves where it is killed while it writes its lock.
    (LOCKS / "4d1e5c3a-0000-4000-8000-000000000000.json.187abc.tmp").touch()
    yield
    local("up")


def kill_with_descendants(pid: int) -> None:
    """Kill a process and all that it has started, the plugins that a killed engine leaves too.

    Each is stopped before it is asked what it has started, so that it starts nothing meanwhile.
    """
    try:
        os.kill(pid, signal.SIGSTOP)
        eventually(
            lambda: re.search(r"^State:\t[TZ]", Path(f"/proc/{pid}/status").read_text(), re.M)
        )
        lists = Path(f"/proc/{pid}/task").glob("*/children")  # each thread has its own
        children = [int(child) for each in lists for child in each.read_text().split()]
    except OSError:  # it has ended
        return
    for child in children:
        kill_with_descendants(child)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not cgroups.alive(pid))  # which takes a busy machine a while


def test_the_next_up_finishes_what_was_begun(cluster: Cluster, killed: None) -> None:
    said = local("up")
    assert "releasing the stack local" in said
    assert "Of 500 requests" in said
    again = command("pulumi", "up", "--yes", "--skip-preview")
    assert "unchanged" in again
    assert "interrupted while" not in again
    assert local_stack.world_of(local_stack.ask(str(local_stack.outputs()["url"])))


def test_a_pulumi_at_work_keeps_its_lock(cluster: Cluster) -> None:
    local("up")
    lock = LOCKS / "4d1e5c3a-0000-4000-8000-000000000000.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(json.dumps({"pid": os.getpid(), "username": "root", "hostname": "here"}))
    try:
        said = local("up", status=1)
    finally:
        lock.unlink()
    assert "locked by 1 lock(s)" in said
    assert "releasing" not in said
