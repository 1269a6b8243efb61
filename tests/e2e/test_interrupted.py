"""An update of the local stack that is killed half-way, and the next one.

`LINKERD_CANARY_KILLS=20` kills each kind of update at every event, and at twenty random moments,
instead of the few that are tried by default.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local import stack, toolchain
from local.node import cgroups
from local.paths import PYTHON, ROOT
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.local_stack import command, local

pytestmark = pytest.mark.long

FORCE = "PULUMI_K8S_ENABLE_PATCH_FORCE"
"""Leave for the kubernetes plugin to overrule other owners of a field; `make env` gives it."""

LOCKS = toolchain.STACKS / ".pulumi" / "locks" / "organization" / stack.PROJECT / stack.NAME


def start(*command: str | Path, force: bool = True) -> subprocess.Popen[bytes]:
    """Start a command on the stack that says nothing here."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**toolchain.subprocess_environment(), FORCE: str(force).lower()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it has started, and leave nobody time to clean up."""
    kill_with_descendants(process.pid)
    process.wait()


@pytest.fixture(scope="module")
def settings(cluster: Cluster) -> Iterator[str]:
    """The settings of the stack, which is up; they are put back at the end."""
    local_stack.up()
    found = stack.SETTINGS.read_text()
    yield found
    stack.SETTINGS.write_text(found)


@pytest.fixture
def killed(cluster: Cluster, settings: str) -> None:
    """The stack after its first `make up` was killed while it made the apps."""
    stack.SETTINGS.write_text(settings)
    command("pulumi", "destroy", "--yes", "--skip-preview")
    starting = start(PYTHON, "-m", "local", "up")
    try:
        eventually(
            lambda: starting.poll() is not None or has_come("Deployment", cluster), seconds=900
        )
    finally:
        kill(starting)
    assert was_killed(starting), "it was still at work"
    # What it leaves where it is killed while it writes its lock.
    (LOCKS / "4d1e5c3a-0000-4000-8000-000000000000.json.187abc.tmp").touch()


@dataclass(frozen=True)
class Kill:
    """An update, when it is killed, and by what the next one is made."""

    update: str
    """`first`, of a stack that was destroyed, or `later`, of one that is up."""

    moment: str | float
    """An event of the update, or seconds after its start."""

    by: str
    """`make up` or `pulumi up`."""

    force: bool = True
    """Whether all `pulumi` commands have FORCE."""

    def __str__(self) -> str:
        return f"{self.update}, {self.moment}, {self.by}{'' if self.force else ' without force'}"


EVENTS = {
    "first": ("lock", "operation noted", "Deployment", "DaemonSet"),
    "later": ("lock", "operation noted", "Deployment"),
}
USUAL = [
    Kill("first", "DaemonSet", "pulumi up", force=False),
    Kill("later", "operation noted", "pulumi up"),
    Kill("later", "Deployment", "make up"),
]


def kills() -> list[Kill]:
    """What is tried: a few, or with LINKERD_CANARY_KILLS every event and as many random moments."""
    number = int(os.environ.get("LINKERD_CANARY_KILLS", "0"))
    if not number:
        return USUAL
    seconds: list[str | float] = [
        tenths / 10 for tenths in random.Random(4).sample(range(1, 160), number)
    ]
    return [
        Kill(update, moment, by, force)
        for update, events in EVENTS.items()
        for moment in [*events, *seconds]
        for by, force in (("pulumi up", True), ("pulumi up", False), ("make up", True))
    ]


def prepare(update: str, settings: str) -> None:
    """Bring the stack to where an update begins, and its settings to where that leads."""
    changed = stack.SETTINGS.read_text() != settings
    stack.SETTINGS.write_text(settings)
    if update == "first":
        command("pulumi", "destroy", "--yes", "--skip-preview")
        return
    if changed:
        command("pulumi", "up", "--yes", "--skip-preview")
    # A change of every Deployment, of a table, and of linkerd's service.
    for key, value in (("replicas", "4"), ("canaryWeight", "50"), ("exposure", "NodePort")):
        command("pulumi", "config", "set", key, value)


def has_come(event: str, cluster: Cluster) -> bool:
    """Whether an event of the update under way has come."""
    if event == "lock":
        return any(LOCKS.glob("*.json"))
    if event == "operation noted":
        return stack.STATE.has_pending()
    if event == "DaemonSet":
        return bool(_found(cluster, "daemonset", "l5d", "linkerd"))
    hello = _found(cluster, "deployment", "hello", "hello-world")
    wanted = stack.config().get("replicas", stack.default("replicas"))
    return bool(hello) and hello["spec"]["replicas"] == int(wanted)


def _found(cluster: Cluster, kind: str, name: str, namespace: str) -> dict[str, Any]:
    """An object, empty while it is not there."""
    said = cluster.kubectl(
        *("get", kind, name, "-n", namespace, "--ignore-not-found", "-o", "json")
    )
    return dict(json.loads(said)) if said else {}


def kill_at(moment: str | float, cluster: Cluster, force: bool) -> bool:
    """Start an update and kill it; whether it was still running then."""
    updating = start("pulumi", "up", "--yes", "--skip-preview", force=force)
    try:
        if isinstance(moment, str):
            eventually(
                lambda: updating.poll() is not None or has_come(moment, cluster), seconds=900
            )
        else:
            time.sleep(moment)
    finally:
        kill(updating)
    return was_killed(updating)


def go_on(by: str, force: bool) -> None:
    """Bring the stack to what its config says, by plain `pulumi` or by `make up`."""
    if by == "make up":
        local_stack.up()
        return
    if any(LOCKS.glob("*.json")):
        command("pulumi", "cancel", "--yes")
    up(force)


def up(force: bool, *arguments: str) -> str:
    command_line = ("pulumi", "up", "--yes", "--skip-preview", *arguments)
    return command(*command_line, PULUMI_K8S_ENABLE_PATCH_FORCE=str(force).lower())


@pytest.mark.parametrize("case", kills(), ids=str)
def test_an_up_killed_at_any_moment_is_finished_by_the_next(
    cluster: Cluster, settings: str, case: Kill
) -> None:
    moment = case.moment
    prepare(case.update, settings)
    while not kill_at(moment, cluster, case.force):
        assert isinstance(moment, float), f"the update ended before it was killed at {moment}"
        moment /= 2  # it had ended by itself
        prepare(case.update, settings)
    go_on(case.by, case.force)
    assert "unchanged" in up(case.force, "--expect-no-changes")
    assert local_stack.world_of(local_stack.first_answer(str(local_stack.outputs()["url"])))


def was_killed(process: subprocess.Popen[bytes]) -> bool:
    """Whether `kill` ended a process that was still running."""
    return process.returncode == -signal.SIGKILL


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


def test_a_pulumi_at_work_keeps_its_lock(settings: str) -> None:
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
