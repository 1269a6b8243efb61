"""Weights to entries and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamic import grammar, splits
from dynamic.splits import Splits

WORLD, V1, V2 = "/host/world", "/srv/world-v1", "/srv/world-v2"
BASE = grammar.parse("/srv => /#/io.l5d.k8s/default/http; /host => /srv")


def written(given: Splits) -> str:
    return grammar.show(splits.table((), given))


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ({V1: 70, V2: 30}, f"{WORLD}=>70.00*{V1} & 30.00*{V2}"),
        ({V2: 30, V1: 70}, f"{WORLD}=>70.00*{V1} & 30.00*{V2}"),
        ({V1: 100, V2: 0}, f"{WORLD}=>{V1}"),
        ({V1: 0, V2: 100}, f"{WORLD}=>{V2}"),
        ({V1: 99, V2: 1}, f"{WORLD}=>99.00*{V1} & {V2}"),
        ({V1: 50, V2: 50, "/srv/a": 0}, f"{WORLD}=>50.00*{V1} & 50.00*{V2}"),
    ],
)
def test_a_split_is_one_entry(weights: dict[str, int], text: str) -> None:
    assert written({WORLD: weights}) == text


def test_splits_follow_the_base_in_order() -> None:
    table = splits.table(BASE, {"/z": {V1: 100}, "/a": {V2: 100}})
    assert table[: len(BASE)] == BASE
    assert [dentry.prefix for dentry in table[len(BASE) :]] == ["/a", "/z"]


@st.composite
def some_splits(draw: st.DrawFn) -> dict[str, dict[str, int]]:
    found = {}
    for prefix in draw(st.sets(st.sampled_from(["/a", "/b", "/c/*", WORLD]), max_size=4)):
        branches = draw(st.lists(st.sampled_from([V1, V2, "/x", "/y"]), min_size=1, unique=True))
        cuts = sorted(
            draw(
                st.lists(
                    st.integers(0, 100), min_size=len(branches) - 1, max_size=len(branches) - 1
                )
            )
        )
        edges = [0, *cuts, 100]
        found[prefix] = {branch: edges[i + 1] - edges[i] for i, branch in enumerate(branches)}
    return found


@given(some_splits())
def test_what_is_written_is_recognised(given: dict[str, dict[str, int]]) -> None:
    live = grammar.parse(grammar.show(splits.table(BASE, given)))
    assert splits.recognise(live, given) == (BASE, given)


@given(some_splits(), some_splits())
def test_recognising_loses_nothing(
    given: dict[str, dict[str, int]], known: dict[str, dict[str, int]]
) -> None:
    live = splits.table(BASE, given)
    base, found = splits.recognise(live, known)
    assert set(found) <= set(known)
    again = splits.table(base, found)
    assert splits.recognise(again, known) == (base, found)
    assert sorted(dentry.prefix for dentry in again) == sorted(dentry.prefix for dentry in live)


@pytest.mark.parametrize(
    ("tree", "weights"),
    [
        (f"3 * {V2} & 7 * {V1}", {V1: 70, V2: 30}),
        (f"{V1} & {V2}", {V1: 50, V2: 50}),
        (f"0.3 * {V2} & 0.7 * {V1}", {V1: 70, V2: 30}),
        (V2, {V1: 0, V2: 100}),
        ("/srv/world-v3", {V1: 0, V2: 0, "/srv/world-v3": 100}),
        (f"9 * {V1} & /x", {V1: 90, V2: 0, "/x": 10}),
        (f"2 * {V1} & {V2}", None),
        (f"33.33 * {V1} & 66.67 * {V2}", None),
        (f"0 * {V2} & 1 * {V1}", None),
        (f"0 * {V2} & 0 * {V1}", None),
        (f"{V1} | {V2}", None),
        (f"{V1} & !", None),
        (f"{V1} & ({V2} | /x)", None),
        (f"{V1} & {V1}", None),
        ("!", None),
        ("~", None),
        ("$", None),
    ],
)
def test_ratios_become_percents_and_what_is_none_stays_raw(
    tree: str, weights: dict[str, int] | None
) -> None:
    live = grammar.parse(f"/srv => /x; {WORLD} => {tree}")
    base, found = splits.recognise(live, {WORLD: {V1: 90, V2: 10}})
    assert found == ({} if weights is None else {WORLD: weights})
    assert len(base) == (2 if weights is None else 1)


@pytest.mark.parametrize(
    "text",
    [
        f"{WORLD} => {V1}; /srv => /x",
        f"{WORLD} => {V1}; {WORLD} => {V2}",
        f"/b => {V1}; {WORLD} => {V1}; /a => {V2}",
    ],
    ids=["before the base", "twice", "in another order"],
)
def test_an_entry_out_of_place_is_raw(text: str) -> None:
    live = grammar.parse(text)
    known = {WORLD: {V1: 100}, "/a": {V2: 100}}
    base, found = splits.recognise(live, known)
    assert grammar.show(splits.table(base, found)) == grammar.show(live)


def test_what_rises() -> None:
    before = {WORLD: {V1: 90, V2: 10}, "/gone": {V1: 100}}
    after = {WORLD: {V1: 85, V2: 10, "/x": 5}, "/new": {V1: 100, V2: 0}}
    assert splits.rising(before, after) == [(WORLD, "/x"), ("/new", V1)]
    assert splits.rising(before, before) == []


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("/a", "/a", True),
        ("/a", "/a/b", True),
        ("/", "/x", True),
        ("/a/*", "/a/b/c", True),
        ("/*/b", "/a", True),
        ("/a", "/ab", False),
        ("/a/b", "/a/c", False),
        ("/*/b", "/a/c", False),
    ],
)
def test_overlaps(one: str, other: str, overlap: bool) -> None:
    assert overlaps(one, other) is overlap
    assert overlaps(other, one) is overlap


def overlaps(one: str, other: str) -> bool:
    prefixes = splits.Prefixes()
    prefixes.add(one)
    return prefixes.overlapping(other) == [one]


PREFIXES = st.lists(st.sampled_from("ab*"), max_size=4).map(lambda labels: "/" + "/".join(labels))


@given(st.sets(PREFIXES), PREFIXES)
def test_overlaps_of_many_are_those_of_each(many: set[str], one: str) -> None:
    prefixes = splits.Prefixes()
    for prefix in many:
        prefixes.add(prefix)

    def meet(other: str) -> bool:
        pairs = zip(grammar.labels(one), grammar.labels(other), strict=False)
        return all(a == b or "*" in (a, b) for a, b in pairs)

    assert prefixes.overlapping(one) == sorted(filter(meet, many))
