"""Building Go programs, with a live line of how far the build is and failures in one line.

`go build -v` names each package as it compiles it and says nothing of those that it finds in Go's
cache. How many it will compile is asked beforehand: `go list -deps` with the same flags tells what
is stale. That takes under a second where the sources are there (measured with 208 and 250
packages) and downloads the modules where they are not.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from local.build_failures import DownloadError, caches, failure
from local.processes import with_descendants
from local.progress import Activity, activity

STALLED_SECONDS = 120.0
"""How long a download may get nothing at all: Go itself would wait for good."""

_DOWNLOADING = "go: downloading "
_FORMAT = "{{.Stale}} {{.ImportPath}} {{.StaleReason}}"
_CACHED_PROGRAM = "not installed but available in build cache"


def compile_programs(
    name: str,
    packages: Sequence[str],
    folder: Path,
    *,
    cwd: Path,
    flags: Sequence[str] = (),
    env: Mapping[str, str],
) -> None:
    """Build main packages of the module in `cwd` into `folder`, one program each.

    `flags` are those of `go build`; `env` is added to this process's environment. While it runs,
    the live line says how many programs and packages are done of how many. Raises LocalError: one
    line for what a machine lacks (a network, disk space, a cache that can be written), and the
    compiler's last lines for what does not compile.
    """
    with activity(name, named=True) as shown:
        stale = _stale(name, packages, cwd, flags, env, shown)
        done: set[str] = set()
        said: list[str] = []

        def how_far() -> str:
            programs = sum(1 for _ in folder.iterdir())
            return _how_far(programs, len(packages), len(done), len(stale))

        shown.status = how_far
        command = ["go", "build", "-v", *flags, "-o", f"{folder}/", *packages]
        with _running(command, cwd, env) as go:
            for line in go.lines():
                if line in stale:
                    done.add(line)
                else:
                    said.append(line)
        if go.status:
            raise failure(name, command, go.status, said, [folder, *caches(env)])


def _how_far(programs: int, of_programs: int, packages: int, of_packages: int) -> str:
    parts = [f"{programs} of {of_programs} programs"] if of_programs > 1 else []
    parts += [f"{packages:,} of {of_packages:,} packages"] if of_packages else []
    linking = packages == of_packages and programs < of_programs
    return ", ".join([*parts, "linking"] if linking else parts)


def _stale(
    name: str,
    packages: Sequence[str],
    cwd: Path,
    flags: Sequence[str],
    env: Mapping[str, str],
    shown: Activity,
) -> set[str]:
    """The packages that are not in Go's cache; fetches the modules that are not there."""
    command = ["go", "list", "-deps", "-f", _FORMAT, *flags, *packages]
    modules: set[str] = set()
    stale: set[str] = set()
    said: list[str] = []
    shown.status = lambda: f"{len(modules):,} modules downloaded" if modules else "reading sources"
    with _running(command, cwd, env) as go, _stall_watch(go):
        for line in go.lines():
            is_stale, _, rest = line.partition(" ")
            if line.startswith(_DOWNLOADING):
                modules.add(line)
            elif is_stale == "true" and not rest.endswith(_CACHED_PROGRAM):
                stale.add(rest.partition(" ")[0])
            elif is_stale not in ("true", "false"):
                said.append(line)
    if go.stalled:
        raise DownloadError(
            f"{name} cannot be built: the download of its modules has stood still for "
            f"{STALLED_SECONDS:.0f} s; see that the Go module registry answers (`go env GOPROXY`) "
            "and try again"
        )
    if go.status:
        raise failure(name, command, go.status, said, [*caches(env)])
    return stale


class _Go:
    """A command of Go's at work."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.stalled = False
        """Whether it was ended because its downloads stood still."""

    @property
    def status(self) -> int:
        """Its exit status; waits for it."""
        return self._process.wait()

    def lines(self) -> Iterator[str]:
        """What it prints, errors included, line by line until it ends."""
        for line in self._process.stdout or ():
            yield line.rstrip("\n")

    def end(self) -> None:
        """End it, should it still run, and all that it started; it may tidy up for some seconds."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def bytes_read(self) -> int:
        """What it and its children have read so far, from files and from the network."""
        return sum(map(_bytes_read, with_descendants(self._process.pid)))


@contextmanager
def _running(command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Iterator[_Go]:
    """Run a command, in a process group of its own, for the length of the block at most."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    ) as process:
        go = _Go(process)
        try:
            yield go
        finally:
            go.end()


@contextmanager
def _stall_watch(go: _Go) -> Iterator[None]:
    """End a command that has read nothing at all for STALLED_SECONDS."""
    over = threading.Event()

    def watch() -> None:
        read, since = -1, time.monotonic()
        while not over.wait(min(1.0, STALLED_SECONDS / 4)):
            if (now_read := go.bytes_read()) != read:
                read, since = now_read, time.monotonic()
            elif time.monotonic() - since > STALLED_SECONDS:
                go.stalled = True
                go.end()
                return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _bytes_read(pid: int) -> int:
    with suppress(OSError):
        found = re.search(r"^rchar: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.M)
        return int(found[1]) if found else 0
    return 0
