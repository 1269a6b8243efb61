"""Things built once from pinned inputs, kept outside the clone and keyed by those inputs."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from local.build_failures import DownloadError
from local.compiling import compile_programs
from local.errors import LocalError
from local.paths import CACHE
from local.progress import activity, step


def key(inputs: Iterable[Path | str]) -> str:
    """Twelve hex digits of what goes into a build: texts, and files and folders by content."""
    digest = hashlib.sha256()
    for item in inputs:
        for name, content in _contents(item):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _contents(item: Path | str) -> Iterable[tuple[str, bytes]]:
    if isinstance(item, str):
        return [("", item.encode())]
    if item.is_file():
        return [(item.name, item.read_bytes())]
    files = sorted(p for p in item.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return [(str(p.relative_to(item)), p.read_bytes()) for p in files]


def built(name: str, inputs: Sequence[Path | str], make: Callable[[Path], None]) -> Path:
    """The folder `<name>-<key>` of the cache, made by `make(folder)` when it is not there yet.

    A half-made folder is never seen: it is renamed into place once `make` has returned, and a lock
    keeps two processes from making the same thing at once.
    """
    folder = CACHE / f"{name}-{key(inputs)}"
    if folder.is_dir():
        return folder
    with lock(name):
        if folder.is_dir():
            return folder
        with step(f"building {name} (once; kept in {CACHE})"):
            half_made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=CACHE))
            half_made.chmod(0o755)
            try:
                make(half_made)
                if not any(half_made.iterdir()):  # it would count as built for good
                    raise LocalError(f"{name} cannot be built: nothing was made in {half_made}")
                half_made.rename(folder)
            finally:
                shutil.rmtree(half_made, ignore_errors=True)
    return folder


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Keep other processes from the same work; a LocalError where the cache cannot be written."""
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        file = (CACHE / f".{name}.lock").open("w")
    except OSError as error:
        raise LocalError(
            f"the cache {CACHE} cannot be written ({error.strerror}): set LINKERD_CANARY_CACHE to "
            "a folder that can"
        ) from None
    with file:
        with activity(f"waiting for another process that works on {name}"):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command: Sequence[str | Path], cwd: Path | None = None, **env: str) -> str:
    """Run a build's command; its output, or a LocalError with the last lines of what it said."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise LocalError(f"`{' '.join(map(str, command))}` failed ({done.returncode}):\n{said}")
    return done.stdout


def go_build(
    name: str,
    module: Path,
    packages: Sequence[str],
    *,
    defines: Mapping[str, str] | None = None,
    sources: Sequence[Path] | None = None,
) -> Path:
    """Build Go packages of `module`, a folder with go.mod and go.sum, as static programs.

    `defines` are string variables set at link time, by their full names. `sources` are the files
    and folders that the programs are made of, by default all of the module's. Returns the folder
    that holds one executable a package.
    """
    ldflags = " ".join(["-s -w", *(f"-X {k}={v}" for k, v in (defines or {}).items())])

    def make(folder: Path) -> None:
        env, registry = go_env(), _registry()
        silent = registry is not None and not _answers(registry)
        if silent:  # what has been downloaded before is enough at times
            env["GOPROXY"] = "off"
        flags = ["-trimpath", "-ldflags", ldflags]
        try:
            compile_programs(name, packages, folder, cwd=module, flags=flags, env=env)
        except DownloadError:
            if not silent:
                raise
            raise LocalError(
                f"{name} cannot be built: the Go module registry {registry} does not answer; "
                "set GOPROXY to one that does and try again"
            ) from None

    inputs = [module] if sources is None else [module / "go.mod", module / "go.sum", *sources]
    return built(name, [*inputs, ldflags, *packages], make)


GO_NEEDED = (1, 25, 11)
"""The oldest Go that builds the Pulumi engine; an older one fetches what go.mod asks for."""

GO_OLDEST = (1, 21)

REGISTRY_SECONDS = 10.0
"""How long a registry may take to say anything."""


def go_env() -> dict[str, str]:
    """The environment of every Go build here, or a LocalError where there is no usable Go."""
    version = _go_version()
    if version < GO_OLDEST:
        raise LocalError(
            f"Go {'.'.join(map(str, version))} is too old: install Go 1.21 or newer "
            "(https://go.dev/doc/install) and put it on PATH"
        )
    toolchain = "local" if version >= GO_NEEDED else "auto"
    return {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false",  # and none of the user's own
        "GOOS": "",  # this machine's: what is built is kept whatever it was built for
        "GOARCH": "",
        "GOTOOLCHAIN": toolchain,
        "GOWORK": "off",  # a workspace around the clone is none of its builds'
    }


def _go_version() -> tuple[int, ...]:
    if shutil.which("go") is None:
        raise LocalError(
            "no `go` on PATH: install Go 1.21 or newer (https://go.dev/doc/install, or Debian's "
            "golang-go where that is new enough) and try again"
        )
    said = run(["go", "env", "GOVERSION"], GOTOOLCHAIN="local").strip()
    found = re.search(r"go(\d+(?:\.\d+)*)", said)  # also in `devel go1.27-…`, `go1.26.1 X:…`
    if found is None:
        raise LocalError(f"`go env GOVERSION` says {said!r}: install Go 1.21 or newer")
    return tuple(map(int, found[1].split(".")))


def _registry() -> str | None:
    """The first of Go's module registries, None where modules come from elsewhere."""
    listed = re.split("[,|]", run(["go", "env", "GOPROXY"], GOTOOLCHAIN="local").strip())
    return next((url for url in listed if url.startswith("http")), None)


def _answers(url: str) -> bool:
    """Whether anything answers at a URL within some seconds."""
    try:
        requests.head(url, timeout=REGISTRY_SECONDS)
    except requests.exceptions.SSLError:
        return True  # by an authority that Go may know and Python does not
    except requests.RequestException:
        return False
    return True
