"""Weights to entries and back."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamic import grammar, splits
from dynamic.grammar import Alt, Dentry, Dtab, Tree, Union, Weighted
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
        ({V1: 99.5, V2: 0.5}, f"{WORLD}=>99.50*{V1} & 0.50*{V2}"),
        ({V1: 99.99, V2: 0.01}, f"{WORLD}=>99.99*{V1} & 0.01*{V2}"),
    ],
)
def test_a_split_is_one_entry(weights: dict[str, float], text: str) -> None:
    assert written({WORLD: weights}) == text


def test_splits_follow_the_base_in_order() -> None:
    table = splits.table(BASE, {"/z": {V1: 100}, "/a": {V2: 100}})
    assert table[: len(BASE)] == BASE
    assert [dentry.prefix for dentry in table[len(BASE) :]] == ["/a", "/z"]


BRANCHES = [V1, V2, "/x", "/y"]
PARTS = st.integers(0, splits.WHOLE) | st.integers(0, 100).map(lambda whole: whole * 100)


@st.composite
def some_splits(draw: st.DrawFn) -> dict[str, dict[str, float]]:
    found = {}
    for prefix in draw(st.sets(st.sampled_from(["/a", "/b", "/c/*", WORLD]), max_size=4)):
        branches = draw(st.lists(st.sampled_from(BRANCHES), min_size=1, unique=True))
        size = len(branches) - 1
        cuts = sorted(draw(st.lists(PARTS, min_size=size, max_size=size)))
        edges = [0, *cuts, splits.WHOLE]
        found[prefix] = {
            branch: splits.percent(edges[i + 1] - edges[i]) for i, branch in enumerate(branches)
        }
    return found


LEAVES: st.SearchStrategy[Tree] = st.sampled_from([*BRANCHES, "!", "~", "$"])
WEIGHTS = st.integers(0, 10**6).map(lambda part: part / 100) | st.integers(0, 5).map(float)
TREES: st.SearchStrategy[Tree] = st.recursive(
    LEAVES,
    lambda trees: (
        st.lists(trees, min_size=2, max_size=3).map(lambda found: Alt(tuple(found)))
        | st.lists(st.builds(Weighted, WEIGHTS, trees), min_size=2, max_size=4).map(
            lambda found: Union(tuple(found))
        )
    ),
    max_leaves=6,
)
TABLES = st.lists(
    st.builds(Dentry, st.sampled_from(["/srv", "/a", "/b", "/c/*", WORLD]), TREES), max_size=6
).map(tuple)
"""What anybody may have written."""


@given(some_splits())
def test_what_is_written_is_recognised(given: dict[str, dict[str, float]]) -> None:
    live = grammar.parse(grammar.show(splits.table(BASE, given)))
    assert splits.recognise(live, given) == (BASE, given)


@given(TABLES, some_splits())
def test_whatever_is_read_can_be_written_and_reads_back_as_that(
    live: Dtab, known: dict[str, dict[str, float]]
) -> None:
    base, found = splits.recognise(live, known)
    raw = {dentry.prefix for dentry in base}
    kept = tuple(dentry for dentry in base if dentry.prefix not in found)
    assert found.keys() == known.keys() & {dentry.prefix for dentry in live}, "no split is lost"
    for weights in found.values():
        parts = [splits.hundredths(weight) for weight in weights.values()]
        assert None not in parts
        assert sum(filter(None, parts)) == splits.WHOLE
    written = grammar.parse(grammar.show(splits.table(kept, found)))
    again = splits.recognise(written, found)
    assert again == (kept, found), "there is no eternal difference"
    if not raw & found.keys():
        assert splits.recognise(live, found) == again, "to write what was read is no change"


@given(TABLES, TABLES, some_splits())
def test_tables_that_read_alike_differ_in_ratios_alone(
    one: Dtab, other: Dtab, known: dict[str, dict[str, float]]
) -> None:
    if splits.recognise(one, known) == splits.recognise(other, known):
        assert [dentry.prefix for dentry in one] == [dentry.prefix for dentry in other]
        for mine, theirs in zip(one, other, strict=True):
            assert mine == theirs or (mine.prefix in known and paths(mine) == paths(theirs))


def paths(dentry: Dentry) -> set[Tree]:
    branches = dentry.dst.branches if isinstance(dentry.dst, Union) else [Weighted(1, dentry.dst)]
    return {branch.tree for branch in branches}


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=4))
def test_a_ratio_is_within_a_hundredth_of_its_percents(parts: list[int]) -> None:
    branches = tuple(map(Weighted, (part / 100 for part in parts), BRANCHES))
    _, found = splits.recognise((Dentry(WORLD, Union(branches)),), {WORLD: {}})
    for part, branch in zip(parts, BRANCHES, strict=False):
        exact = Fraction(100 * part, sum(parts))
        assert abs(Fraction(str(found[WORLD][branch])) - exact) < Fraction(1, 100)


@pytest.mark.parametrize(
    ("tree", "weights"),
    [
        (f"3 * {V2} & 7 * {V1}", {V1: 70, V2: 30}),
        (f"{V1} & {V2}", {V1: 50, V2: 50}),
        (f"0.3 * {V2} & 0.7 * {V1}", {V1: 70, V2: 30}),
        (V2, {V1: 0, V2: 100}),
        ("/srv/world-v3", {V1: 0, V2: 0, "/srv/world-v3": 100}),
        (f"9 * {V1} & /x", {V1: 90, V2: 0, "/x": 10}),
        (f"0.5 * {V2} & 99.5 * {V1}", {V1: 99.5, V2: 0.5}),
        (f"33.33 * {V1} & 66.67 * {V2}", {V1: 33.33, V2: 66.67}),
        (f"2 * {V1} & {V2}", {V1: 66.67, V2: 33.33}),
        (f"{V1} & 2 * {V2}", {V1: 33.33, V2: 66.67}),
        (f"{V2} & /x & {V1}", {V1: 33.34, V2: 33.33, "/x": 33.33}),
        (f"199 * {V1} & {V2}", {V1: 99.5, V2: 0.5}),
        (f"1000000 * {V1} & 100 * {V2}", {V1: 99.99, V2: 0.01}),
    ],
)
def test_ratios_become_percents(tree: str, weights: dict[str, float]) -> None:
    live = grammar.parse(f"/srv => /x; {WORLD} => {tree}")
    base, found = splits.recognise(live, {WORLD: {V1: 90, V2: 10}})
    assert found == {WORLD: weights}
    assert [dentry.prefix for dentry in base] == ["/srv"]
    assert all(isinstance(weight, int) for weight in weights.values() if weight == int(weight))


@pytest.mark.parametrize(
    ("tree", "weights"),
    [
        (f"0 * {V2} & 1 * {V1}", {V1: 100, V2: 0}),
        (f"0 * {V2} & 0 * {V1}", {V1: 50, V2: 50}),
        (f"100000 * {V1} & {V2}", {V1: 100, V2: 0}),
        (f"{V1} | {V2}", {V1: 100, V2: 0}),
        (f"! | {V2}", {V1: 0, V2: 100}),
        (f"{V1} & !", {V1: 100, V2: 0}),
        (f"3 * {V1} & 1 * ({V2} | /x)", {V1: 75, V2: 25}),
        (f"3 * {V1} & 1 * ({V2} & /x)", {V1: 75, V2: 12.5, "/x": 12.5}),
        (f"{V1} & {V1}", {V1: 100, V2: 0}),
        ("!", {V1: 90, V2: 10}),
        ("~", {V1: 90, V2: 10}),
        ("$", {V1: 90, V2: 10}),
    ],
)
def test_what_no_percents_say_is_raw_and_a_split_as_near_as_they_come(
    tree: str, weights: dict[str, float]
) -> None:
    live = grammar.parse(f"/srv => /x; {WORLD} => {tree}")
    base, found = splits.recognise(live, {WORLD: {V1: 90, V2: 10}})
    assert base == live
    assert found == {WORLD: weights}


@pytest.mark.parametrize(
    ("text", "raw", "found"),
    [
        (f"{WORLD} => {V1}; /srv => /x", [WORLD, "/srv"], {WORLD: {V1: 100}}),
        (f"{WORLD} => {V1}; {WORLD} => {V2}", [WORLD, WORLD], {WORLD: {V1: 0, V2: 100}}),
        (
            f"/b => {V1}; {WORLD} => {V1}; /a => {V2}",
            ["/b", WORLD],
            {WORLD: {V1: 100}, "/a": {V2: 100}},
        ),
    ],
    ids=["before the base", "twice", "in another order"],
)
def test_an_entry_out_of_place_is_raw(
    text: str, raw: list[str], found: dict[str, dict[str, float]]
) -> None:
    known = {WORLD: {V1: 100}, "/a": {V2: 100}}
    base, splits_found = splits.recognise(grammar.parse(text), known)
    assert [dentry.prefix for dentry in base] == raw
    assert splits_found == found


def test_a_prefix_without_an_entry_is_no_split() -> None:
    assert splits.recognise(BASE, {WORLD: {V1: 100}}) == (BASE, {})


@pytest.mark.parametrize(
    ("weight", "part"),
    [
        (0, 0),
        (10, 1000),
        (10.0, 1000),
        (0.01, 1),
        (0.29, 29),
        (33.33, 3333),
        (100, 10_000),
        (100 - 99.9, 10),
        (0.1 + 0.2, 30),
        (0.3 - 0.1 - 0.2, 0),
        (-0.0, 0),
        (0.125, None),
        (10.001, None),
        (0.001, None),
        (-0.01, None),
        (100.01, None),
        (1e300, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("10", None),
        (None, None),
    ],
)
def test_a_percent_has_two_decimals_at_most(weight: object, part: int | None) -> None:
    assert splits.hundredths(weight) == part


@given(st.integers(0, splits.WHOLE))
def test_hundredths_and_percents_are_one(part: int) -> None:
    weight = splits.percent(part)
    assert splits.hundredths(weight) == part
    assert splits.hundredths(splits.rest(weight)) == splits.WHOLE - part
    assert isinstance(weight, int) == (part % 100 == 0)
    assert len(str(weight).partition(".")[2]) <= 2


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
