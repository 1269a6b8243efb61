"""The stack `local`: this project's program on the local node, by plain `pulumi` commands."""

import json
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import yaml

from local import holders, node, takeover, toolchain
from local.errors import LocalError
from local.holders import StackInUseError
from local.paths import KUBECONFIG, LOCAL, ROOT
from local.processes import Process, end
from local.progress import activity, say
from local.signals import handled
from local.state import State, drop_unreadable

NAME = "local"
SETTINGS = ROOT / f"Pulumi.{NAME}.yaml"
"""The stack's own settings: made here, ignored by git, changed by `pulumi config set`."""

PROJECT = "linkerd-canary"

LOOK_SECONDS = 1.0
"""How often it is looked whether the local node is still there."""

STATE = State(toolchain.STACKS, PROJECT, NAME)


@contextmanager
def held() -> Iterator[None]:
    """Keep the stack for one command; a StackInUseError says who has it already."""
    with holders.alone(LOCAL / "stack.lock", NAME):
        _refuse_if_held()
        yield


def taken_over() -> AbstractContextManager[None]:
    """Keep the stack for `make down`: whoever works on it is interrupted, and waited for."""
    return takeover.taken_over(LOCAL / "stack.lock", STATE, ROOT)


class NodeGoneError(LocalError):
    """The first node went away, and the cluster with it; `during` says what needed it."""

    def __init__(self, during: str) -> None:
        self.during = during
        super().__init__(f"the local node went away while {during}: `make up` goes on from here")


def pulumi(*arguments: str) -> None:
    """Run a `pulumi` command on the stack and let it speak for itself.

    Where the local node goes away meanwhile it is interrupted, as it would try again for minutes,
    and a NodeGoneError says so.
    """
    needed = node.running()
    status = _run_to_its_end(_command(arguments), node.running if needed else lambda: True)
    if status and needed and not node.running():
        raise NodeGoneError(f"`pulumi {shlex.join(arguments)}` was at work")
    if status:
        _refuse_if_held()
        raise LocalError(f"`pulumi {shlex.join(arguments)}` failed: what it said is above")


def _run_to_its_end(command: list[str], needed: Callable[[], bool]) -> int:
    """Run a command; a signal that would end this process ends that one first, in good order.

    So does the loss of what it needs. A pulumi that is killed leaves its lock, and what it was
    about to make, to the next one.
    """
    told: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: object) -> None:
        told.append(number)
        # A terminal's first SIGINT has reached it too, and a second would end it at once.
        if process is not None and (number != signal.SIGINT or len(told) > 1):
            process.send_signal(signal.SIGINT)

    # The kubernetes plugin leaves its kubeconfig where temporary files go.
    with (
        tempfile.TemporaryDirectory(dir=LOCAL, ignore_cleanup_errors=True) as folder,
        handled(pass_on),
    ):
        env = _environment() | {"TMPDIR": folder}
        process = subprocess.Popen(command, cwd=ROOT, env=env)
        if told and told[0] != signal.SIGINT:
            process.send_signal(signal.SIGINT)
        _wait(process.pid, needed)
        status = process.wait()
    if told:
        raise KeyboardInterrupt if told[0] == signal.SIGINT else SystemExit(128 + told[0])
    return status


def _wait(pid: int, needed: Callable[[], bool]) -> None:
    """Wait for a process to end; once what it needs is gone, end it."""
    process = Process(pid)
    try:
        while not process.ended(LOOK_SECONDS):
            if not needed():
                end(lambda: [] if process.ended() else [process])
    finally:
        process.close()


def ask(*arguments: str) -> str:
    """What a `pulumi` command prints; a LocalError with its complaint if it fails."""
    with activity(f"pulumi {arguments[0]}"):
        done = subprocess.run(
            _command(arguments),
            cwd=ROOT,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise LocalError(f"`pulumi {shlex.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout


def _command(arguments: tuple[str, ...]) -> list[str]:
    return [str(toolchain.pulumi() / "pulumi"), *arguments, "--stack", NAME]


def _environment() -> dict[str, str]:
    return toolchain.subprocess_environment()


def ensure() -> None:
    """Make the backend's folder and the stack where they are missing, or mend them.

    A lock of a process that is gone is released, a state that a full disk cut short replaced.
    Raises StackInUseError while another process has the stack.
    """
    toolchain.STACKS.mkdir(parents=True, exist_ok=True)
    if dead := _refuse_if_held():
        say(f"… releasing the stack {NAME}, which a killed pulumi had locked")
        for lock in dead:
            lock.unlink(missing_ok=True)
    home = toolchain.PULUMI_HOME  # what it keeps there is found again
    drop_unreadable([*home.glob("credentials.json"), *home.glob("workspaces/*.json")])
    repaired = STATE.repair()
    if repaired:
        say(f"… {repaired}")
    if not STATE.file.exists():
        say(f"… making the stack {NAME}")
        ask("stack", "init", "--no-select")
    ask("stack", "select")
    if STATE.has_pending():
        _forget_pending()


def _refuse_if_held() -> list[Path]:
    """Raise StackInUseError while somebody has the stack; locks that bind nobody."""
    dead, living = holders.look(STATE.locks)
    if living:
        raise StackInUseError(NAME, living[0])
    return dead


def up() -> None:
    """Bring the stack up; by what is live, where its state may be older than that."""
    doubtful = STATE.damaged.exists()
    pulumi("up", "--yes", "--skip-preview", *(["--refresh"] if doubtful else []))
    if doubtful:
        STATE.settle()


def _forget_pending() -> None:
    """Drop the state's notes of what was begun; every command would warn of them for good.

    What was made finds its place again: see PULUMI_K8S_UPSERT_EXISTING_OBJECTS in toolchain.py.
    """
    state = json.loads(ask("stack", "export"))
    if state["deployment"].pop("pending_operations", None):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(state, file)
            file.flush()
            ask("stack", "import", "--file", file.name)


def config() -> dict[str, Any]:
    """The stack's own config values, by their short keys; the project's defaults are not in it.

    Raises LocalError where the file of settings cannot be read.
    """
    if not SETTINGS.exists():
        return {}
    try:
        values = (yaml.safe_load(SETTINGS.read_text()) or {}).get("config") or {}
        return {key.removeprefix(f"{PROJECT}:"): value for key, value in values.items()}
    except (ValueError, AttributeError, yaml.YAMLError) as error:
        why = str(error).splitlines()[0]
        raise LocalError(
            f"{SETTINGS} is not a stack's settings ({why}): correct it, or delete it to have the "
            "defaults again"
        ) from None


def default(key: str) -> Any:
    """A config key's default from Pulumi.yaml."""
    return yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"][key]["default"]


def configure(images: Mapping[str, str]) -> None:
    """Point the stack at the local node, and at the images that are on it, by config key."""
    wanted = {"kubeconfig": str(KUBECONFIG.relative_to(ROOT)), **images}
    present = config()
    for key, value in wanted.items():
        if present.get(key, default(key)) != value:
            ask("config", "set", key, value)


def outputs() -> dict[str, Any]:
    """The stack's outputs by name."""
    parsed: dict[str, Any] = json.loads(ask("stack", "output", "--json"))
    return parsed
