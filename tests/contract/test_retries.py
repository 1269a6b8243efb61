"""retryableRead5XX on the outgoing router: it hides a bad canary from callers, not from metrics."""

import time

import pytest

from tests.contract.pair import Mesh, outcomes
from tests.contract.stand_ins import StandIns
from tests.contract.talk import Talker
from tests.contract.test_metrics import added, client, metrics

pytestmark = pytest.mark.stand_ins

SPLIT = "/host/world => 30 * /srv/failing & 70 * /srv/world-v1"


@pytest.fixture(scope="module", autouse=True)
def _failing(world: StandIns) -> None:
    """A version of world that fails each fifth request."""
    address = world.address()
    world.start_pod(address, 7778, "-failure-rate=0.2", TARGET_WORLD="failing")
    world.endpoints("failing", [address], 7778)


def test_callers_see_no_failure_and_the_clients_metrics_show_all(mesh: Mesh) -> None:
    labels = client(mesh, "failing")
    before = metrics(mesh)
    seen = mesh.outcomes(SPLIT, 1000)
    after = metrics(mesh)
    assert set(seen) == {"world", "failing"}
    requests = added(before, after, f"rt:client:service:requests{labels}")
    failures = added(before, after, f"rt:client:service:failures{labels}")
    succeeded = added(before, after, f"rt:client:service:success{labels}")
    assert failures > 0
    assert requests == failures + succeeded
    service = '{rt="outgoing", service="svc/world"}'
    assert added(before, after, f"rt:service:retries:total{service}") >= failures
    assert added(before, after, f"rt:service:success{service}") == 1000


def test_requests_that_change_something_are_not_sent_again(mesh: Mesh) -> None:
    headers = {"Host": "world", "l5d-dtab": "/host/world => /srv/failing"}
    with mesh.linkerd.keep() as conversation:
        statuses = {conversation.ask("POST", "/", headers, "x").status for _ in range(100)}
    assert statuses == {200, 500}


def test_the_other_routers_send_nothing_again(mesh: Mesh, incoming: Talker) -> None:
    seen = outcomes(incoming, mesh.chosen("failing"), 200)
    assert seen["500"] > 0


def test_retries_end_when_the_budget_is_spent(world: StandIns, mesh: Mesh) -> None:
    """A fifth of the requests, and a hundred more in ten seconds."""
    always = world.address()
    world.start_pod(always, 7778, "-failure-rate=1")
    world.endpoints("always-failing", [always], 7778)
    before = metrics(mesh)
    began = time.monotonic()
    seen = mesh.outcomes("/svc/budget => /srv/always-failing", 200, host="budget")
    after = metrics(mesh)
    tens = 1 + (time.monotonic() - began) // 10  # one on any machine that is not very busy
    labels = '{rt="outgoing", service="svc/budget"}'
    assert seen == {"500": 200}
    retried = added(before, after, f"rt:service:retries:total{labels}")
    assert 100 <= retried <= 0.2 * 200 + 100 * (1 + tens)
    assert added(before, after, f"rt:service:retries:budget_exhausted{labels}") == 200
