"""The Dtab resource from create to delete, drift and adoption included."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.tables import BASE, BASE_TEXT, V1, V2, WORLD, dtab, text
from tests.harness.faults import FaultProxy, forged, lost_answer
from tests.harness.namerd import Namerd, namerd, started
from tests.harness.waiting import wait_until
from tests.provider_host import CallError, Stack


def test_created_and_read_equal_nothing_is_left_to_do(stack: Stack, a_namerd: Namerd) -> None:
    assert stack.up(dtab(a_namerd.url, 10)) == "create"
    assert a_namerd.get("internal") == text(10)
    state = stack.state
    assert state is not None
    assert state.outputs["dtab"] == text(10)
    assert state.outputs["version"] == a_namerd.version("internal")
    for _ in range(2):
        assert stack.up(dtab(a_namerd.url, 10)) == "same"
        assert stack.refresh() == "read"
        assert stack.state == state


@pytest.mark.parametrize("weight", [1, 50, 99, 100, 0])
def test_a_weight_is_written_and_a_second_up_is_empty(
    stack: Stack, a_namerd: Namerd, weight: int
) -> None:
    stack.up(dtab(a_namerd.url, 10))
    assert stack.up(dtab(a_namerd.url, weight)) == "update"
    assert a_namerd.get("internal") == text(weight)
    assert stack.up(dtab(a_namerd.url, weight)) == "same"


def test_only_the_form_of_an_input_changes_nothing(stack: Stack, a_namerd: Namerd) -> None:
    stack.up(dtab(a_namerd.url, 10))
    spaced = [f"  {entry.replace('=>', ' =>  ')} ; # the same" for entry in BASE]
    assert stack.up(dtab(a_namerd.url + "/", 10, dentries=spaced, adopt=True)) == "same"


def test_a_table_of_nothing_but_splits_or_of_none(stack: Stack, a_namerd: Namerd) -> None:
    inet = "/$/inet/127.0.0.1"
    stack.up(dtab(a_namerd.url, dentries=[], splits={"/a": {f"{inet}/1": 50, f"{inet}/2": 50}}))
    assert a_namerd.get("internal") == f"/a=>50.00*{inet}/1 & 50.00*{inet}/2"
    assert stack.up(dtab(a_namerd.url, dentries=["/b => /c"], splits={})) == "update"
    assert a_namerd.get("internal") == "/b=>/c"
    assert stack.up(dtab(a_namerd.url, dentries=[], splits={})) == "update"
    assert a_namerd.get("internal") == ""
    assert stack.refresh() == "read"
    assert stack.up(dtab(a_namerd.url, dentries=[], splits={})) == "same"


@pytest.mark.parametrize(
    ("splits", "written"),
    [
        ({WORLD: {V1: 100}}, f"{WORLD}=>{V1}"),
        ({"/host/*": {V1: 50, V2: 50}}, f"/host/*=>50.00*{V1} & 50.00*{V2}"),
        ({"/*/x": {V1: 100, V2: 0}}, f"/*/x=>{V1}"),
        (
            {r"/host/w\xc3\xb6rld": {V1: 50, V2: 50}},
            rf"/host/\x77\xc3\xb6\x72\x6c\x64=>50.00*{V1} & 50.00*{V2}",
        ),
    ],
    ids=["one branch", "a wildcard", "a wildcard first", "an escaped label"],
)
def test_other_splits_have_a_whole_life_too(
    stack: Stack, a_namerd: Namerd, splits: dict[str, dict[str, int]], written: str
) -> None:
    assert stack.up(dtab(a_namerd.url, splits=splits)) == "create"
    assert a_namerd.get("internal") == f"{BASE_TEXT};{written}"
    assert stack.up(dtab(a_namerd.url, splits=splits)) == "same"
    assert stack.refresh() == "read"
    assert stack.up(dtab(a_namerd.url, splits=splits)) == "same"
    stack.destroy()
    assert a_namerd.get("internal") is None


def test_a_branch_that_joins_at_zero_changes_the_state_and_no_table(
    stack: Stack, a_namerd: Namerd
) -> None:
    stack.up(dtab(a_namerd.url, splits={WORLD: {V1: 100}}))
    version = a_namerd.version("internal")
    assert stack.up(dtab(a_namerd.url, 0)) == "update"
    assert a_namerd.version("internal") == version
    assert stack.up(dtab(a_namerd.url, 0)) == "same"
    assert stack.up(dtab(a_namerd.url, 10)) == "update"
    assert a_namerd.get("internal") == text(10)


def test_several_splits_are_sorted(stack: Stack, a_namerd: Namerd) -> None:
    splits = {"/host/z": {V2: 30, V1: 70}, "/host/a": {V2: 100, V1: 0}}
    stack.up(dtab(a_namerd.url, splits=splits))
    shown = f"/host/a=>{V2};/host/z=>70.00*{V1} & 30.00*{V2}"
    assert a_namerd.get("internal") == f"{BASE_TEXT};{shown}"
    assert stack.up(dtab(a_namerd.url, splits=splits)) == "same"
    stack.refresh()
    assert stack.up(dtab(a_namerd.url, splits=splits)) == "same"


def test_delete_and_delete_of_what_is_gone(stack: Stack, a_namerd: Namerd) -> None:
    stack.up(dtab(a_namerd.url))
    state = stack.state
    stack.destroy()
    assert a_namerd.get("internal") is None
    stack.state = state
    stack.destroy()
    assert a_namerd.get("internal") is None


def test_delete_never_removes_what_the_state_has_not_seen(stack: Stack, a_namerd: Namerd) -> None:
    stack.up(dtab(a_namerd.url))
    a_namerd.put("internal", "/theirs=>/important")
    with pytest.raises(CallError) as refused:
        stack.destroy()
    assert str(refused.value) == (
        "the table 'internal' was changed by somebody else, or by a `pulumi up` whose state was "
        "not saved, and is not deleted: theirs '/theirs => /important', "
        f"gone '{'; '.join(BASE)}; {WORLD} => {V1}'; "
        "run `pulumi refresh` to take note of it"
    )
    assert a_namerd.get("internal") == "/theirs=>/important"
    stack.refresh()
    stack.destroy()
    assert a_namerd.get("internal") is None


def test_delete_leaves_a_table_that_was_written_since_and_says_so(
    stack: Stack, a_namerd: Namerd
) -> None:
    """It may be another's by now who declares the same; a refresh takes note of it as it is."""
    stack.up(dtab(a_namerd.url, 10))
    a_namerd.put("internal", text(10))
    seen_before = stack.state
    stack.destroy()
    assert a_namerd.get("internal") == text(10)
    line = (
        "the table 'internal' stays: it was written since, by somebody else or by a `pulumi up` "
        "that failed; if nobody keeps it, delete it by hand"
    )
    wait_until(lambda: line in stack.host.said, "it says that the table stays")
    stack.state = seen_before
    stack.refresh()
    stack.destroy()
    assert a_namerd.get("internal") is None


