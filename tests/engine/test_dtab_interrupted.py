"""The Dtab resource killed between a request and the state, at every point."""

import socket
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from dynamic.dtab import DtabProvider
from tests.engine.tables import V1, V2, WORLD, dtab, text
from tests.harness.faults import Exchange, Fault, FaultProxy, forged, passed_on
from tests.harness.namerd import Namerd
from tests.provider_host import CallError, ProviderHost, Stack

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


@pytest.mark.parametrize("then", [20, 10, 30], ids=["again", "set back", "a third weight"])
@pytest.mark.parametrize("point", POINTS)
def test_an_update_killed_at_any_point_is_mended_by_the_next_up(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, point: str, then: int
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    kill_at(point, proxy, stack.host, "PUT")
    with pytest.raises(CallError):
        stack.up(dtab(proxy.url, 20))
    stack.host = new_host()
    stack.up(dtab(proxy.url, then))
    settled_at(stack, proxy, a_namerd, then)


@pytest.mark.parametrize("then", [20, 30], ids=["again", "another weight"])
@pytest.mark.parametrize("point", POINTS)
def test_a_create_killed_at_any_point_is_mended_by_the_next_up(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, point: str, then: int
) -> None:
    stack = Stack(new_host(), DtabProvider())
    kill_at(point, proxy, stack.host, "POST")
    with pytest.raises(CallError):
        stack.up(dtab(proxy.url, 20))
    stack.host = new_host()
    assert stack.up(dtab(proxy.url, then)) == "create"
    settled_at(stack, proxy, a_namerd, then)


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
    else:
        stack.up(dtab(proxy.url, then))
        settled_at(stack, proxy, a_namerd, then)


def test_killed_a_second_time_on_the_way_back(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    for weight in (20, 10, 30):
        proxy.on("PUT", "/api/1/dtabs/", killed(stack.host, before=False))
        with pytest.raises(CallError):
            stack.up(dtab(proxy.url, weight))
        stack.host = new_host()
    stack.up(dtab(proxy.url, 40))
    settled_at(stack, proxy, a_namerd, 40)


def test_an_interrupted_table_can_be_destroyed(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", "/api/1/dtabs/", killed(stack.host, before=False))
    with pytest.raises(CallError):
        stack.up(dtab(proxy.url, 20))
    stack.host = new_host()
    stack.destroy()
    assert a_namerd.get("internal") is None


@pytest.mark.parametrize("then", [10, 30])
def test_what_somebody_wrote_over_an_interrupted_table_is_not_lost(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, then: int
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", "/api/1/dtabs/", killed(stack.host, before=False))
    with pytest.raises(CallError):
        stack.up(dtab(proxy.url, 20))
    a_namerd.put("internal", "/theirs=>/x")
    stack.host = new_host()
    with pytest.raises(CallError, match="changed by somebody else: theirs '/theirs => /x'"):
        stack.up(dtab(proxy.url, then))
    assert a_namerd.get("internal") == "/theirs=>/x"


@pytest.mark.parametrize("then", [10, 30])
def test_on_another_machine_an_interrupted_update_is_mended_by_up_with_refresh(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, tmp_path: Path, then: int
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", "/api/1/dtabs/", killed(stack.host, before=False))
    with pytest.raises(CallError):
        stack.up(dtab(proxy.url, 20))
    stack.host = new_host(PULUMI_HOME=str(tmp_path / "elsewhere"))
    if then == 30:
        with pytest.raises(CallError, match="run `pulumi up --refresh` to see the change"):
            stack.up(dtab(proxy.url, then))
    stack.refresh()
    stack.up(dtab(proxy.url, then))
    settled_at(stack, proxy, a_namerd, then)


@pytest.mark.parametrize("then", [20, 10, 30], ids=["again", "set back", "a third weight"])
def test_a_state_that_was_not_saved_after_success_is_noticed(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, then: int
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    saved = deepcopy(stack.state)
    stack.up(dtab(proxy.url, 20))
    stack.state, stack.host = saved, new_host()
    if then != 20:
        # It may as well be another stack's: the very same table, written from this machine.
        with pytest.raises(CallError) as error:
            stack.up(dtab(proxy.url, then))
        assert str(error.value) == (
            "the table 'internal' was changed by another stack on this machine, or by a `pulumi "
            f"up` here whose state was not saved: theirs '{WORLD} => 80.00*{V1} & 20.00*{V2}', "
            f"gone '{WORLD} => 90.00*{V1} & 10.00*{V2}'; nothing was written, run `pulumi up "
            "--refresh` to see the change and decide"
        )
        stack.refresh()
    stack.up(dtab(proxy.url, then))
    settled_at(stack, proxy, a_namerd, then)


def test_a_home_that_cannot_be_written_to_stops_nothing(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack = Stack(new_host(PULUMI_HOME="/proc/nowhere"), DtabProvider())
    for weight in (10, 20):
        stack.up(dtab(proxy.url, weight))
        settled_at(stack, proxy, a_namerd, weight)
    stack.destroy()


def test_a_journal_that_is_no_journal_stops_nothing(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, tmp_path: Path
) -> None:
    stack = Stack(new_host(), DtabProvider())
    stack.up(dtab(proxy.url, 10))
    (journal,) = (tmp_path / "linkerd-canary").iterdir()
    for content in ("", "[]", "{", '{"table": 1}', "\0"):
        journal.write_text(content)
        assert stack.up(dtab(proxy.url, 10)) == "same"
    stack.up(dtab(proxy.url, 20))
    settled_at(stack, proxy, a_namerd, 20)
    assert journal.stat().st_mode & 0o777 == 0o600


class Engine:
    """Something that listens where the engine would."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def kill(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("point", POINTS)
def test_when_the_engine_is_killed_its_host_leaves_the_former_table(
    new_host: NewHost, proxy: FaultProxy, a_namerd: Namerd, point: str
) -> None:
    """The engine alone is gone: its host lives on, and what it writes no state will record."""
    engine = Engine()
    stack = Stack(new_host(engine=engine.address), DtabProvider())
    stack.up(dtab(proxy.url, 10))
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
    with pytest.raises(CallError, match="the pulumi that asked for this has ended"):
        stack.up(dtab(proxy.url, 20))
    assert a_namerd.get("internal") == text(10)
    stack.host = new_host(engine=Engine().address)
    stack.up(dtab(proxy.url, 10))
    settled_at(stack, proxy, a_namerd, 10)


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
