"""What linkerd's admin port tells: names and labels that a canary is judged by."""

import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract import trouble
from tests.contract.namerd_api import until
from tests.contract.pair import Mesh
from tests.contract.stand_ins import StandIns
from tests.contract.talk import Talker
from tests.contract.trouble import Pod

Metrics = Mapping[str, float]


def metrics(mesh: Mesh) -> Metrics:
    """Each line of what Prometheus is shown, by its name with labels."""
    return metrics_of(mesh.admin)


def metrics_of(admin: Talker) -> Metrics:
    """The same of any linkerd's admin port."""
    answer = admin.get("/admin/metrics/prometheus")
    assert answer.status == 200
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def client(mesh: Mesh, version: str, service: str = "svc/world") -> str:
    """The labels of the outgoing router's way to a version of world."""
    return f'{{rt="outgoing", client="{mesh.client(version)}", service="{service}"}}'


def added(before: Metrics, after: Metrics, name: str) -> float:
    return after.get(name, 0) - before.get(name, 0)


def test_requests_are_counted_by_router_client_and_service(mesh: Mesh) -> None:
    before = metrics(mesh)
    seen = mesh.outcomes("/host/world => 1 * /srv/world-v1 & 3 * /srv/world-v2", 200)
    after = metrics(mesh)
    assert sum(seen.values()) == 200
    counted = {
        version: added(before, after, f"rt:client:service:requests{client(mesh, version)}")
        for version in ("world-v1", "world-v2")
    }
    assert sum(counted.values()) == 200
    assert counted["world-v2"] > counted["world-v1"]


def test_successes_are_counted(mesh: Mesh) -> None:
    name = f"rt:client:service:success{client(mesh, 'world-v1')}"
    before = metrics(mesh)
    mesh.outcomes("/host/world => /srv/world-v1", 50)
    assert added(before, metrics(mesh), name) == 50


def test_servers_are_counted(mesh: Mesh) -> None:
    def requests(found: Metrics) -> float:
        names = [name for name in found if name.startswith('rt:server:requests{rt="outgoing", ')]
        assert len(names) == 1
        return found[names[0]]

    before = metrics(mesh)
    mesh.outcomes("/host/world => /srv/world-v1", 20)
    assert requests(metrics(mesh)) - requests(before) == 20


def test_services_are_counted(mesh: Mesh) -> None:
    name = 'rt:service:requests{rt="outgoing", service="svc/world"}'
    before = metrics(mesh)
    mesh.outcomes("/host/world => /srv/world-v1", 20)
    assert added(before, metrics(mesh), name) == 20


def test_failures_are_absent_until_the_first(mesh: Mesh, unused: str) -> None:
    labels = f'{{rt="outgoing", service="svc/{unused}"}}'
    mesh.ask(unused, f"/svc/{unused} => /srv/world-v1")
    before = metrics(mesh)
    assert before[f"rt:service:requests{labels}"] == 1
    assert f"rt:service:failures{labels}" not in before
    assert mesh.ask(unused, f"/svc/{unused} => $").status == 502
    assert metrics(mesh)[f"rt:service:failures{labels}"] == 1


def test_names_hold_colons_and_labels_are_set_off_by_comma_and_space(mesh: Mesh) -> None:
    mesh.ask("world", "/host/world => /srv/world-v1")
    counted = [name for name in metrics(mesh) if name.startswith("rt:client:service:requests{")]
    assert counted
    for name in counted:
        assert re.fullmatch(
            r'rt:client:service:requests\{rt="[^"]*", client="[^"]*", service="[^"]*"\}', name
        )


def test_when_it_started_is_told_in_milliseconds(mesh: Mesh) -> None:
    started = metrics(mesh)["jvm:start_time"]
    assert time.time() - 30 * 24 * 3600 < started / 1000 < time.time() + 1
    assert metrics(mesh)["jvm:start_time"] == started


def test_json_has_the_same_counters_under_paths(mesh: Mesh) -> None:
    mesh.ask("world", "/host/world => /srv/world-v1")
    counters = mesh.admin.get("/admin/metrics.json").json
    path = f"rt/outgoing/client/{mesh.client('world-v1')}/service/svc/world/requests"
    shown = metrics(mesh)[f"rt:client:service:requests{client(mesh, 'world-v1')}"]
    assert counters[path] == shown


def test_ping_answers_pong(mesh: Mesh) -> None:
    assert mesh.admin.get("/admin/ping").text == "pong"


def test_the_first_page_says_whose_admin_it_is(mesh: Mesh) -> None:
    assert "<title>linkerd admin</title>" in mesh.admin.get("/").text


def test_latencies_are_shown_for_the_last_window(mesh: Mesh, unused: str) -> None:
    """Not for all time: nothing is shown before a window is over, and that of a name that is not
    asked for any more is gone with the next one."""
    quantile = client(mesh, "world-v1", f"svc/{unused}").replace("}", ', quantile="0.99"}')
    name = f"rt:client:service:request_latency_ms{quantile}"
    mesh.ask(unused, f"/svc/{unused} => /srv/world-v1")
    shown = until(lambda: metrics(mesh), lambda found: name in found, seconds=100, pause=0.5)
    assert shown[name] >= 0
    until(lambda: name in metrics(mesh), lambda there: not there, seconds=100, pause=0.5)
    assert name not in metrics(mesh)


@pytest.fixture
def late(world: StandIns) -> Iterator[Pod]:
    """A version that holds its answers back for as long as it is told to."""
    with trouble.held(world, "late") as pod:
        yield pod


@pytest.mark.stand_ins
@pytest.mark.parametrize(("count", "part", "is_slow"), [(11, "0.95", False), (5, "0.9", True)])
def test_a_quantile_is_of_the_rank_that_is_rounded_half_up(
    mesh: Mesh, late: Pod, unused: str, count: int, part: str, is_slow: bool
) -> None:
    """Finagle's BucketedHistogram.percentile takes Math.round(p * count)."""
    name = f"rt:client:service:request_latency_ms{client(mesh, 'late', f'svc/{unused}')}"

    def shown(quantile: str) -> float:
        return window.get(name.replace("}", f', quantile="{quantile}"}}'), 0)

    counted = name.replace("_ms{", "_ms_count{")
    window: Metrics = {}
    while window.get(counted) != count:  # else a window ended in between
        _one_slow_of(count, mesh, late, f"/svc/{unused} => /srv/late", unused)
        window = until(lambda: metrics(mesh), lambda found: counted in found, 100, 0.2)
        until(lambda: counted in metrics(mesh), lambda there: not there, 100, 0.2)
    assert shown("1") > 400 > shown("0.5")
    assert (shown(part) > 400) is is_slow


def _one_slow_of(count: int, mesh: Mesh, late: Pod, dtab: str, host: str) -> None:
    late.answering.clear()
    before = late.asked
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(mesh.ask, host, dtab)
        until(lambda: late.asked, lambda asked: asked > before)
        time.sleep(0.5)  # which makes it slow
        late.answering.set()
        assert slow.result().status == 200
    assert [mesh.ask(host, dtab).status for _ in range(count - 1)] == [200] * (count - 1)
