"""local/compiling.py: how far a Go build is, and what its failures say."""

import http.server
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import build_failures, compiling
from local.build_failures import DownloadError
from local.errors import LocalError
from local.paths import ROOT
from local.progress import Activity
from tests.harness.terminal import SHOW_CURSOR, on_terminal
from tests.harness.waiting import wait_until

ENV = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module of two programs that share a package, none of them in Go's cache."""
    folder = tmp_path / "module"
    (folder / "shared").mkdir(parents=True)
    (folder / "go.mod").write_text("module example.test/m\n\ngo 1.21\n")
    (folder / "shared" / "shared.go").write_text(
        f'package shared\n\nfunc Nonce() string {{ return "{secrets.token_hex()}" }}\n'
    )
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "main.go").write_text(
            'package main\n\nimport "example.test/m/shared"\n\n'
            "func main() { println(shared.Nonce()) }\n"
        )
    return folder


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Activity]:
    """What is told of builds."""
    told = []

    @contextmanager
    def activity(what: str, *, named: bool = False) -> Iterator[Activity]:
        told.append(Activity(what, named))
        yield told[-1]

    monkeypatch.setattr(compiling, "activity", activity)
    return told


def build(module: Path, folder: Path, **env: str) -> None:
    folder.mkdir(exist_ok=True)
    compiling.compile_programs(
        "things", ["./one", "./two"], folder, cwd=module, flags=["-trimpath"], env={**ENV, **env}
    )


def test_programs_and_packages_are_counted(
    module: Path, tmp_path: Path, shown: list[Activity]
) -> None:
    build(module, tmp_path / "first")
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == ["one", "two"]
    first = shown[0].status()
    # The standard library may be in the cache or not; these three cannot be.
    programs, packages = first.split(", ")
    done, of, total, _ = packages.split(" ")
    assert programs == "2 of 2 programs"
    assert of == "of"
    assert done == total
    assert int(total) >= 3
    (module / "two" / "main.go").write_text(
        f'package main\n\nfunc main() {{ println("{secrets.token_hex()}") }}\n'
    )
    build(module, tmp_path / "second")
    assert shown[1].status() == "2 of 2 programs, 1 of 1 packages"
    build(module, tmp_path / "third")
    assert shown[2].status() == "2 of 2 programs"


@pytest.mark.parametrize(
    ("programs", "packages", "text"),
    [
        (0, 0, "0 of 5 programs, 0 of 1,480 packages"),
        (2, 1312, "2 of 5 programs, 1,312 of 1,480 packages"),
        (4, 1480, "4 of 5 programs, 1,480 of 1,480 packages, linking"),
        (5, 1480, "5 of 5 programs, 1,480 of 1,480 packages"),
    ],
)
def test_how_far_it_is(programs: int, packages: int, text: str) -> None:
    assert compiling._how_far(programs, 5, packages, 1480) == text


def test_what_does_not_compile_is_shown_as_the_compiler_says_it(
    module: Path, tmp_path: Path
) -> None:
    (module / "two" / "main.go").write_text("package main\n\nfunc main() { missing() }\n")
    with pytest.raises(LocalError) as failed:
        build(module, tmp_path / "programs")
    first, *rest = str(failed.value).splitlines()
    assert first.startswith("`go build -v -trimpath ")
    assert rest == ["# example.test/m/two", "two/main.go:3:15: undefined: missing"]


def test_what_cannot_be_listed_is_shown_as_well(module: Path, tmp_path: Path) -> None:
    (module / "two" / "main.go").write_text('package main\n\nimport "example.test/m/none"\n')
    with pytest.raises(LocalError, match=r"^`go list .*\n.*example.test/m/none"):
        build(module, tmp_path / "programs")


