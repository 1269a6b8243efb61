"""The Dtab resource killed between a request and the state, at every point."""

import socket
from collections.abc import Callable
from copy import deepcopy
from itertools import product

import pytest

from dynamic.dtab import DtabProvider
from tests.engine.tables import V1, V2, WORLD, dtab, text
from tests.harness.faults import Exchange, Fault, FaultProxy, forged, passed_on
from tests.harness.namerd import Namerd
from tests.provider_host import CallError, ProviderHost, Stack

pytestmark = pytest.mark.long

NewHost = Callable[..., ProviderHost]


def killed(host: ProviderHost, before: bool) -> Fault:
    """SIGKILL to the host as a request arrives, or when its answer is on the way."""

    def fault(exchange: Exchange) -> None:
        if not before:
            exchange.forward()
        host.process.kill()
        host.process.wait()
        exchange.hang_up()

    return fault


POINTS: dict[str, tuple[str, str, int, bool]] = {
    # method, path after the API's base, how many of these go well before, killed before it arrives
    "before the first read": ("GET", "dtabs/", 0, True),
    "before the guard": ("GET", "delegate/", 0, True),
    "after the guard": ("GET", "delegate/", 0, False),
    "before the write arrives": ("{write}", "dtabs/", 0, True),
    "after the write": ("{write}", "dtabs/", 0, False),
    "before it is seen": ("GET", "dtabs/", 1, True),
    "after it is seen": ("GET", "dtabs/", 1, False),
    "before it is bound": ("GET", "bind/", 0, True),
    "after it is bound": ("GET", "bind/", 0, False),
}


UNWRITTEN = list(POINTS)[:4]
"""After these the former table is in force, and nothing is to be mended."""

WRITTEN = list(POINTS)[4:]


def kill_at(point: str, proxy: FaultProxy, host: ProviderHost, write: str) -> None:
    method, path, well, before = POINTS[point]
    method, path = method.format(write=write), f"/api/1/{path}"
    if well:
        proxy.on(method, path, passed_on, well)
    proxy.on(method, path, killed(host, before))


def settled_at(stack: Stack, proxy: FaultProxy, a_namerd: Namerd, weight: int) -> None:
    """The table and the state agree, and nothing is left to do."""
    assert a_namerd.get("internal") == text(weight)
    written = len(proxy.writes)
    assert stack.up(dtab(proxy.url, weight)) == "same"
    assert stack.refresh() == "read"
    assert stack.up(dtab(proxy.url, weight)) == "same"
    assert len(proxy.writes) == written
    assert a_namerd.get("internal") == text(weight)


def refused_as_changed(stack: Stack, proxy: FaultProxy, weight: int) -> None:
    """An `up` with a third weight: it says what happened and what to do, and writes nothing."""
    written = len(proxy.writes)
    with pytest.raises(CallError) as error:
        stack.up(dtab(proxy.url, weight))
    assert str(error.value) == (
        "the table 'internal' was changed by somebody else, or by a `pulumi up` whose state was "
        f"not saved: theirs '{WORLD} => 80.00*{V1} & 20.00*{V2}', "
        f"gone '{WORLD} => 90.00*{V1} & 10.00*{V2}'; nothing was written, run `pulumi up "
        "--refresh` to see the change and decide"
    )
    assert len(proxy.writes) == written