def test_refresh_without_drift_is_silent(stack: Stack, a_namerd: Namerd) -> None:
    stack.up(dtab(a_namerd.url, 30))
    before = stack.state
    stack.refresh()
    assert stack.state == before


@pytest.mark.parametrize(
    ("live", "dentries", "splits"),
    [
        (text(30), BASE, {WORLD: {V1: 70, V2: 30}}),
        (f"{BASE_TEXT};{WORLD}=>7*{V1} & 3*{V2}", BASE, {WORLD: {V1: 70, V2: 30}}),
        (f"{BASE_TEXT};{WORLD}=>{V2}", BASE, {WORLD: {V1: 0, V2: 100}}),
        (
            f"{BASE_TEXT};{WORLD}=>{V1} & {V2} & /srv/world-v3 & /srv/world-v4",
            BASE,
            {WORLD: {V1: 25, V2: 25, "/srv/world-v3": 25, "/srv/world-v4": 25}},
        ),
        (f"{BASE_TEXT};{WORLD}=>2*{V1} & {V2}", BASE, {WORLD: {V1: 66.67, V2: 33.33}}),
        (
            f"{BASE_TEXT};{WORLD}=>{V1} | {V2}",
            [*BASE, f"{WORLD} => {V1} | {V2}"],
            {WORLD: {V1: 100, V2: 0}},
        ),
        (
            f"{BASE_TEXT};{WORLD}=>0*{V2} & 1*{V1}",
            [*BASE, f"{WORLD} => 0.00*{V2} & {V1}"],
            {WORLD: {V1: 100, V2: 0}},
        ),
        (
            f"{text(30)};/new=>/x",
            [*BASE, f"{WORLD} => 70.00*{V1} & 30.00*{V2}", "/new => /x"],
            {WORLD: {V1: 70, V2: 30}},
        ),
        (f"/new=>/x;{text(30)}", ["/new => /x", *BASE], {WORLD: {V1: 70, V2: 30}}),
        ("", [], {}),
    ],
    ids=[
        "another weight", "a ratio", "promoted", "more branches", "thirds", "no union",
        "an explicit zero", "an entry after it", "an entry before it", "wiped",
    ],
)  # fmt: skip
def test_drift_shows_as_lines_of_the_inputs_both_ways(
    stack: Stack,
    a_namerd: Namerd,
    live: str,
    dentries: list[str],
    splits: dict[str, dict[str, float]],
) -> None:
    stack.up(dtab(a_namerd.url, 10))
    a_namerd.put("internal", live)
    stack.refresh()
    assert stack.state is not None
    assert stack.state.inputs["dentries"] == dentries
    assert stack.state.inputs["splits"] == splits
    assert stack.state.outputs["dtab"] == a_namerd.get("internal")
    assert stack.up(dtab(a_namerd.url, 10)) == "update"
    assert a_namerd.get("internal") == text(10)