class Registry(http.server.BaseHTTPRequestHandler):
    """A Go module registry at fault; the first part of a path says how."""

    def do_GET(self) -> None:
        fault = self.path.split("/")[1]
        if fault in ("404", "503"):
            self.send_error(int(fault))
            return
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"PK")
        if fault == "stalled":
            self.server.over.wait()  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[str]:
    """The URL of a registry at fault."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        server.over = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.over.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture
def needy(module: Path) -> Path:
    """The module, one of whose programs needs a module that is not on this machine."""
    (module / "go.mod").write_text(
        "module example.test/m\n\ngo 1.21\n\nrequire example.test/far v1.0.0\n"
    )
    digest = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    (module / "go.sum").write_text(
        f"example.test/far v1.0.0 {digest}\nexample.test/far v1.0.0/go.mod {digest}\n"
    )
    (module / "two" / "main.go").write_text(
        'package main\n\nimport _ "example.test/far"\n\nfunc main() {}\n'
    )
    return module


def content(folder: Path) -> dict[str, str]:
    return {str(p): p.read_text() for p in folder.rglob("*") if p.is_file()}


def one_line(failed: pytest.ExceptionInfo[LocalError]) -> str:
    text = str(failed.value)
    assert "\n" not in text
    assert text.startswith("things cannot be built: ")
    assert text.endswith(" and try again")
    return text


@pytest.mark.parametrize("flags", ["", "-mod=mod"])
@pytest.mark.parametrize("fault", ["404", "503", "cut"])
def test_a_download_that_fails_is_one_line(
    needy: Path, tmp_path: Path, registry: str, fault: str, flags: str
) -> None:
    before = content(needy)
    with pytest.raises(DownloadError) as failed:
        build(
            needy,
            tmp_path / "programs",
            GOPROXY=f"{registry}/{fault}",
            GOMODCACHE=str(tmp_path / "modules"),
            GOFLAGS=flags,
        )
    assert "a Go module could not be downloaded (" in one_line(failed)
    assert "example.test/far" in one_line(failed)
    assert list((tmp_path / "programs").iterdir()) == []
    assert content(needy) == before


def test_a_registry_that_refuses_is_one_line(needy: Path, tmp_path: Path) -> None:
    proxy, modules = "http://127.0.0.1:1", str(tmp_path / "modules")
    with pytest.raises(DownloadError) as failed:
        build(needy, tmp_path / "programs", GOPROXY=proxy, GOMODCACHE=modules)
    assert "connection refused" in one_line(failed)


def test_downloads_that_are_forbidden_are_one_line(needy: Path, tmp_path: Path) -> None:
    modules = str(tmp_path / "modules")
    with pytest.raises(DownloadError) as failed:
        build(needy, tmp_path / "programs", GOPROXY="off", GOMODCACHE=modules)
    assert "GOPROXY=off forbids" in one_line(failed)


def test_a_download_that_stands_still_is_ended(
    needy: Path, tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "STALLED_SECONDS", 2.0)
    proxy, modules = f"{registry}/stalled", str(tmp_path / "modules")
    with pytest.raises(DownloadError) as failed:
        build(needy, tmp_path / "programs", GOPROXY=proxy, GOMODCACHE=modules)
    assert "has stood still for 2 s" in one_line(failed)


@pytest.mark.parametrize("variable", ["GOCACHE", "GOMODCACHE", "GOTMPDIR", "TMPDIR"])
def test_a_cache_that_cannot_be_written_is_one_line(
    needy: Path, module: Path, tmp_path: Path, variable: str
) -> None:
    """A file where a folder should be: no right of root's helps against that."""
    (tmp_path / "file").touch()
    with pytest.raises(LocalError) as failed:
        build(module, tmp_path / "programs", **{variable: str(tmp_path / "file" / "cache")})
    assert "Go's caches cannot be written (" in one_line(failed)


@pytest.mark.parametrize("variable", ["GOTMPDIR", "TMPDIR"])
def test_a_folder_for_temporary_files_that_is_not_there_is_one_line(
    module: Path, tmp_path: Path, variable: str
) -> None:
    with pytest.raises(LocalError) as failed:
        build(module, tmp_path / "programs", **{variable: str(tmp_path / "nowhere")})
    assert f"{tmp_path}/nowhere: no such file or directory); set HOME, " in one_line(failed)


