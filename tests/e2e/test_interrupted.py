"""A `make up` that is killed half-way, and the next one."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local import stack, toolchain
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
        for process in with_descendants(starting.pid):
            os.kill(process, signal.SIGKILL)
        starting.wait()
    # What it leaves where it is killed while it writes its lock.
    (LOCKS / "4d1e5c3a-0000-4000-8000-000000000000.json.187abc.tmp").touch()
    yield
    local("up")


def with_descendants(pid: int) -> list[int]:
    """A process and all that it has started, the plugins that a killed engine leaves among them."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")  # each thread has its own
    children = [int(child) for each in lists for child in each.read_text().split()]
    return [pid, *(found for child in children for found in with_descendants(child))]


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
    mine = {"pid": os.getpid(), "username": "root", "hostname": socket.gethostname()}
    lock.write_text(json.dumps({**mine, "timestamp": datetime.now(UTC).isoformat()}))
    try:
        said = local("up", status=1)
    finally:
        lock.unlink()
    assert f"(process {os.getpid()}, since " in said
    assert "is at work on the stack local: wait for it to end and try again" in said
    assert "locked by" not in said
    assert "releasing" not in said
