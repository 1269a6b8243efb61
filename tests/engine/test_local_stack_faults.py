"""The stack `local` after a full disk or a kill, and while somebody else has it: local/stack.py."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local import stack, toolchain
from local.errors import LocalError
from local.holders import StackInUseError
from local.paths import ROOT, VENV
from local.state import State
from tests.harness.processes import running
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.long

NOTE = Path(__file__).parent / "programs" / "note.py"


class Local:
    """The stack `local` of a project in a folder of the test's own, which makes one file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = folder / "project"
        self.note = self.project / "note.txt"
        self.local = folder / "local"
        self.local.mkdir(parents=True, exist_ok=True)
        self._monkeypatch = monkeypatch
        self.state = State(folder / "stacks", stack.PROJECT, stack.NAME)
        for module, name, value in (
            (stack, "ROOT", self.project),
            (stack, "LOCAL", self.local),
            (stack, "STATE", self.state),
            (toolchain, "STACKS", self.state.backend),
            (toolchain, "PULUMI_HOME", folder / "home"),
            (toolchain, "program_folders", lambda: [toolchain.pulumi()]),
        ):
            monkeypatch.setattr(module, name, value)
        monkeypatch.setenv("NOTE_PATH", self.note.name)

    def up(self, text: str) -> None:
        """What `make up` does with the stack."""
        self._monkeypatch.setenv("NOTE_TEXT", text)
        stack.ensure()
        stack.up()

    def lock(self, content: str, age: float = 60.0) -> Path:
        """A lock file as somebody left it some seconds ago."""
        self.state.locks.mkdir(parents=True, exist_ok=True)
        lock = self.state.locks / "4d1e5c3a-0000-4000-8000-000000000000.json"
        lock.write_text(content)
        then = datetime.now().timestamp() - age
        os.utime(lock, (then, then))
        return lock

    def pulumis_lock(self, pid: int, since: datetime | None = None, host: str | None = None) -> str:
        """What Pulumi writes into its lock."""
        return json.dumps(
            {
                "pid": pid,
                "username": "root",
                "hostname": host or socket.gethostname(),
                "timestamp": (since or datetime.now(UTC)).isoformat(),
            }
        )


@pytest.fixture(scope="module")
def updated_twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stack after two updates, for each test to copy."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "project").mkdir()
    (folder / "project" / "Pulumi.yaml").write_text(
        "name: linkerd-canary\nruntime:\n  name: python\n  options:\n    toolchain: pip\n"
        f"    virtualenv: {VENV}\n"
    )
    shutil.copyfile(NOTE, folder / "project" / "__main__.py")
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = Local(folder, monkeypatch)
        made.up("one")
        made.up("two")
    return folder