def test_without_a_home_it_says_so(module: Path, tmp_path: Path) -> None:
    nowhere = dict.fromkeys(["HOME", "GOCACHE", "GOPATH", "GOMODCACHE", "XDG_CACHE_HOME"], "")
    with pytest.raises(LocalError) as failed:
        build(module, tmp_path / "programs", **nowhere)
    assert "set HOME, or GOCACHE" in one_line(failed)


@pytest.mark.parametrize(
    "said",
    [
        "compile: writing output: write $WORK/b005/_pkg_.a: no space left on device",
        (
            "go build example.test/m: copying /tmp/go-build1/b001/exe/a.out to /c/m: write /c/m: "
            "no space left on device"
        ),
        (
            'main.go:23:2: example.test/far@v1.0.0: read "https://proxy.test/far.zip": write '
            "/m/far.zip777.tmp: no space left on device"
        ),
        "go: creating work dir: mkdir /tmp/go-build1: no space left on device",
    ],
)
def test_a_full_disk_is_one_line(said: str) -> None:
    """What Go 1.26 says on a full disk, in four places."""
    failed = build_failures.failure("things", ["go", "build"], 1, ["cmp", said], [])
    assert not isinstance(failed, DownloadError)
    assert str(failed) == (
        f"things cannot be built: the disk is full ({said}); free some space and try again"
    )


def test_a_full_disk_that_go_does_not_name_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a full GOCACHE it says that packages of its own library are missing."""
    said = ["/usr/local/go/src/errors/wrap.go:8:2: package internal/reflectlite is not in std"]
    monkeypatch.setattr(build_failures, "FULL_BYTES", 1 << 60)
    cache = tmp_path / "not" / "made"
    failed = build_failures.failure("things", ["go", "build"], 1, said, [cache])
    assert str(failed) == (
        f"things cannot be built: the disk of {cache} is full; free some space and try again"
    )
    monkeypatch.setattr(build_failures, "FULL_BYTES", 0)
    failed = build_failures.failure("things", ["go", "build"], 1, said, [cache])
    assert str(failed) == f"`go build` failed (1):\n{said[0]}"


def test_go_is_asked_for_its_caches(tmp_path: Path) -> None:
    env = {"GOCACHE": str(tmp_path / "a"), "GOMODCACHE": str(tmp_path / "b"), "GOTMPDIR": ""}
    assert list(build_failures.caches(env)) == [tmp_path / "a", tmp_path / "b"]


PROGRAM = """\
import sys
from pathlib import Path
from local import compiling, progress
progress.SILENT_SECONDS = 0.2
folder = Path(sys.argv[1])
with progress.step("building things"):
    compiling.compile_programs("things", ["./one", "./two"], folder, cwd=folder, env={})
"""

SLOW_GO = """\
#!/bin/sh
case "$1" in
list) echo "true example.test/one"; echo "true example.test/two";;
build) echo example.test/one; sleep 600 & echo $! >"$SCRATCH/pid"; wait;;
esac
"""


def slow_go(tmp_path: Path) -> Mapping[str, str]:
    """The environment in which `go` compiles one package and then goes on for good."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "go").write_text(SLOW_GO)
    (programs / "go").chmod(0o755)
    return {"PATH": f"{programs}:/usr/bin:/bin", "SCRATCH": str(tmp_path)}


def test_an_interrupted_build_ends_with_all_that_it_started(tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    with on_terminal(command, ROOT, slow_go(tmp_path)) as terminal:
        line = "things: 0 of 2 programs, 1 of 2 packages ("
        wait_until(lambda: line in terminal.shown, "the line")
        compiler = int((tmp_path / "pid").read_text())
        terminal.press_control_c()
        assert terminal.wait() != 0
        assert terminal.sane
    assert terminal.shown.rstrip().endswith("KeyboardInterrupt")
    assert SHOW_CURSOR in terminal.shown
    wait_until(lambda: not runs(compiler), "its compiler has ended")


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
