"""What is under way on the stack when the nodes go: by `make down`, or as the first one crashes.

An update waits for pods that cannot work. Its own time-out is ten minutes.
"""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import images, node, stack, toolchain, whole
from local.node.cgroups import alive
from local.paths import PYTHON, ROOT
from local.processes import with_descendants
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster, eventually, make
from tests.e2e.local_stack import command, local
from tests.e2e.test_interrupted import kill_with_descendants

pytestmark = pytest.mark.long

AT_ONCE = 60.0
"""Seconds: an update that nobody ends waits ten minutes. It is about two on an idle machine."""

NO_HELLOWORLD = images.KUBECTL_PUBLISHED
"""An image that the nodes have, and that ends at once with helloworld's arguments."""

COMMANDS: dict[str, tuple[str | Path, ...]] = {
    "make up": (PYTHON, "-m", "local", "up"),
    "pulumi up": ("pulumi", "up", "--yes", "--skip-preview"),
}


class Update:
    """An update that waits for pods."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log
        eventually(lambda: "Pods available)" in self.said)
        self._processes = list(with_descendants(process.pid))

    @property
    def said(self) -> str:
        return self._log.read_text()

    def ended(self) -> int:
        """Its exit status; nothing that it started is left."""
        status = self.process.wait(timeout=AT_ONCE)
        eventually(lambda: not any(map(alive, self._processes)))
        assert "Traceback" not in self.said
        return status


@pytest.fixture(scope="module", autouse=True)
def stack_up(cluster: Cluster) -> None:
    """Once: each test leaves the stack up, and shows that it is sound."""
    local_stack.up()


@contextmanager
def waiting(by: str, log: Path) -> Iterator[Update]:
    """An update that cannot end; the stack's settings are as before at the end."""
    if not node.running():  # a test before this one has failed
        local_stack.up()
    kept = {file: file.read_text() for file in (stack.SETTINGS, whole.CHOSEN)}
    command("pulumi", "config", "set", "helloworldImage", NO_HELLOWORLD)
    with log.open("wb") as output:
        process = subprocess.Popen(
            COMMANDS[by],
            cwd=ROOT,
            env=toolchain.subprocess_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Update(process, log)
    finally:
        kill_with_descendants(process.pid)
        process.wait()
        for file, content in kept.items():
            file.write_text(content)


def assert_sound() -> None:
    """Neither a lock nor a begun operation is left, and the next `make up` does what is missing."""
    assert not [each for each in stack.STATE.locks.rglob("*") if each.is_file()]
    assert not stack.STATE.has_pending()
    said = local_stack.up()
    assert "releasing" not in said
    assert "damaged" not in said
    command("pulumi", "up", "--yes", "--skip-preview", "--expect-no-changes")


@pytest.mark.parametrize("by", COMMANDS)
def test_make_down_interrupts_what_works_on_the_stack(
    cluster: Cluster, by: str, tmp_path: Path
) -> None:
    with waiting(by, tmp_path / "log") as update:
        began = time.monotonic()
        said = local("down")
        assert time.monotonic() - began < AT_ONCE
        assert update.ended() not in (0, -signal.SIGINT, -signal.SIGKILL)
        told = [line for line in said.splitlines() if "interrupting" in line]
        assert len(told) == 1
        assert told[0].startswith(f"… interrupting `{by}")
        assert f"(process {update.process.pid}, since " in told[0]
        assert "^C received; cancelling" in update.said
        assert not node.running()
    assert_sound()


def test_make_up_ends_at_once_when_the_first_node_crashes(cluster: Cluster, tmp_path: Path) -> None:
    with waiting("make up", tmp_path / "log") as update:
        make("stop", 1)
        assert update.ended() == 1
        assert update.said.splitlines()[-1] == (
            "error: the local node went away while `pulumi up --yes --skip-preview` was at work: "
            "`make up` goes on from here"
        )
    assert_sound()


def test_make_down_ends_a_pulumi_that_the_first_node_has_left(
    cluster: Cluster, tmp_path: Path
) -> None:
    with waiting("pulumi up", tmp_path / "log") as update:
        make("stop", 1)
        assert update.process.poll() is None
        assert "interrupting `pulumi up" in local("down")
        update.ended()
    assert_sound()