@pytest.mark.parametrize(
    ("point", "then"),
    [*((point, 30) for point in UNWRITTEN), *product(WRITTEN, (20, 10, 30))],
)
def test_an_update_killed_at_any_point_is_mended_by_the_next_up_with_refresh(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, point: str, then: int
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    kill_at(point, proxy, stack.host, "PUT")
    with pytest.raises(CallError):
        stack.up(dtab(proxy.url, 20))
    stack.host = new_host()
    assert a_namerd.get("internal") == text(20 if point in WRITTEN else 10)
    if point in WRITTEN and then == 30:
        refused_as_changed(stack, proxy, then)
    if point in WRITTEN and then != 20:  # the same again needs no refresh
        stack.refresh()
    stack.up(dtab(proxy.url, then))
    settled_at(stack, proxy, a_namerd, then)


@pytest.mark.parametrize(
    ("point", "then"), [*((point, 20) for point in UNWRITTEN), *product(WRITTEN, (20, 30))]
)
def test_a_create_killed_at_any_point_is_mended_by_adopting_what_it_left(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, point: str, then: int
) -> None:
    stack = Stack(new_host(), DtabProvider())
    kill_at(point, proxy, stack.host, "POST")
    with pytest.raises(CallError):
        stack.up(dtab(proxy.url, 20))
    stack.host = new_host()
    left = a_namerd.get("internal")
    assert left == (text(20) if point in WRITTEN else None)
    if left is not None:
        with pytest.raises(CallError, match="whose state was not saved may have left it") as error:
            stack.up(dtab(proxy.url, then))
        assert "to take the table over, set the resource's `adopt`" in str(error.value)
        assert a_namerd.get("internal") == left
    assert stack.up(dtab(proxy.url, then, adopt=left is not None)) == "create"
    settled_at(stack, proxy, a_namerd, then)


@pytest.mark.parametrize("writes", [0, 1])
def test_an_adoption_killed_after_any_of_its_writes_goes_on_with_adopt_alone(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, writes: int
) -> None:
    """Of a table that says the same, which takes two writes."""
    a_namerd.put("internal", text(20))
    stack = Stack(new_host(), DtabProvider())
    proxy.on("PUT", "/api/1/dtabs/", passed_on, writes)
    proxy.on("PUT", "/api/1/dtabs/", killed(stack.host, before=False))
    with pytest.raises(CallError):
        stack.up(dtab(proxy.url, 20, adopt=True))
    stack.host = new_host()
    with pytest.raises(CallError, match="exists already"):
        stack.up(dtab(proxy.url, 20))
    assert stack.up(dtab(proxy.url, 20, adopt=True)) == "create"
    settled_at(stack, proxy, a_namerd, 20)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("then", [None, 10, 30], ids=["destroy", "up", "a third weight"])
def test_a_delete_killed_at_any_point_is_mended_by_the_next_command(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, before: bool, then: int | None
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    proxy.on("DELETE", "/api/1/dtabs/", killed(stack.host, before))
    with pytest.raises(CallError):
        stack.destroy()
    stack.host = new_host()
    if then is None:
        stack.destroy()
        assert a_namerd.get("internal") is None
        return
    if then == 10:  # to the state nothing is left to do
        stack.refresh()
    stack.up(dtab(proxy.url, then))
    settled_at(stack, proxy, a_namerd, then)


def test_an_interrupted_table_can_be_destroyed_once_it_is_seen(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", "/api/1/dtabs/", killed(stack.host, before=False))
    with pytest.raises(CallError):
        stack.up(dtab(proxy.url, 20))
    stack.host = new_host()
    with pytest.raises(
        CallError, match=r"whose state was not saved, and is not deleted: .*run `pulumi refresh`"
    ):
        stack.destroy()
    assert a_namerd.get("internal") == text(20)
    stack.refresh()
    stack.destroy()
    assert a_namerd.get("internal") is None


def test_what_somebody_wrote_over_an_interrupted_table_is_not_lost(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", "/api/1/dtabs/", killed(stack.host, before=False))
    with pytest.raises(CallError):
        stack.up(dtab(proxy.url, 20))
    a_namerd.put("internal", "/theirs=>/x")
    stack.host = new_host()
    for weight in (20, 30):
        with pytest.raises(CallError, match=r"was changed by .*: theirs '/theirs => /x'"):
            stack.up(dtab(proxy.url, weight))
        assert a_namerd.get("internal") == "/theirs=>/x"


@pytest.mark.parametrize("then", [20, 30], ids=["again", "a third weight"])
def test_a_state_that_was_not_saved_after_success_is_noticed(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, then: int
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    saved = deepcopy(stack.state)
    stack.up(dtab(proxy.url, 20))
    stack.state, stack.host = saved, new_host()
    if then == 30:
        refused_as_changed(stack, proxy, then)
        stack.refresh()
    stack.up(dtab(proxy.url, then))
    settled_at(stack, proxy, a_namerd, then)


class Engine:
    """Something that listens where the engine would."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def kill(self) -> None:
        self._socket.close()


def kill_engine_at(point: str, proxy: FaultProxy, engine: Engine) -> None:
    """The request itself goes well, also where its engine is gone before it."""
    method, path, well, before = POINTS[point]

    def fault(exchange: Exchange) -> None:
        if before:
            engine.kill()
        reply = exchange.forward()
        engine.kill()
        exchange.reply(reply)

    path = f"/api/1/{path}"
    proxy.on(method.format(write="PUT"), path, passed_on, well)
    proxy.on(method.format(write="PUT"), path, fault)


@pytest.mark.parametrize("point", POINTS)
def test_when_the_engine_is_killed_its_host_leaves_the_former_table(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, point: str
) -> None:
    """The engine alone is gone: its host lives on, and what it writes no state will record."""
    engine = Engine()
    stack = Stack(new_host(engine=engine.address), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    kill_engine_at(point, proxy, engine)
    with pytest.raises(CallError, match="the pulumi that asked for this has ended"):
        stack.up(dtab(proxy.url, 20))
    assert a_namerd.get("internal") == text(10)
    stack.host = new_host(engine=Engine().address)
    stack.up(dtab(proxy.url, 10))
    settled_at(stack, proxy, a_namerd, 10)


@pytest.mark.parametrize("point", ["after the guard", "after the write", "after it is seen"])
def test_when_the_engine_is_killed_in_a_way_back_its_host_never_undoes_it(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, point: str
) -> None:
    engine = Engine()
    stack = Stack(new_host(engine=engine.address), DtabProvider())
    stack.up(dtab(proxy.url, 20))
    kill_engine_at(point, proxy, engine)
    with pytest.raises(CallError, match="the pulumi that asked for this has ended") as error:
        stack.up(dtab(proxy.url, 0))
    stays = "; the new table is written and stays: run `pulumi up --refresh` to go on from it"
    assert str(error.value).endswith(stays) == (point in WRITTEN)
    assert a_namerd.get("internal") == text(0 if point in WRITTEN else 20)
    stack.host = new_host(engine=Engine().address)
    stack.refresh()
    stack.up(dtab(proxy.url, 0))
    settled_at(stack, proxy, a_namerd, 0)


def test_a_host_whose_engine_is_killed_in_a_create_deletes_the_table_again(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    engine = Engine()
    stack = Stack(new_host(engine=engine.address), DtabProvider())

    def fault(exchange: Exchange) -> None:
        passed_on(exchange)
        engine.kill()

    proxy.on("POST", "/api/1/dtabs/", fault)
    with pytest.raises(CallError, match="has ended; the table was deleted again"):
        stack.up(dtab(proxy.url, 20))
    assert a_namerd.get("internal") is None


def test_an_error_after_the_write_leaves_nothing_to_mend(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    """The next `up` after it: the same weight, the former one, and a third."""
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    for then in (20, 10, 30):
        stack.up(dtab(proxy.url, 10))
        proxy.on("GET", "/api/1/dtabs/", passed_on)
        proxy.on("GET", "/api/1/dtabs/", forged(500))
        with pytest.raises(CallError, match="the former table was put back"):
            stack.up(dtab(proxy.url, 20))
        assert a_namerd.get("internal") == text(10)
        stack.up(dtab(proxy.url, then))
        settled_at(stack, proxy, a_namerd, then)
