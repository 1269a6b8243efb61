"""The counters of linkerds as a Prometheus has them, whatever it calls its labels."""

import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from canary.counters import page, prometheus, querying
from canary.counters.page import Expression
from canary.counters.reading import Seen
from dynamic import waiting
from dynamic.inputs import Linkerds
from kube.api import Api
from kube.connection import to_url
from kube.errors import OneLineError
from tests.harness import counters, pairs
from tests.harness.counters import DAEMONSET, WORLD, steady, version
from tests.harness.processes import refusing_port
from tests.harness.prometheus import StandInPrometheus
from tests.harness.scripted import Asked, Reply, scripted_server
from tests.harness.versions import Totals
from tests.harness.waits_alone import Clock

V1, V2 = f"/{WORLD}-v1", f"/{WORLD}-v2"
SERVICE = "monitoring/prometheus:9090"
PROXIED = "/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/api/v1/query"
NOW = 1_764_143_000.0
EVERY = 15.0
LINKERDS = Linkerds("mesh", "app=l5d", "outgoing", "9990")


class World:
    """Two linkerds, which an API server knows of, and a Prometheus that both lead to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prometheus = StandInPrometheus(NOW)
        self.pods = [_pod("l5d-a", "node-1", "10.0.0.1"), _pod("l5d-b", "node-2", "10.0.0.2")]
        self.asked: list[Asked] = []

    def answer(self, asked: Asked) -> Reply:
        path = asked.path.partition("?")[0]
        if path == "/api/v1/namespaces/mesh/pods":
            return Reply(200, json.dumps({"kind": "PodList", "items": self.pods}))
        self.asked.append(asked)
        if path in (PROXIED, "/api/v1/query"):
            return self.prometheus.answer(asked)
        return Reply(404, json.dumps({"kind": "Status", "message": "not found"}))

    def scrape(
        self, of: str, text: str, at: float = NOW - 5, honours: bool = False, **labels: str
    ) -> None:
        target = {"job": "linkerd", **(labels or {"pod": of})}
        self.prometheus.scrape(target, text, at=at, honours=honours)

    def look(self, address: str = SERVICE, selector: str = "") -> Seen:
        expression = Expression(
            ("outgoing",), (V1, V2), lambda _, name: name in ("svc/world", "svc/world:7778")
        )
        with to_url(self.url, "the cluster") as connection:
            return prometheus.read(Api(connection), [LINKERDS], expression, address, selector)

    def problem(self, address: str = SERVICE) -> str:
        """Why no linkerd can be read: the same line of each."""
        seen = self.look(address)
        assert seen.readings == ()
        assert [each.node for each in seen.unread] == ["node-1", "node-2"]
        (problem,) = {each.problem for each in seen.unread}
        assert "\n" not in problem
        return problem


def _pod(name: str, node: str, address: str) -> Mapping[str, object]:
    ready = {"type": "Ready", "status": "True"}
    return {
        "metadata": {"name": name},
        "spec": {"nodeName": node},
        "status": {"podIP": address, "conditions": [ready]},
    }


@pytest.fixture
def world() -> Iterator[World]:
    found: list[World] = []

    def answer(asked: Asked) -> Reply:
        return found[0].answer(asked)

    with scripted_server(answer) as (url, _):
        found.append(World(url))
        yield found[0]


def counted(v1: int, v2: int, **more: object) -> str:
    """A page with so many requests, a failure of each, of which one is by another spelling."""
    client = f"{DAEMONSET}{WORLD}"
    return counters.page(
        version(f"{client}-v1", v1 - 1, 1, refused=2),
        version(f"{client}-v1", 1, None, service="svc/world:7778"),
        version(f"{client}-v2", v2, 1, pending=3, window={**steady(3), "1": 9}, window_count=v2),
        version(f"{client}-v2", 7, service="svc/other"),
        version(f"{client}-v2", 8, router="incoming"),
        version(f"{client}-v20", 9),
        **more,  # type: ignore[arg-type]
    )


def same(seen: Seen, **pages: str) -> None:
    """Whether what was seen is what the pages say themselves."""
    through = Expression(
        ("outgoing",), (V1, V2), lambda _, name: name in ("svc/world", "svc/world:7778")
    )
    expected = {name: through.versions(text) for name, text in pages.items()}
    assert {each.node: each.versions for each in seen.readings} == {
        name.replace("_", "-"): versions for name, versions in expected.items()
    }
    assert all(len(versions) == 2 for versions in expected.values())


def test_a_scrape_is_read_as_the_page_that_it_was(world: World) -> None:
    world.scrape("l5d-a", counted(100, 10))
    world.scrape("l5d-b", counted(200, 20), at=NOW - 8)
    seen = world.look()
    same(seen, node_1=counted(100, 10), node_2=counted(200, 20))
    assert Totals.of(seen.readings[0].versions[V1]) == Totals(100, 1, refused=2)
    assert [each.started for each in seen.readings] == [page.started(counted(1, 1))] * 2
    assert [each.scrape for each in seen.readings] == [NOW - 5, NOW - 8]
    assert seen.unread == ()


def test_only_what_is_in_the_newest_scrape_is_read(world: World) -> None:
    """linkerd drops the series of a client that was idle."""
    for at, text in ((NOW - 20, counted(100, 10)), (NOW - 5, counters.page())):
        world.scrape("l5d-a", text, at=at)
        world.scrape("l5d-b", counted(200, 20), at=at)
    seen = world.look()
    assert seen.readings[0].versions == {}
    assert seen.every == 15


@pytest.mark.parametrize("honours", [False, True])
@pytest.mark.parametrize(
    "labels",
    [
        {"pod": "{pod}", "node": "{node}"},
        {"kubernetes_pod_name": "{pod}", "instance": "whatever"},
        {"instance": "{address}:9990"},
        {"instance": "{address}"},
        {"instance": "{node}"},
        {"pod": "{pod}", "service": "l5d-admin", "endpoint": "admin", "instance": "{address}:9990"},
        {"pod": "{pod}", "service": "l5d", "client": "acme", "rt": "x"},
    ],
)
def test_whatever_the_labels_are_called(
    world: World, labels: Mapping[str, str], honours: bool
) -> None:
    pages = {"l5d-a": counted(100, 10), "l5d-b": counted(200, 20)}
    for number, (pod, text) in enumerate(pages.items(), start=1):
        known = {"pod": pod, "node": f"node-{number}", "address": f"10.0.0.{number}"}
        given = {name: value.format(**known) for name, value in labels.items()}
        world.scrape(pod, text, NOW - 5, honours, **given)
    seen = world.look()
    same(seen, node_1=pages["l5d-a"], node_2=pages["l5d-b"])
    assert seen.readings[0].versions[V1].refused == 2


def test_two_linkerds_on_a_node_are_told_apart_by_pod_and_not_by_node(world: World) -> None:
    world.pods[1] = _pod("l5d-b", "node-1", "10.0.0.2")
    world.scrape("l5d-a", counted(100, 10), instance="10.0.0.1:9990", node="node-1")
    seen = world.look()
    same(seen, l5d_a=counted(100, 10))
    assert [each.node for each in seen.unread] == ["l5d-b"]


def test_a_linkerd_that_two_jobs_scrape_is_read_once_by_the_newest_scrape(world: World) -> None:
    for pod in ("l5d-a", "l5d-b"):
        world.scrape(pod, counted(100, 10), at=NOW - 9, pod=pod, service="one")
        world.scrape(pod, counted(101, 11), at=NOW - 3, pod=pod, service="two")
    same(world.look(), node_1=counted(101, 11), node_2=counted(101, 11))


def test_the_same_names_in_another_cluster_are_told_apart_by_the_selector(world: World) -> None:
    for pod in ("l5d-a", "l5d-b"):
        world.scrape(pod, counted(100, 10), at=NOW - 9, pod=pod, cluster="prod")
        world.scrape(pod, counted(999, 99), at=NOW - 3, pod=pod, cluster="test")
    seen = world.look(selector='cluster="prod"')
    same(seen, node_1=counted(100, 10), node_2=counted(100, 10))


def test_labels_with_quotes_and_backslashes(world: World) -> None:
    asked: list[str] = []

    def is_counted(_: str, name: str) -> bool:
        asked.append(name)
        return True

    odd = version(f"{DAEMONSET}{WORLD}-v1", 3, service=r"svc/a\"b\\c")
    world.scrape("l5d-a", counters.page(odd))
    world.scrape("l5d-b", counters.page())
    with to_url(world.url, "the cluster") as connection:
        expression = Expression(("outgoing",), (V1,), is_counted)
        seen = prometheus.read(Api(connection), [LINKERDS], expression, SERVICE)
    assert Totals.of(seen.readings[0].versions[V1]) == Totals(3, 0)
    assert asked == ['svc/a"b\\c']


# Linkerds that are not read


def test_a_linkerd_that_is_not_scraped_is_not_read(world: World) -> None:
    world.scrape("l5d-a", counted(100, 10))
    seen = world.look()
    same(seen, node_1=counted(100, 10))
    (unread,) = seen.unread
    assert unread.node == "node-2"
    assert unread.problem == (
        f"Prometheus behind the service {SERVICE} has no jvm:start_time of it in the last 300 s"
    )


@pytest.mark.parametrize(("age", "is_read"), [(37.0, True), (38.0, False)])
def test_a_scrape_is_too_old_after_two_and_a_half_intervals(
    world: World, age: float, is_read: bool
) -> None:
    for n in range(4):
        world.scrape("l5d-a", counted(100 + n, 10), at=NOW - 1 - n * EVERY)
        world.scrape("l5d-b", counted(200 + n, 20), at=NOW - age - n * EVERY)
    seen = world.look()
    assert seen.every == EVERY
    assert len(seen.readings) == (2 if is_read else 1)
    problems = [each.problem for each in seen.unread]
    shown = f"Prometheus behind the service {SERVICE} has not scraped it for 38 s"
    assert problems == ([] if is_read else [shown])


def test_a_target_whose_pod_is_gone_is_nothing(world: World) -> None:
    world.scrape("l5d-a", counted(100, 10))
    world.scrape("l5d-b", counted(200, 20))
    del world.pods[1]
    seen = world.look()
    same(seen, node_1=counted(100, 10))
    assert seen.unread == ()


def test_a_page_without_requests_to_the_versions_is_read_as_that(world: World) -> None:
    for pod in ("l5d-a", "l5d-b"):
        world.scrape(pod, counters.page())
    seen = world.look()
    assert [each.versions for each in seen.readings] == [{}, {}]
    assert seen.unread == ()


def test_without_any_series_no_linkerd_is_read(world: World) -> None:
    assert "has no jvm:start_time of it" in world.problem()


def test_a_value_that_is_no_number_is_one_line(world: World) -> None:
    world.scrape("l5d-a", counters.page(version(f"{WORLD}-v1", 3)).replace("} 3", "} NaN"))
    world.scrape("l5d-b", counters.page())
    assert "has no counters there" in world.problem()


# A Prometheus that does not answer


def test_a_prometheus_that_cannot_be_reached_is_one_line(world: World) -> None:
    with refusing_port() as port:
        url = f"http://127.0.0.1:{port}"
        assert world.problem(url) == (f"Prometheus at {url} cannot be reached: Connection refused")


REFUSAL = json.dumps({"status": "error", "errorType": "bad_data", "error": "1:1:\n no such"})
STATUS = json.dumps({"kind": "Status", "message": 'no endpoints available for service "p"'})
FORBIDDEN = json.dumps({"kind": "Status", "message": 'User "anna" cannot get services/proxy'})
NO_SUCH = json.dumps({"kind": "Status", "message": 'services "prometheus" not found'})
OTHER = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}})


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(400, REFUSAL), "answers 400, 1:1: no such"),
        (Reply(200, "<html>Log in", "text/html"), "answers 200, an HTML page: is it Prometheus?"),
        (Reply(200, "[]"), "answers 200, []"),
        (Reply(200, OTHER), "does not answer with the time: is it Prometheus?"),
        (Reply(401, "who?", "text/plain"), "answers 401, who?: give a token by LINKERD_CANARY_"),
        (Reply(302, "", "text/plain", {"Location": "https://login"}), "redirect to https://login"),
        (Reply(503, STATUS), 'cannot do it now: 503, no endpoints available for service "p"'),
        (Reply(403, FORBIDDEN), "grant get on services/proxy of prometheus:9090 in monitoring"),
        (Reply(404, NO_SUCH), f'{SERVICE}: 404, services "prometheus" not found'),
    ],
)
def test_a_prometheus_that_refuses_is_one_line(world: World, reply: Reply, said: str) -> None:
    world.prometheus.reply = reply
    assert said in world.problem()


def test_an_api_server_that_does_not_tell_the_linkerds_is_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "time", Clock())
    world.pods = []
    assert world.look().readings == ()
    with refusing_port() as port:
        world.url = f"http://127.0.0.1:{port}"
        with pytest.raises(OneLineError):
            world.look()


# By URL, with a token and an authority


def test_a_token_goes_to_the_url_and_not_through_the_api_server(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(querying.TOKEN, "a-token\n")
    for pod in ("l5d-a", "l5d-b"):
        world.scrape(pod, counted(100, 10))
    same(world.look(f"{world.url}"), node_1=counted(100, 10), node_2=counted(100, 10))
    assert {each.headers.get("Authorization") for each in world.asked} == {"Bearer a-token"}
    world.asked.clear()
    world.look()
    assert {each.headers.get("Authorization") for each in world.asked} == {None}


def test_the_authority_is_that_of_the_environment(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    made = pairs.authority(begins=now - pairs.DAY, ends=now + pairs.DAY)
    own = pairs.Made(
        "prometheus", ("localhost",), by=made, begins=now - pairs.DAY, ends=now + pairs.DAY
    )
    for name, content in {"crt": own.pem, "key": own.key_pem(), "ca": made.pem}.items():
        (tmp_path / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    for pod in ("l5d-a", "l5d-b"):
        world.scrape(pod, counted(100, 10))
    with scripted_server(world.answer, context) as (address, _):
        url = address.replace("127.0.0.1", "localhost")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        problem = world.problem(url)
        assert problem.startswith(f"Prometheus at {url} cannot be trusted: ")
        assert problem.endswith("REQUESTS_CA_BUNDLE names authorities")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca"))
        same(world.look(url), node_1=counted(100, 10), node_2=counted(100, 10))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing"))
        assert "cannot be reached: Could not find a suitable TLS CA" in world.problem(url)


# What is asked for


def test_the_samples_asked_for_are_few(world: World) -> None:
    """The history of one series a linkerd, and of the counters the newest scrapes alone."""
    for n in range(10):
        world.scrape("l5d-a", counted(100 + n, 10), at=NOW - 1 - n * EVERY)
        world.scrape("l5d-b", counted(100 + n, 10), at=NOW - 7 - n * EVERY)
    world.look()
    queries = [parse_qs(urlsplit(each.path).query)["query"][0] for each in world.asked]
    assert queries[:2] == ["time()", '{__name__="jvm:start_time"}[300s]']
    (counters_query,) = queries[2:]
    assert counters_query.endswith("[9s]")


def test_looks_between_two_scrapes_are_not_after_one_another(world: World) -> None:
    for pod in ("l5d-a", "l5d-b"):
        world.scrape(pod, counted(100, 10), at=NOW - 5)
    first = world.look()
    world.prometheus.now = NOW + 4
    again = world.look()
    assert not again.is_after(first)
    world.scrape("l5d-a", counted(101, 10), at=NOW + 10)
    world.prometheus.now = NOW + 11
    assert not world.look().is_after(first)
    world.scrape("l5d-b", counted(101, 10), at=NOW + 11)
    last = world.look()
    assert last.is_after(first)
    assert replace(last, readings=()).is_after(first)
