"""canary.holding: the lease of a rollout, on a real API server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from canary import exits, holding, lease
from canary.errors import CanaryError
from canary.holding import Held, LostError
from canary.rollout.events import Wish
from kube.api import Api
from kube.connection import to_cluster
from tests.engine.cluster import MESH, Cluster

ANNA, BOB = "anna@ws7/4121", "bob@ws8/17"


@pytest.fixture
def api(shared_cluster: Cluster) -> Iterator[Api]:
    shared_cluster.api.kubectl("delete", "leases", "--all", "--namespace", MESH)
    with to_cluster(yaml.safe_dump(shared_cluster.admin)) as connection:
        yield Api(connection)


def held(api: Api, name: str) -> Held:
    return Held(api, MESH, "world", name)


def expire(cluster: Cluster) -> None:
    then = (datetime.now(UTC) - timedelta(seconds=holding.SECONDS + 1)).isoformat()
    renewed = then.replace("+00:00", "Z")
    patch = f'{{"spec": {{"renewTime": "{renewed}"}}}}'
    where = ("lease", "canary-world", "--namespace", MESH, "--type=merge", "-p", patch)
    cluster.api.kubectl("patch", *where)


def test_it_says_whose_it_is_and_how_far_it_has_come(api: Api) -> None:
    anna = held(api, ANNA)
    anna.acquire()
    assert anna.renew("Holding", "no data", 10) is None
    found = lease.read(api, MESH, "world")
    assert found
    assert (found.who, found.phase, found.reason) == ("anna@ws7 (pid 4121)", "Holding", "no data")
    assert (found.weight, found.is_expired(datetime.now(UTC))) == ("10", False)


def test_a_second_is_refused(api: Api) -> None:
    anna = held(api, ANNA)
    anna.acquire()
    anna.renew("Progressing", "", 10)
    with pytest.raises(CanaryError) as refused:
        held(api, BOB).acquire()
    assert refused.value.code == exits.DRIFTED
    assert str(refused.value).startswith("anna@ws7 (pid 4121) runs a rollout of this split since ")


def test_what_was_given_back_is_free(api: Api) -> None:
    anna = held(api, ANNA)
    anna.acquire()
    anna.release()
    assert lease.read(api, MESH, "world") is None
    held(api, BOB).acquire()


def test_what_has_expired_is_taken_over_and_lost(api: Api, shared_cluster: Cluster) -> None:
    anna = held(api, ANNA)
    anna.acquire()
    expire(shared_cluster)
    held(api, BOB).acquire(at_once=True)
    with pytest.raises(LostError, match=r"bob@ws8 \(pid 17\) runs it now"):
        anna.renew("Progressing", "", 10)
    with pytest.raises(LostError):
        anna.release()


def test_what_has_expired_by_our_clock_alone_is_not_taken_over(
    api: Api, shared_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder's clock is behind: it goes on renewing it."""
    monkeypatch.setattr(holding, "RENEW_SECONDS", 0.0)
    anna = held(api, ANNA)
    anna.acquire()
    expire(shared_cluster)
    slow = datetime.now(UTC) - timedelta(seconds=2 * holding.SECONDS)
    monkeypatch.setattr(holding, "_now", lambda: f"{slow:%Y-%m-%dT%H:%M:%S.%f}Z")

    def renew() -> None:
        nonlocal slow
        slow += timedelta(seconds=1)
        anna.renew("Progressing", "", 10)

    with holding.again_and_again(renew), pytest.raises(CanaryError, match="anna@ws7"):
        held(api, BOB).acquire()


def test_what_has_expired_is_watched_and_then_taken_over(
    api: Api, shared_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "WATCHED_SECONDS", 1.0)
    held(api, ANNA).acquire()
    expire(shared_cluster)
    held(api, BOB).acquire()
    found = lease.read(api, MESH, "world")
    assert found
    assert found.who == "bob@ws8 (pid 17)"


def test_who_is_cut_off_for_a_while_goes_on_where_nobody_took_it(
    api: Api, shared_cluster: Cluster
) -> None:
    anna = held(api, ANNA)
    anna.acquire()
    expire(shared_cluster)
    anna.renew("Progressing", "", 10)
    with pytest.raises(CanaryError):
        held(api, BOB).acquire()


def test_of_many_at_once_one_gets_it(api: Api) -> None:
    def tried(number: int) -> bool:
        try:
            held(api, f"anna@ws7/{number}").acquire()
        except CanaryError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(tried, range(8))) == 1


def test_a_wish_is_heard_once(api: Api) -> None:
    assert not holding.wish(api, MESH, "world", Wish.PROMOTE, "bob@ws8")
    anna = held(api, ANNA)
    anna.acquire()
    assert holding.wish(api, MESH, "world", Wish.PROMOTE, "bob@ws8")
    assert anna.renew("Paused", "", 10) == (Wish.PROMOTE, "bob@ws8", None)
    assert anna.renew("Progressing", "", 10) is None


def test_a_wish_is_of_the_weight_that_was_in_force(api: Api) -> None:
    anna = held(api, ANNA)
    anna.acquire()
    anna.renew("Paused", "", 10)
    assert holding.wish(api, MESH, "world", Wish.FULL, "bob@ws8")
    assert anna.renew("Progressing", "", 50) == (Wish.FULL, "bob@ws8", 10)


def test_nothing_is_promoted_on_the_way_back(api: Api) -> None:
    anna = held(api, ANNA)
    anna.acquire()
    anna.renew("RolledBack", "", 10)
    with pytest.raises(CanaryError, match="takes it back to 0 %"):
        holding.wish(api, MESH, "world", Wish.PROMOTE, "bob@ws8")
    assert holding.wish(api, MESH, "world", Wish.ABORT, "bob@ws8")


def test_a_promotion_does_not_take_an_abort_back(api: Api) -> None:
    anna = held(api, ANNA)
    anna.acquire()
    assert holding.wish(api, MESH, "world", Wish.ABORT, "bob@ws8")
    assert holding.wish(api, MESH, "world", Wish.PROMOTE, "eve@ws9")
    assert anna.renew("Progressing", "", 10) == (Wish.ABORT, "bob@ws8", None)


def test_nobody_hears_a_wish_of_one_that_was_killed(api: Api, shared_cluster: Cluster) -> None:
    held(api, ANNA).acquire()
    expire(shared_cluster)
    assert not holding.wish(api, MESH, "world", Wish.ABORT, "bob@ws8")
