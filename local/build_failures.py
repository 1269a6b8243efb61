"""Failed Go builds: one line where the machine is to blame and not the source."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError

FULL_BYTES = 16 << 20
"""With less than this left, a disk counts as full."""

_LAST_LINES = 15


class DownloadError(LocalError):
    """A Go module is not on this machine and could not be downloaded."""


@dataclass(frozen=True)
class _Cause:
    pattern: str
    advice: str
    error: type[LocalError] = LocalError


# The first that fits counts: a disk that fills up during a download is told as a failed download.
_CAUSES = (
    _Cause(
        r"no space left on device|disk quota exceeded",
        "the disk is full ({line}); free some space and try again",
    ),
    _Cause(
        r"creating work dir: |(could not create module cache|initialize build cache|"
        r"build cache is required|module cache not found|mkdir |open ).*"
        r"(permission denied|read-only file system|not a directory|not defined|is set)",
        "Go's caches cannot be written ({line}); set HOME, or GOCACHE, GOMODCACHE and GOTMPDIR, to "
        "folders that can and try again",
    ),
    _Cause(
        r"disabled by GOPROXY=off",
        "not all its modules are on this machine, and GOPROXY=off forbids to download them; set "
        "GOPROXY to a Go module registry and try again",
        DownloadError,
    ),
    _Cause(
        r"dial tcp|no such host|connection re(fused|set)|i/o timeout|TLS handshake|proxyconnect|"
        r"[:\"] unexpected EOF$|toolchain not available|reading https?://|Client\.Timeout|"
        r"stream error|: tls: |: x509: |Could not resolve host|unable to access",
        "a Go module could not be downloaded ({line}); see that the registry of `go env GOPROXY` "
        "answers and try again",
        DownloadError,
    ),
)


def failure(
    name: str,
    command: Sequence[str],
    status: int,
    said: Sequence[str],
    folders: Sequence[Path],
) -> LocalError:
    """The error of a Go command that printed `said` and ended with `status`.

    One line for what the machine lacks; else, as for source that does not compile, the last lines
    of what was said. `folders` are those that it writes to: where one is on a full disk, that is
    the cause, as Go does not always say so.
    """
    for cause in _CAUSES:
        line = next((line.strip() for line in said if re.search(cause.pattern, line)), None)
        if line is not None:
            return cause.error(f"{name} cannot be built: {cause.advice.format(line=line)}")
    for folder in folders:
        if _is_full(folder):
            return LocalError(
                f"{name} cannot be built: the disk of {folder} is full; free some space and try "
                "again"
            )
    last = "\n".join(said[-_LAST_LINES:])
    return LocalError(f"`{' '.join(command)}` failed ({status}):\n{last}")


def caches(env: Mapping[str, str]) -> Iterator[Path]:
    """The folders that Go writes to by itself, as far as it knows them."""
    shown = subprocess.run(
        ["go", "env", "GOCACHE", "GOMODCACHE", "GOTMPDIR"],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    yield from map(Path, filter(None, shown.stdout.splitlines()))


def _is_full(folder: Path) -> bool:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free < FULL_BYTES
