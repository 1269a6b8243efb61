"""Bounds that an outgoing router is configured with: connections, time, and idle series."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract import sidecars, trouble
from tests.contract.namerd_api import until
from tests.contract.sidecars import INCOMING, OUTGOING, Sidecar
from tests.contract.stand_ins import APPS_NAMESPACE, StandIns
from tests.contract.test_metrics import added
from tests.contract.trouble import Pod

pytestmark = pytest.mark.stand_ins

TO_APP = {"kind": "io.l5d.port", "port": 7778}
"""Straight to the app: what is bounded is the first linkerd."""

Starting = Callable[..., Sidecar]


@pytest.fixture
def start(world: StandIns) -> Iterator[Starting]:
    """Starts a linkerd whose outgoing router has some settings."""
    running: list[Sidecar] = []

    def starting(**settings: Any) -> Sidecar:
        address = world.address()
        router = sidecars.outgoing(address, **settings)
        router["interpreter"]["transformers"] = [TO_APP]
        running.append(sidecars.start(world, address, router))
        return running[-1]

    yield starting
    for each in running:
        each.process.end()


@pytest.fixture
def held(world: StandIns) -> Iterator[Pod]:
    """The service `held`, whose answers wait until they are told to come."""
    with trouble.held(world, "held") as pod:
        yield pod


def labels(service: str) -> str:
    client = f"%/io.l5d.port/7778/#/io.l5d.k8s/{APPS_NAMESPACE}/http/{service}"
    return f'{{rt="outgoing", client="{client}"}}'


def statuses(linkerd: Sidecar, host: str, count: int) -> "Iterator[int]":
    """Of requests that are sent all at once; as they come."""
    with ThreadPoolExecutor(count) as pool:
        yield from pool.map(lambda _: linkerd.ask(host).status, range(count))


# hostConnectionPool


def test_no_more_connections_than_the_pool_may_have(start: Starting, held: Pod) -> None:
    linkerd = start(client={"hostConnectionPool": {"maxSize": 2, "maxWaiters": 100}})
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(lambda: Counter(statuses(linkerd, "held", 10)))
        name = 'rt:server:pending{rt="outgoing", server="' + f'{linkerd.address}/{OUTGOING}"}}'
        until(linkerd.metrics, lambda found: found.get(name) == 10)
        assert until(lambda: held.asked, lambda asked: asked == 2) == 2
        held.answering.set()
        assert answers.result() == {200: 10}
    assert held.most == 2


def test_more_waiters_than_there_may_be_are_refused_at_once(start: Starting, held: Pod) -> None:
    linkerd = start(client={"hostConnectionPool": {"maxSize": 2, "maxWaiters": 3}})
    seen: Counter[int] = Counter()
    with ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(lambda: linkerd.ask("held").status) for _ in range(10)]
        assert until(lambda: [a.done() for a in answers].count(True), lambda done: done == 5) == 5
        seen.update(answer.result() for answer in answers if answer.done())
        assert seen == {502: 5}
        held.answering.set()
        assert Counter(answer.result() for answer in answers) == {502: 5, 200: 5}
    assert held.most == 2


def test_without_a_bound_each_request_that_waits_has_its_connection(
    start: Starting, held: Pod
) -> None:
    linkerd = start()
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(lambda: Counter(statuses(linkerd, "held", 10)))
        assert until(lambda: held.open, lambda count: count == 10) == 10
        held.answering.set()
        assert answers.result() == {200: 10}


def test_two_versions_at_one_address_have_each_their_connections(
    world: StandIns, start: Starting, held: Pod
) -> None:
    """As behind one linkerd of a node: one that hangs does not take the other's."""
    address = world.address()
    for name in ("first", "second"):
        world.endpoints(name, [address], 7778)
    linkerd = start(client={"hostConnectionPool": {"maxSize": 1, "maxWaiters": 100}})
    with (
        trouble.pod(world.network, address, held=True) as shared,
        ThreadPoolExecutor(2) as pool,
    ):
        answers = [pool.submit(linkerd.ask, host) for host in ("first", "second")]
        assert until(lambda: shared.asked, lambda asked: asked == 2) == 2
        shared.answering.set()
        assert [answer.result().status for answer in answers] == [200, 200]


def test_an_idle_connection_is_closed_after_its_time(start: Starting, held: Pod) -> None:
    held.answering.set()
    linkerd = start(client={"hostConnectionPool": {"idleTimeMs": 500}})
    assert linkerd.ask("held").status == 200
    assert until(lambda: held.open, lambda count: count == 0) == 0


# service.totalTimeoutMs


