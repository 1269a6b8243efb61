"""The Dtab resource among other writers, and over reads that lag behind writes."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from unittest import mock

import pytest

from dynamic import waiting
from dynamic.dtab import DtabProvider
from tests.engine.tables import BASE, BASE_TEXT, V1, V2, WORLD, dtab, text
from tests.harness.faults import (
    Exchange,
    FaultProxy,
    Reply,
    afterwards,
    altered,
    fault_proxy,
    meanwhile,
    passed_on,
    repeated,
)
from tests.harness.namerd import Namerd, started
from tests.harness.waits_alone import Clock
from tests.provider_host import CallError, ProviderHost, Stack

DTABS = "/api/1/dtabs/internal"
SOMEBODY = "somebody else, or by a `pulumi up` whose state was not saved"
NEVER = 1_000_000
"""So many reads that a lag has no end."""


def changed_by_somebody(theirs: str, gone: str) -> str:
    return (
        f"the table 'internal' was changed by {SOMEBODY}: theirs '{theirs}', gone '{gone}'; "
        "nothing was written, run `pulumi up --refresh` to see the change and decide"
    )


def test_a_change_since_the_state_is_an_error_that_shows_their_lines(
    stack: Stack, a_namerd: Namerd
) -> None:
    stack.up(dtab(a_namerd.url, 10))
    a_namerd.put("internal", f"{BASE_TEXT};{WORLD}=>{V1};/new=>/thing")
    with pytest.raises(CallError) as refused:
        stack.up(dtab(a_namerd.url, 20))
    theirs = f"{WORLD} => {V1}; /new => /thing"
    gone = f"{WORLD} => 90.00*{V1} & 10.00*{V2}"
    assert str(refused.value) == changed_by_somebody(theirs, gone)
    assert a_namerd.get("internal") == f"{BASE_TEXT};{WORLD}=>{V1};/new=>/thing"
    stack.refresh()
    assert stack.up(dtab(a_namerd.url, 20)) == "update"
    assert a_namerd.get("internal") == text(20)


def test_a_change_between_read_and_write_is_never_overwritten(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", DTABS, meanwhile(lambda: a_namerd.put("internal", "/theirs=>/x")))
    with pytest.raises(CallError, match=f"was changed by {SOMEBODY}: theirs '/theirs => /x'"):
        stack.up(dtab(proxy.url, 20))
    assert a_namerd.get("internal") == "/theirs=>/x"


def test_a_change_after_a_write_that_got_no_answer_says_so(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))

    def overtaken(exchange: Exchange) -> None:
        exchange.forward()
        a_namerd.put("internal", "/theirs=>/x")
        exchange.hang_up()

    proxy.on("PUT", DTABS, overtaken)
    with pytest.raises(CallError) as error:
        stack.up(dtab(proxy.url, 20))
    assert str(error.value).endswith(
        "; a write before that got no answer, run `pulumi up --refresh` to see the change and "
        "decide"
    )
    assert "nothing was written" not in str(error.value)
    assert a_namerd.get("internal") == "/theirs=>/x"


def test_the_same_change_by_somebody_else_is_success(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", DTABS, meanwhile(lambda: a_namerd.put("internal", text(20))))
    assert stack.up(dtab(proxy.url, 20)) == "update"
    assert a_namerd.get("internal") == text(20)


def test_a_rewrite_that_says_the_same_is_no_change(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))
    same = f"{BASE_TEXT};{WORLD}=>1*{V2} & 9*{V1}"
    proxy.on("PUT", DTABS, meanwhile(lambda: a_namerd.put("internal", same)))
    assert stack.up(dtab(proxy.url, 20)) == "update"
    assert a_namerd.get("internal") == text(20)


def test_somebody_creating_first_is_never_overwritten(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    proxy.on("POST", DTABS, meanwhile(lambda: a_namerd.put("internal", "/theirs=>/x")))
    with pytest.raises(CallError, match=r"exists already .* with other content: theirs '/theirs"):
        stack.up(dtab(proxy.url, 20))
    assert a_namerd.get("internal") == "/theirs=>/x"


def test_a_write_that_something_repeats_is_done_once(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", DTABS, repeated)
    assert stack.up(dtab(proxy.url, 20)) == "update"
    assert a_namerd.get("internal") == text(20)
    proxy.on("DELETE", DTABS, repeated)
    stack.destroy()
    assert a_namerd.get("internal") is None


def test_a_creation_that_something_repeats_looks_like_somebody_elses(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    """Of two stacks that create the same table at once one has to lose, and hears nothing else."""
    proxy.on("POST", DTABS, repeated)
    with pytest.raises(CallError, match=r"exists already .* with the same content; .* `adopt`"):
        stack.up(dtab(proxy.url, 10))
    assert a_namerd.get("internal") == text(10)
    assert stack.up(dtab(proxy.url, 10, adopt=True)) == "create"
    assert a_namerd.get("internal") == text(10)


def test_of_two_ups_at_once_one_wins_and_one_says_so(
    stack: Stack, host: ProviderHost, a_namerd: Namerd
) -> None:
    stack.up(dtab(a_namerd.url, 10))
    stacks = [Stack(host, DtabProvider(), stack.state) for _ in range(2)]

    def up(each: Stack, weight: int) -> str:
        try:
            return each.up(dtab(a_namerd.url, weight))
        except CallError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(up, stacks, (20, 30)))
    won = said.index("update")
    assert a_namerd.get("internal") == text((20, 30)[won])
    winner, loser = (20, 30)[won], said[1 - won]
    shown = f"{WORLD} => {100 - winner}.00*{V1} & {winner}.00*{V2}"
    assert loser == changed_by_somebody(shown, f"{WORLD} => 90.00*{V1} & 10.00*{V2}")


def test_an_equal_version_with_other_content_is_noticed(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("restarted")
    with started(folder) as (first, process):
        stack.up(dtab(first.url, 10))
        version = first.version("internal")
        process.end()
        port = int(first.url.rpartition(":")[2])
        with started(folder, port) as (second, _):
            second.put("internal", "/theirs=>/x")
            assert second.version("internal") == version
            with pytest.raises(CallError, match="was changed by somebody else"):
                stack.up(dtab(second.url, 20))
            assert second.get("internal") == "/theirs=>/x"


def reads_within(seconds: float) -> int:
    """How many reads the resource makes in a wait of so many seconds."""
    with mock.patch.object(waiting, "time", Clock()):
        return sum(1 for _ in waiting.Deadline(seconds).attempts())


@pytest.mark.parametrize("lag", [1, 3, 10], ids="{} reads".format)
def test_reads_that_lag_behind_writes_are_waited_for(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy, lag: int
) -> None:
    proxy.lag = lag
    assert stack.up(dtab(proxy.url, 10)) == "create"
    for weight in (20, 100, 0):
        assert stack.up(dtab(proxy.url, weight)) == "update"
        assert a_namerd.get("internal") == text(weight)
        assert stack.state is not None
        assert stack.state.outputs["dtab"] == text(weight)
        assert stack.state.outputs["version"] == a_namerd.version("internal")
    stack.destroy()
    assert stack.refresh() == "gone"
    assert stack.up(dtab(proxy.url, 30)) == "create"
    assert a_namerd.get("internal") == text(30)


def test_reads_that_lag_by_seven_seconds_are_waited_for(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.lag = reads_within(7)
    assert stack.up(dtab(proxy.url, 20)) == "update"
    assert stack.state is not None
    assert stack.state.outputs["dtab"] == text(20)


def test_a_read_that_lags_before_an_update_is_no_conflict(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))
    a_namerd.put("internal", text(20))
    stack.refresh()
    behind = altered(lambda reply: Reply(200, {**reply.headers, "Etag": "AA=="}, text(10).encode()))
    proxy.on("GET", DTABS, behind, times=4)
    assert stack.up(dtab(proxy.url, 30)) == "update"
    assert a_namerd.get("internal") == text(30)


def test_reads_that_never_show_the_write_are_an_error_with_both_tables(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.lag = NEVER
    with pytest.raises(CallError) as refused:
        stack.up(dtab(proxy.url, 20))
    assert str(refused.value) == (
        f"namerd at {proxy.url} took the table 'internal' but does not serve it after 8 s: "
        f"written '{text(20)}', served '{text(10)}'; which table is in force is not known, "
        "run `pulumi up --refresh`"
    )
    proxy.lag = 0
    assert stack.up(dtab(proxy.url, 20)) == "update"
    assert stack.up(dtab(proxy.url, 20)) == "same"


def test_a_table_that_somebody_makes_after_the_deletion_is_theirs(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    """In memory, its version is that of the deleted one again."""
    stack.up(dtab(proxy.url, 10))
    proxy.on("DELETE", DTABS, afterwards(lambda: a_namerd.put("internal", "/theirs=>/x")))
    stack.destroy()
    assert a_namerd.get("internal") == "/theirs=>/x"


def test_a_table_that_comes_back_after_its_deletion_is_an_error(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.lag = NEVER
    with pytest.raises(CallError, match=r"took the deletion of 'internal' but serves it after 8 s"):
        stack.destroy()
    proxy.lag = 0
    stack.destroy()


def test_the_tag_that_was_read_is_the_one_written_with(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))
    a_namerd.put("internal", text(10))  # the same content, another version
    version = a_namerd.version("internal")
    stack.up(dtab(proxy.url, 20))
    put = proxy.writes[-1]
    assert (put.method, put.headers["If-Match"]) == ("PUT", version)
    assert "If-Match" not in proxy.writes[0].headers
    assert proxy.writes[0].method == "POST"


def test_each_write_is_conditional_whatever_happens(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    """Four times somebody else writes in between, each time the same content as before."""
    stack.up(dtab(proxy.url, 10))

    def rewritten(exchange: Exchange) -> None:
        a_namerd.put("internal", text(10))
        passed_on(exchange)

    proxy.on("PUT", DTABS, rewritten, times=4)
    assert stack.up(dtab(proxy.url, 20)) == "update"
    puts = [seen for seen in proxy.requests if seen.method == "PUT"]
    assert len(puts) == 5
    assert len({put.headers["If-Match"] for put in puts}) == 5
    assert a_namerd.get("internal") == text(20)


def test_a_conflict_of_ten_thousand_entries_is_a_line_that_a_person_can_read(
    stack: Stack, a_namerd: Namerd
) -> None:
    many = [f"/svc/{i} => /srv/{i}" for i in range(10_000)]
    stack.up(dtab(a_namerd.url, 10, dentries=[*BASE, *many]))
    assert stack.up(dtab(a_namerd.url, 20, dentries=[*BASE, *many])) == "update"
    a_namerd.put("internal", "/theirs=>/x")
    with pytest.raises(CallError) as refused:
        stack.up(dtab(a_namerd.url, 30, dentries=[*BASE, *many]))
    said = str(refused.value)
    assert f"changed by {SOMEBODY}: theirs '/theirs => /x', gone '/srv/world-v1 => " in said
    assert said.endswith(
        " and 9986 more; nothing was written, run `pulumi up --refresh` to see the change and "
        "decide"
    )
    assert len(said) < 1000


@pytest.mark.parametrize("theirs", [None, "/theirs=>/x"], ids=["empty", "another's table"])
def test_a_namerd_that_restarts_between_read_and_write(
    stack: Stack,
    tmp_path_factory: pytest.TempPathFactory,
    theirs: str | None,
) -> None:
    """Its memory is gone: what is there then is written over only where it is nobody's."""
    folder = tmp_path_factory.mktemp("restarting")
    with ExitStack() as programs:
        first, process = programs.enter_context(started(folder))
        proxy = programs.enter_context(fault_proxy(first.url))
        stack.up(dtab(proxy.url, 10))

        def restarted() -> None:
            process.end()
            second, _ = programs.enter_context(started(folder, int(first.url.rpartition(":")[2])))
            if theirs:
                second.put("internal", "/a=>/b")
                second.put("internal", theirs)  # another tag than the one that was read

        # A program ends with the thread that started it, and the proxy's are short-lived.
        thread = programs.enter_context(ThreadPoolExecutor(1))
        proxy.on("PUT", DTABS, meanwhile(lambda: thread.submit(restarted).result()))
        if theirs:
            with pytest.raises(CallError, match=f"changed by {SOMEBODY}: theirs '/theirs => /x'"):
                stack.up(dtab(proxy.url, 20))
            assert first.get("internal") == theirs
        else:
            assert stack.up(dtab(proxy.url, 20)) == "update"
            assert first.get("internal") == text(20)
