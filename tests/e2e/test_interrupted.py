"""An update of the local stack that is killed half-way, and the next one.

`LINKERD_CANARY_KILLS=20` kills each kind of update at twenty random moments instead of at one.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local import stack, toolchain
from local.node import cgroups
from local.paths import PYTHON, ROOT
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.local_stack import command, local

MOMENTS = random.Random(4).sample(range(1, 160), int(os.environ.get("LINKERD_CANARY_KILLS", "1")))
"""Tenths of a second after which an update is killed; a first one takes some 20 s."""

LOCKS = toolchain.STACKS / ".pulumi" / "locks" / "organization" / stack.PROJECT / stack.NAME


def start(*command: str | Path) -> subprocess.Popen[bytes]:
    """Start a command on the stack that says nothing here."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=toolchain.subprocess_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it has started, and leave nobody time to clean up."""
    kill_with_descendants(process.pid)
    process.wait()


@pytest.fixture
def killed(cluster: Cluster) -> Iterator[None]:
    """The stack after its first `make up` was killed while it made the apps."""
    local("up")
    command("pulumi", "destroy", "--yes", "--skip-preview")
    starting = start(PYTHON, "-m", "local", "up")
    try:
        eventually(lambda: cluster.get("deployment", "hello", "-n", "hello-world"))
        assert starting.poll() is None, "it is still at work"
    finally:
        kill(starting)
    # What it leaves where it is killed while it writes its lock.
    (LOCKS / "4d1e5c3a-0000-4000-8000-000000000000.json.187abc.tmp").touch()
    yield
    local("up")


@pytest.fixture
def settings() -> Iterator[None]:
    """Put the stack's settings back."""
    kept = stack.SETTINGS.read_text() if stack.SETTINGS.exists() else None
    yield
    if kept is not None:
        stack.SETTINGS.write_text(kept)
    local("up")


def go_on(by: str) -> None:
    """Bring the stack to what its config says, by plain `pulumi` or by `make up`."""
    if by == "make up":
        local("up")
        return
    if any(LOCKS.glob("*.json")):
        command("pulumi", "cancel", "--yes")
    command("pulumi", "up", "--yes", "--skip-preview")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("by", ["pulumi up", "make up"])
@pytest.mark.parametrize("which", ["first", "later"])
def test_an_up_killed_at_any_moment_is_finished_by_the_next(
    cluster: Cluster, settings: None, which: str, by: str, moment: int
) -> None:
    local("up")
    if which == "first":
        command("pulumi", "destroy", "--yes", "--skip-preview")
    else:  # a change of every Deployment, of a table, and of linkerd
        command("pulumi", "config", "set", "replicas", "4")
        command("pulumi", "config", "set", "canaryWeight", "50")
        command("pulumi", "config", "set", "exposure", "NodePort")
    updating = start("pulumi", "up", "--yes", "--skip-preview")
    try:
        threading.Event().wait(moment / 10)
    finally:
        kill(updating)
    go_on(by)
    assert "unchanged" in command("pulumi", "up", "--yes", "--skip-preview", "--expect-no-changes")
    assert local_stack.world_of(local_stack.first_answer(str(local_stack.outputs()["url"])))


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