def test_a_request_and_its_retries_may_take_so_long(start: Starting, held: Pod) -> None:
    linkerd = start(service={"totalTimeoutMs": 1000})
    began = time.monotonic()
    answer = linkerd.ask("held")
    assert time.monotonic() - began >= 1
    assert answer.status == 503
    assert answer.text.startswith(
        "exceeded 1.seconds to unspecified while waiting for a response for the request, "
        "including retries (if applicable)"
    )
    counted = linkerd.metrics()
    for what, count in (("requests", 1), ("failures", 1), ("pending", 0)):
        assert counted[f"rt:client:{what}{labels('held')}"] == count
    service = '{rt="outgoing", service="svc/held"}'
    assert counted[f"rt:service:failures{service}"] == 1


def test_both_hops_count_a_request_that_took_too_long(world: StandIns, held: Pod) -> None:
    """The second is told that the first waits no longer."""
    pod, caller = world.address(), world.address()
    world.endpoints("entered", [pod], 7778)
    with trouble.pod(world.network, pod, held=True):
        server = sidecars.start(world, pod, sidecars.incoming(pod))
        limited = sidecars.outgoing(caller, service={"totalTimeoutMs": 1000})
        client = sidecars.start(world, caller, limited)
        assert client.ask("entered").status == 503
        name = f"#/io.l5d.k8s/{APPS_NAMESPACE}/http/entered"
        sent = f'{{rt="outgoing", client="%/io.l5d.port/{INCOMING}/{name}"}}'
        got = f'{{rt="incoming", client="%/io.l5d.localhost/{name}"}}'
        assert client.metrics()[f"rt:client:failures{sent}"] == 1
        failures = f"rt:client:failures{got}"
        assert until(server.metrics, lambda found: failures in found)[failures] == 1
        assert server.metrics()[f"rt:client:pending{got}"] == 0
        for each in (server, client):
            each.process.end()


def test_an_answer_in_time_is_none_of_its_business(start: Starting, held: Pod) -> None:
    held.answering.set()
    linkerd = start(service={"totalTimeoutMs": 60_000})
    assert [linkerd.ask("held").status for _ in range(5)] == [200] * 5


# bindingCache.idleTtlSecs


def test_series_of_idle_clients_and_names_go_together(start: Starting, held: Pod) -> None:
    held.answering.set()
    linkerd = start(bindingCache={"idleTtlSecs": 2})
    table = "/svc/idle => /srv/held"
    assert linkerd.ask("idle", table).status == 200
    of_client, of_name = f"rt:client:requests{labels('held')}", _named("idle")
    assert {of_client, of_name} <= set(linkerd.metrics())

    def asked_for_another() -> set[str]:
        linkerd.ask("world", "/host/world => /srv/world-v1")
        return set(linkerd.metrics())

    left = until(asked_for_another, lambda found: not {of_client, of_name} & found)
    assert not {of_client, of_name} & left
    assert _named("world") in left


def test_a_version_at_weight_0_is_idle_and_counts_from_0_when_it_is_back(
    start: Starting, held: Pod
) -> None:
    held.answering.set()
    linkerd = start(bindingCache={"idleTtlSecs": 2})
    name = f"rt:client:requests{labels('held')}"
    split = "/host/world => {} * /srv/held & {} * /srv/world-v1"
    for _ in range(3):
        linkerd.ask("world", split.format(1, 0))
    assert linkerd.metrics()[name] == 3

    def asked_for_the_other() -> set[str]:
        linkerd.ask("world", split.format(0, 1))
        return set(linkerd.metrics())

    assert name not in until(asked_for_the_other, lambda found: name not in found)
    linkerd.ask("world", split.format(1, 0))
    assert linkerd.metrics()[name] == 1


def test_the_least_idle_client_and_name_stay(start: Starting, held: Pod) -> None:
    held.answering.set()
    linkerd = start(bindingCache={"idleTtlSecs": 1})
    for host in ("first", "last"):
        linkerd.ask(host, f"/svc/{host} => /srv/held")
    gone = until(linkerd.metrics, lambda found: _named("first") not in found)
    assert _named("first") not in gone
    time.sleep(3)  # as long as three idle times: there is no event to wait for
    assert linkerd.metrics()[_named("last")] == 1
    assert linkerd.metrics()[f"rt:client:requests{labels('held')}"] == 2


def test_with_a_long_time_nothing_goes(start: Starting, held: Pod) -> None:
    held.answering.set()
    linkerd = start(bindingCache={"idleTtlSecs": 3600})
    assert linkerd.ask("held").status == 200
    before = linkerd.metrics()
    linkerd.ask("world", "/host/world => /srv/world-v1")
    assert added(before, linkerd.metrics(), f"rt:client:requests{labels('held')}") == 0
    assert linkerd.metrics()[f"rt:client:requests{labels('held')}"] == 1


def _named(host: str) -> str:
    return f'rt:service:requests{{rt="outgoing", service="svc/{host}"}}'