def test_a_vanished_table_is_created_again(stack: Stack, a_namerd: Namerd) -> None:
    stack.up(dtab(a_namerd.url, 10))
    a_namerd.delete("internal")
    assert stack.refresh() == "gone"
    assert stack.up(dtab(a_namerd.url, 10)) == "create"
    assert a_namerd.get("internal") == text(10)


def test_a_table_that_vanished_unnoticed_is_written_by_the_next_weight(
    stack: Stack, a_namerd: Namerd
) -> None:
    stack.up(dtab(a_namerd.url, 10))
    a_namerd.delete("internal")
    assert stack.up(dtab(a_namerd.url, 20)) == "update"
    assert a_namerd.get("internal") == text(20)


def test_a_namerd_that_restarts_without_its_memory_is_drift(stack: Stack, tmp_path: Path) -> None:
    with started(tmp_path) as (first, process):
        stack.up(dtab(first.url, 10))
        process.end()
        port = int(first.url.rpartition(":")[2])
        with namerd(tmp_path, port) as second:
            assert stack.refresh() == "gone"
            assert stack.up(dtab(second.url, 10)) == "create"
            assert second.get("internal") == text(10)


def refusal(content: str) -> str:
    return (
        "the table 'internal' exists already (a `pulumi up` whose state was not saved may have "
        f"left it), with {content}; if a resource of this stack keeps it by a former name, declare "
        "that with `aliases=`; to take the table over, set the resource's `adopt` (here: `pulumi "
        "config set adoptExisting true`)"
    )


OTHER = (
    f"other content: theirs '{WORLD} => 70.00*{V1} & 30.00*{V2}', "
    f"gone '{WORLD} => 90.00*{V1} & 10.00*{V2}'"
)


@pytest.mark.parametrize(
    ("live", "content"),
    [
        (text(30), OTHER),
        (text(10), "the same content"),
        (f"{BASE_TEXT};{WORLD}=>1*{V2} & 9*{V1}", "the same content"),
    ],
    ids=["other content", "the same content", "the same in another form"],
)
def test_a_table_that_exists_is_refused_naming_both_ways_to_keep_it(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy, live: str, content: str
) -> None:
    a_namerd.put("internal", live)
    before = a_namerd.get("internal")
    with pytest.raises(CallError) as refused:
        stack.up(dtab(proxy.url, 10))
    assert str(refused.value) == refusal(content)
    assert proxy.writes == []
    assert a_namerd.get("internal") == before


