"""`make bench-mesh` on loopback: every path carries the load through the linkerds it says."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bench.mesh import load, paths
from bench.mesh.load import Route
from bench.mesh.loopback import Loopback
from bench.mesh.paths import MUTUAL, OFF, PATHS, SERVER
from local.errors import LocalError
from tests.contract import sidecars
from tests.contract.stand_ins import L5D, OTHER_L5D
from tests.contract.test_metrics import Metrics, metrics_of
from tests.harness.apiserver import api_server


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
    found: Metrics = metrics_of(place.talker(address, sidecars.ADMIN))
    return sum(value for name, value in found.items() if ":tls:connections{" in name)


@pytest.mark.parametrize("tls", [OFF, SERVER, MUTUAL])
def test_linkerds_speak_tls_where_the_path_says_so(place: Loopback, fortio: Path, tls: str) -> None:
    with ExitStack() as running:
        route = paths.two(tls)(place, running)
        load.measure(fortio, place, tls, route, 0.5)
        assert [secured(place, each) > 0 for each in (L5D, OTHER_L5D)] == [tls != OFF] * 2


def test_a_load_that_fails_is_no_figure(place: Loopback, fortio: Path) -> None:
    with ExitStack() as running:
        route = paths.two(OFF)(place, running)
        nowhere = replace(route, headers={"Host": "nowhere"})
        with pytest.raises(LocalError, match="502 instead of 200 alone"):
            load.measure(fortio, place, "nowhere", nowhere, 0.5)
    with pytest.raises(LocalError):
        load.measure(fortio, place, "closed", Route("http://198.18.1.1:1/"), 0.5)