@pytest.fixture
def local(updated_twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Local:
    """The stack after two updates."""
    shutil.copytree(updated_twice, tmp_path, dirs_exist_ok=True)
    return Local(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["a #1", "100%", "%20", "why?", "ä&b=c;+~"])
def test_a_clone_may_lie_anywhere(
    updated_twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    local = Local(tmp_path / name, monkeypatch)
    shutil.copytree(updated_twice / "project", local.project)
    stack.ensure()
    assert local.state.file.exists()


@pytest.mark.parametrize(
    "variable", ["DIY_BACKEND_GZIP", "DIY_BACKEND_ZSTD", "SELF_MANAGED_STATE_GZIP"]
)
def test_the_state_is_plain_whatever_the_environment_says(
    updated_twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(f"PULUMI_{variable}", "true")
    local = Local(tmp_path, monkeypatch)
    shutil.copytree(updated_twice / "project", local.project)
    stack.ensure()
    names = {file.name for file in local.state.file.parent.iterdir()}
    assert "local.json" in names <= {"local.json", "local.json.bak"}


def emptied(file: Path) -> None:
    file.write_text("")


def halved(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def zeroed(file: Path) -> None:
    """As some file systems show what they had not written when the machine stopped."""
    file.write_bytes(bytes(file.stat().st_size))


def gutted(file: Path) -> None:
    """JSON, and no state."""
    file.write_text("{}")


DAMAGES = [emptied, halved, zeroed, gutted]


def is_sound(local: Local) -> bool:
    return (
        not local.state.damaged.exists()
        and json.loads(stack.ask("stack", "export"))["deployment"]["resources"] != []
        and stack.outputs() == {"text": local.note.read_text()}
    )


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_replaced_by_its_newest_copy(
    local: Local, damage: Callable[[Path], None], capfd: pytest.CaptureFixture[str]
) -> None:
    damage(local.state.file)
    local.note.unlink()  # only a refresh sees that
    capfd.readouterr()
    local.up("two")
    said = capfd.readouterr()
    lines = [line for line in said.err.splitlines() if "damaged" in line]
    assert len(lines) == 1
    assert re.fullmatch(
        r"… the state of the stack local is damaged: taking the copy "
        r"\.pulumi/(history|backups)/linkerd-canary/local/local[.-]\d+(\.checkpoint)?\.json, and "
        r"looking at what is live",
        lines[0],
    )
    assert local.note.read_text() == "two"
    assert is_sound(local)


def test_the_copy_beside_the_state_is_taken_where_there_is_no_newer(
    local: Local, capfd: pytest.CaptureFixture[str]
) -> None:
    """As after a first update that the disk did not let end; what it lacks is made over."""
    for kind in ("history", "backups"):
        shutil.rmtree(local.state.backend / ".pulumi" / kind)
    halved(local.state.file)
    local.up("three")
    assert (
        "taking the copy .pulumi/stacks/linkerd-canary/local.json.bak, " in capfd.readouterr().err
    )
    assert local.note.read_text() == "three"
    assert is_sound(local)


def test_damaged_copies_are_passed_by(local: Local, capfd: pytest.CaptureFixture[str]) -> None:
    copies = local.state._copies()
    assert len(copies) >= 3
    for copy in (local.state.file, *copies[:-1]):
        halved(copy)
    local.up("three")
    assert f"{copies[-1].relative_to(local.state.backend)}, and" in capfd.readouterr().err
    assert local.note.read_text() == "three"
    assert is_sound(local)


@pytest.mark.parametrize("left", ["no copies", "damaged copies"])
def test_without_any_copy_the_stack_is_made_anew(
    local: Local, left: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for copy in local.state._copies():
        if left == "no copies":
            copy.unlink()
        else:
            emptied(copy)
    halved(local.state.file)
    half = local.state.file.read_bytes()
    capfd.readouterr()
    stack.ensure()
    assert "no copy of it can be read: making it anew" in capfd.readouterr().err
    assert local.state.damaged.read_bytes() == half
    local.up("three")
    assert local.note.read_text() == "three"
    assert is_sound(local)


def test_until_an_up_has_succeeded_what_is_live_is_looked_at(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied(local.state.file)
    local.note.unlink()
    stack.ensure()
    assert local.state.damaged.exists()
    with monkeypatch.context() as failing:
        failing.setattr(toolchain, "STACKS", local.project)
        with pytest.raises(LocalError, match="failed: what it said is above"):
            stack.up()
    assert local.state.damaged.exists()
    local.up("two")
    assert local.note.read_text() == "two"
    assert is_sound(local)


def test_a_state_that_cannot_be_replaced_is_one_line(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied(local.state.file)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "local.json.scratch")

    monkeypatch.setattr(shutil, "copyfile", full)
    before = sorted(local.state.backend.rglob("*"))
    with pytest.raises(LocalError) as failed:
        stack.ensure()
    assert str(failed.value) == (
        f"the state {local.state.file} is damaged and cannot be replaced: No space left on device "
        "(local.json.scratch)"
    )
    assert sorted(local.state.backend.rglob("*")) == before


def test_a_sound_state_is_left_alone(local: Local, capfd: pytest.CaptureFixture[str]) -> None:
    before = local.state.file.read_bytes()
    capfd.readouterr()
    stack.ensure()
    assert capfd.readouterr().err == ""
    assert local.state.file.read_bytes() == before


def test_a_stack_that_was_removed_is_not_brought_back(local: Local) -> None:
    """`pulumi stack rm` leaves the copy beside the state."""
    stack.ask("destroy", "--yes", "--skip-preview")
    stack.ask("stack", "rm", "--yes")
    assert local.state._copies()
    stack.ensure()
    assert json.loads(stack.ask("stack", "export"))["deployment"].get("resources", []) == []


@pytest.mark.parametrize("damage", [emptied, halved])
def test_a_damaged_note_of_the_layout_is_written_again(
    local: Local, damage: Callable[[Path], None]
) -> None:
    damage(local.state.backend / ".pulumi" / "meta.yaml")
    stack.ensure()
    assert is_sound(local)


def test_a_damaged_choice_of_a_stack_is_made_again(local: Local) -> None:
    chosen = list(toolchain.PULUMI_HOME.glob("workspaces/*.json"))
    assert chosen
    for file in chosen:
        emptied(file)
    stack.ensure()
    left = [json.loads(file.read_text()) for file in chosen if file.exists()]
    assert all(choice["stack"] == "local" for choice in left)
    assert "local*" in stack.ask("stack", "ls")


def test_operations_of_a_killed_up_are_forgotten(
    local: Local, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = json.loads(local.state.file.read_text())
    latest = kept["checkpoint"]["latest"]
    latest["pending_operations"] = [{"resource": latest["resources"][-1], "type": "updating"}]
    local.state.file.write_text(json.dumps(kept))
    assert local.state.has_pending()
    capfd.readouterr()
    local.up("three")
    assert "interrupted while" not in "".join(capfd.readouterr())
    assert not local.state.has_pending()


DEAD = 4_194_304
"""A process id that no Linux gives."""


@pytest.mark.parametrize(
    "content",
    ["", '{"pid":12', "null", "[]", '{"pid": null}', "\0" * 100, f'{{"pid":{DEAD}}}'],
    ids=["empty", "half", "null", "list", "no pid", "zeros", "no time"],
)
def test_a_damaged_lock_is_released(
    local: Local, content: str, capfd: pytest.CaptureFixture[str]
) -> None:
    lock = local.lock(content)
    capfd.readouterr()
    stack.ensure()
    assert (
        capfd.readouterr()
        .err.splitlines()
        .count("… releasing the stack local, which a killed pulumi had locked")
        == 1
    )
    assert not lock.exists()
    stack.pulumi("refresh", "--yes", "--skip-preview")  # which wants the lock


def test_locks_of_the_dead_are_released(local: Local, capfd: pytest.CaptureFixture[str]) -> None:
    lock = local.lock(local.pulumis_lock(DEAD))
    scratch = lock.with_name(f"{lock.name}.187abc.tmp")  # killed while it wrote its lock
    scratch.touch()
    local.up("three")
    assert "releasing the stack local" in capfd.readouterr().err
    assert not lock.exists()
    assert not scratch.exists()


def test_a_lock_whose_number_is_another_processs_by_now_is_released(local: Local) -> None:
    before = datetime.now(UTC) - timedelta(days=3)
    lock = local.lock(local.pulumis_lock(os.getpid(), before))
    stack.ensure()
    assert not lock.exists()


@pytest.fixture
def pulumi_at_work(local: Local, tmp_path: Path) -> Iterator[int]:
    """The number of a process called pulumi that has locked the stack."""
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    shutil.copy2(shutil.which("sleep") or "", program)
    with running([program, "600"], tmp_path / "pulumi.log") as process:
        comm = Path(f"/proc/{process.pid}/comm")  # what starts it has its arguments too
        wait_until(lambda: comm.read_text() == "pulumi\n", "it runs")
        local.lock(local.pulumis_lock(process.pid))
        yield process.pid


def test_a_living_pulumi_keeps_the_stack(
    local: Local, pulumi_at_work: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = local.state.file.read_bytes()
    capfd.readouterr()
    with pytest.raises(StackInUseError) as refused:
        local.up("three")
    assert refused.value.holder is not None
    assert refused.value.holder.pid == pulumi_at_work
    assert re.fullmatch(
        rf"`pulumi 600` \(process {pulumi_at_work}, since (\d{{4}}-\d\d-\d\d )?\d\d:\d\d:\d\d\) "
        r"is at work on the stack local: wait for it to end and try again",
        str(refused.value),
    )
    assert "locked" not in "".join(capfd.readouterr())
    assert list(local.state.locks.iterdir()) != []
    assert local.state.file.read_bytes() == before


def test_a_dead_lock_beside_a_living_one_changes_nothing(local: Local, pulumi_at_work: int) -> None:
    dead = local.state.locks / "empty.json"
    dead.touch()
    os.utime(dead, (0, 0))
    with pytest.raises(StackInUseError):
        stack.ensure()
    assert dead.exists()


def test_a_pulumi_that_comes_in_between_is_named_too(local: Local, pulumi_at_work: int) -> None:
    """After the look for locks, and before this one's own `pulumi up`."""
    with pytest.raises(StackInUseError) as refused:
        stack.pulumi("up", "--yes", "--skip-preview")
    assert refused.value.holder is not None
    assert refused.value.holder.pid == pulumi_at_work


def test_a_lock_of_another_machine_is_not_judged(local: Local) -> None:
    lock = local.lock(local.pulumis_lock(DEAD, host="elsewhere"))
    with pytest.raises(StackInUseError, match=r"on elsewhere, since .*; if that has ended: eval "):
        stack.ensure()
    assert lock.exists()


def test_a_lock_that_is_being_written_is_waited_for(local: Local, tmp_path: Path) -> None:
    lock = local.lock("", age=0)
    program = (
        "import sys, time; time.sleep(0.5); open(sys.argv[1], 'w').write(sys.argv[2]); "
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock), local.pulumis_lock(os.getpid())]
    ) as writer:
        try:
            with pytest.raises(StackInUseError):
                stack.ensure()
        finally:
            writer.kill()


HOLD = """\
import sys
from pathlib import Path
from local import holders
with holders.alone(Path(sys.argv[1]), "local"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_make_up_is_told_who_has_the_stack(local: Local) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(local.local / "stack.lock")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as first:
        assert first.stdout is not None
        assert first.stdin is not None
        first.stdout.readline()
        with pytest.raises(StackInUseError) as refused, stack.held():
            pass
        assert refused.value.holder is not None
        assert refused.value.holder.pid == first.pid
        first.kill()  # the lock of one that is killed is free at once
        first.wait()
        with stack.held(), pytest.raises(StackInUseError) as refused, stack.held():
            pass
        assert refused.value.holder is not None
        assert refused.value.holder.pid == os.getpid()


INTERRUPTED = """\
import os, signal, sys
from pathlib import Path
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
from local import stack, toolchain
from local.signals import exit_on_termination
exit_on_termination()
stack._command = lambda arguments: ["sh", "-c", sys.argv[1]]
stack._environment = lambda: dict(os.environ)
stack.LOCAL = Path(sys.argv[2])
stack.STATE = stack.State(Path("/nonexistent"), "p", "s")
stack.pulumi("up")
"""

TIDIES_UP = """
trap 'sleep 1; echo unlocked; exit 255' INT
echo began
while :; do sleep 0.05; done
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_pulumi_is_let_tidy_up(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, TIDIES_UP, tmp_path],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        try:
            said, complaint = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert said == "unlocked\n"
    if number == signal.SIGINT:
        assert complaint.rstrip().endswith("KeyboardInterrupt")
    else:
        assert process.returncode == 128 + number