@pytest.mark.parametrize("lag", [0, 3], ids="{} reads late".format)
def test_an_equal_table_is_adopted_by_a_write_so_that_its_former_owner_leaves_it(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy, lag: int
) -> None:
    """As where a resource is renamed without `aliases`: first the new one comes, then one goes."""
    stack.up(dtab(proxy.url, 30))
    proxy.lag = lag
    renamed = Stack(stack.host, stack.provider)
    assert renamed.up(dtab(proxy.url, 30, adopt=True)) == "create"
    said = "the table 'internal' was there and is adopted; it said the same"
    wait_until(lambda: said in stack.host.said, "it says that it adopted the table")
    assert renamed.state is not None
    assert renamed.state.outputs["version"] == a_namerd.version("internal")
    stack.destroy()
    assert a_namerd.get("internal") == text(30)
    assert renamed.up(dtab(proxy.url, 30)) == "same"
    assert renamed.up(dtab(proxy.url, 40)) == "update"
    assert a_namerd.get("internal") == text(40)
    proxy.lag = 0
    renamed.destroy()
    assert a_namerd.get("internal") is None


def test_an_adopted_table_loses_no_name_meanwhile(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    """Every table on the way says what the adopted one says, and at its end nothing else."""
    a_namerd.put("internal", text(30))
    stack.up(dtab(proxy.url, 30, adopt=True))
    written = [seen.body.decode() for seen in proxy.writes]
    assert all(each.startswith(text(30)) for each in written)
    assert written[-1] == text(30)
    assert {seen.method for seen in proxy.writes} == {"PUT"}


def test_adopting_is_of_no_account_for_a_table_that_the_state_knows(
    stack: Stack, a_namerd: Namerd
) -> None:
    stack.up(dtab(a_namerd.url, 10))
    a_namerd.put("internal", text(50))
    with pytest.raises(CallError, match="was changed by somebody else"):
        stack.up(dtab(a_namerd.url, 20, adopt=True))
    assert a_namerd.get("internal") == text(50)


def test_adopting_replaces_another_table_and_shows_it(stack: Stack, a_namerd: Namerd) -> None:
    a_namerd.put("internal", f"{text(30)};/old=>/way")
    assert stack.up(dtab(a_namerd.url, 10, adopt=True)) == "create"
    assert a_namerd.get("internal") == text(10)
    wait_until(lambda: "adopted" in "".join(stack.host.said), "it says what it replaced")
    assert stack.host.said[-1] == (
        "the table 'internal' was there and is adopted; replaced: theirs "
        f"'{WORLD} => 70.00*{V1} & 30.00*{V2}; /old => /way', "
        f"gone '{WORLD} => 90.00*{V1} & 10.00*{V2}'"
    )
    assert stack.up(dtab(a_namerd.url, 10)) == "same"


def test_another_namespace_replaces(stack: Stack, a_namerd: Namerd) -> None:
    stack.up(dtab(a_namerd.url, 10))
    assert stack.up(dtab(a_namerd.url, 10, namespace="elsewhere")) == "replace"
    assert a_namerd.get("internal") is None
    assert a_namerd.get("elsewhere") == text(10)
    assert stack.state is not None
    assert stack.state.id == f"{a_namerd.url}/elsewhere"
    stack.destroy()


def test_another_namerd_replaces_and_the_new_table_comes_first(
    stack: Stack, a_namerd: Namerd, tmp_path: Path
) -> None:
    stack.up(dtab(a_namerd.url, 10))
    with namerd(tmp_path) as other:
        _, diff = stack.preview(dtab(other.url, 10))
        assert diff is not None
        assert diff.replaces == ["namerd"]
        assert not diff.delete_before_replace
        assert stack.up(dtab(other.url, 10)) == "replace"
        assert a_namerd.get("internal") is None
        assert other.get("internal") == text(10)


def test_another_address_of_the_same_namerd_updates_and_touches_no_table(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    named = {"cluster": "here", "url": a_namerd.url}
    stack.up(dtab("", 10, namerd=named))
    assert stack.state is not None
    assert stack.state.id == "here/internal"
    assert stack.up(dtab("", 10, namerd={**named, "url": proxy.url})) == "update"
    assert proxy.requests == []
    assert stack.state.outputs["namerd"]["url"] == proxy.url
    assert stack.up(dtab("", 20, namerd={**named, "url": proxy.url})) == "update"
    assert a_namerd.get("internal") == text(20)


def test_a_new_name_for_the_same_namerd_updates_and_touches_no_table(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(a_namerd.url, 10))
    assert stack.up(dtab("", 10, namerd={"cluster": "here", "url": proxy.url})) == "update"
    assert proxy.writes == []
    assert a_namerd.get("internal") == text(10)
    assert stack.up(dtab("", 10, namerd={"cluster": "here", "url": proxy.url})) == "same"


def rewritten(namerd_: Namerd) -> None:
    namerd_.put("internal", text(10))


def drifted(namerd_: Namerd) -> None:
    namerd_.put("internal", text(50))


def vanished(namerd_: Namerd) -> None:
    namerd_.delete("internal")


@pytest.mark.parametrize("meanwhile", [rewritten, drifted, vanished])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same address", "another address"])
def test_a_new_name_for_the_same_namerd_never_deletes_the_table(
    stack: Stack,
    a_namerd: Namerd,
    proxy: FaultProxy,
    meanwhile: Callable[[Namerd], None],
    elsewhere: bool,
) -> None:
    stack.up(dtab("", 10, namerd={"cluster": "here", "url": a_namerd.url}))
    meanwhile(a_namerd)
    url = proxy.url if elsewhere else a_namerd.url
    renamed = dtab("", 10, namerd={"cluster": "there", "url": url}, adopt=True)
    if meanwhile is drifted:
        with pytest.raises(CallError, match="was changed by somebody else"):
            stack.up(renamed)
        assert a_namerd.get("internal") == text(50)
        stack.refresh()
    stack.up(renamed)
    assert a_namerd.get("internal") == text(10)
    assert stack.up(renamed) == "same"
    stack.destroy()
    assert a_namerd.get("internal") is None


def test_a_namerd_by_a_new_name_is_asked_until_it_answers(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(a_namerd.url, 10))
    proxy.on("GET", "/api/1/dtabs/", lost_answer)
    assert stack.up(dtab("", 10, namerd={"cluster": "here", "url": proxy.url})) == "update"


def test_nothing_is_replaced_while_a_namerd_by_a_new_name_does_not_answer(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(a_namerd.url, 10))
    proxy.on("GET", "/api/1/dtabs/", lost_answer, times=1000)
    with pytest.raises(CallError, match=r"^namerd at .*; gave up after 30 s$"):
        stack.up(dtab("", 10, namerd={"cluster": "here", "url": proxy.url}))
    assert a_namerd.get("internal") == text(10)


def test_a_404_of_something_before_namerd_is_no_missing_table(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.on("GET", "/api/1/dtabs", forged(404, ""), times=1000)
    for act in (stack.refresh, stack.destroy):
        with pytest.raises(CallError) as error:
            act()
        assert str(error.value) == (
            f"namerd at {proxy.url}, asked for the names of its tables, answered 404 with no "
            "content type (an empty body), which is not a namerd response"
        )
    assert a_namerd.get("internal") == text(10)


def test_a_preview_and_a_refresh_write_nothing(
    stack: Stack, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    stack.preview(dtab(proxy.url, 10))
    assert proxy.requests == []
    stack.up(dtab(proxy.url, 10))
    del proxy.requests[:]
    for inputs in (
        dtab(proxy.url, 10),
        dtab(proxy.url, 20),
        dtab(proxy.url, 20, namespace="elsewhere"),
        dtab("", 20, namerd={"cluster": "here", "url": proxy.url}),
    ):
        stack.preview(inputs)
    stack.refresh()
    assert proxy.writes == []
    assert [seen.method for seen in proxy.requests] == ["GET"]  # of the refresh


def steps(proxy: FaultProxy) -> list[tuple[str, str]]:
    return [(seen.method, seen.path.split("/")[3]) for seen in proxy.requests]


def test_an_update_takes_five_requests(stack: Stack, a_namerd: Namerd, proxy: FaultProxy) -> None:
    stack.up(dtab(proxy.url, 10))
    del proxy.requests[:]
    stack.up(dtab(proxy.url, 20))
    assert steps(proxy) == [
        ("GET", "dtabs"), ("GET", "delegate"), ("PUT", "dtabs"), ("GET", "dtabs"), ("GET", "bind")
    ]  # fmt: skip


def test_a_way_back_takes_four(stack: Stack, a_namerd: Namerd, proxy: FaultProxy) -> None:
    stack.up(dtab(proxy.url, 10))
    del proxy.requests[:]
    stack.up(dtab(proxy.url, 0))
    assert steps(proxy) == [
        ("GET", "dtabs"), ("GET", "delegate"), ("PUT", "dtabs"), ("GET", "dtabs")
    ]  # fmt: skip
