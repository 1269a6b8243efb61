"""`make bench-mesh` on loopback: every path carries the load through the linkerds it says."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.mesh import load, paths
from bench.mesh.load import Route
from bench.mesh.loopback import APP_PORT, WORLD, Loopback
from bench.mesh.paths import PATHS
from local.errors import LocalError
from mesh import routers
from mesh.linkerd import WINDOW_FLAG
from mesh.routers import ADMIN, App, Routing
from mesh.tls import FOLDER, MUTUAL, OFF, SERVER, Way
from tests.contract.stand_ins import (
    APPS_NAMESPACE,
    HELLO,
    L5D,
    MESH_NAMESPACE,
    OTHER_L5D,
)
from tests.contract.test_metrics import Metrics, metrics_of
from tests.harness.apiserver import api_server

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    """On an API server of its own: its namespaces are those of tests/contract."""
    with ExitStack() as stack:
        api = stack.enter_context(api_server())
        yield Loopback(api, tmp_path_factory.mktemp("bench"), stack, None)


@pytest.fixture(scope="module")
def fortio() -> Path:
    return load.fortio()


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "WINDOW", 0.2)
    monkeypatch.setattr(load, "MOST_WINDOWS", 2)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_path_is_measured(place: Loopback, fortio: Path, path: paths.Path) -> None:
    with ExitStack() as running:
        row = load.measure(fortio, place, path.name, path.prepare(place, running), 0.5)
    assert row.rate > 0
    assert 0 < row.p50 <= row.p95 <= row.p99
    assert not row.warm
    if path.name == "direct":
        assert row.cpu is row.resident is None
    else:
        assert row.cpu
        assert row.resident


def secured(place: Loopback, address: str) -> float:
    """Connections by TLS that a linkerd has, as a client or as a server."""
    found: Metrics = metrics_of(place.talker(address, ADMIN))
    return sum(value for name, value in found.items() if ":tls:connections{" in name)


Prepare = Callable[[Loopback, ExitStack], Route]
WAYS: Mapping[str, tuple[Prepare, tuple[str, str]]] = {
    **{f"daemonset, {tls}": (paths.two(tls), (L5D, OTHER_L5D)) for tls in (OFF, SERVER, MUTUAL)},
    **{f"sidecars, {tls}": (paths.beside(tls), (HELLO, WORLD)) for tls in (OFF, MUTUAL)},
}


@pytest.mark.parametrize("name", WAYS)
def test_linkerds_speak_tls_where_the_path_says_so(
    place: Loopback, fortio: Path, name: str
) -> None:
    prepare, addresses = WAYS[name]
    with ExitStack() as running:
        load.measure(fortio, place, name, prepare(place, running), 0.5)
        assert [secured(place, each) > 0 for each in addresses] == [not name.endswith(OFF)] * 2


def deployed(name: str) -> list[dict[str, Any]]:
    """The config files of a path's linkerds, as the program writes them by default."""
    kind, _, tls = name.partition(", ")
    routing = Routing(MESH_NAMESPACE, way=Way.of(tls, permissive=False, secret=""))
    if kind == "daemonset":
        return [routers.node_config(routing)] * 2
    apps = (App(APPS_NAMESPACE, app, APP_PORT) for app in ("hello", "world"))
    return [routers.sidecar_config(routing, app) for app in apps]


@pytest.mark.parametrize("name", WAYS)
def test_what_is_measured_has_the_config_and_the_jvm_of_what_is_deployed(
    place: Loopback, name: str
) -> None:
    """But for addresses, the certificates' folder and the container's own /tmp."""
    prepare, addresses = WAYS[name]
    with ExitStack() as running:
        route = prepare(place, running)
        for pid, address, config in zip(route.linkerds, addresses, deployed(name), strict=True):
            *_, flag, path = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
            assert flag == WINDOW_FLAG
            text = Path(path).read_text()
            text = text.replace(str(place.folder / "certificates"), FOLDER)
            assert without_addresses(json.loads(text)) == without_addresses(config)
            lines = Path(f"/proc/{pid}/environ").read_text().split("\0")
            environment = dict(line.partition("=")[::2] for line in lines)
            assert environment["LOCAL_JVM_OPTIONS"] == "-XX:+TieredCompilation"
            assert environment["JVM_HEAP_MAX"] == "256M"
            assert environment["JVM_HEAP_MIN"] == "64M"
            assert environment["POD_IP"] == address


def without_addresses(config: dict[str, Any]) -> dict[str, Any]:
    """A config file's content without where it serves and where it finds namerd."""
    found: dict[str, Any] = json.loads(json.dumps(config))
    del found["admin"]["ip"]
    for router in found["routers"]:
        namerd = router["interpreter"].pop("dst")
        assert namerd.endswith("/4100")
        for server in router["servers"]:
            del server["ip"]
    return found


def test_a_program_that_does_not_start_is_one_line(
    place: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "linkerd"
    program.write_text("#!/bin/sh\necho no such key: $JVM_HEAP_MAX\necho '  at a frame'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(place, "_programs", tmp_path)
    with ExitStack() as running, pytest.raises(LocalError) as raised:
        place.start_linkerd(running, L5D, deployed("daemonset, off")[0])
    assert str(raised.value) == f"{program} did not start: no such key: 256M"


def test_a_load_that_fails_is_no_figure(place: Loopback, fortio: Path) -> None:
    with ExitStack() as running:
        route = paths.two(OFF)(place, running)
        nowhere = replace(route, headers={"Host": "nowhere"})
        with pytest.raises(LocalError, match="502 instead of 200 alone"):
            load.measure(fortio, place, "nowhere", nowhere, 0.5)
    with pytest.raises(LocalError):
        load.measure(fortio, place, "closed", Route("http://198.18.1.1:1/"), 0.5)
