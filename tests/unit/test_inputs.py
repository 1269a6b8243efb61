"""The Dtab resource's inputs: what is refused, in which words, and the form that is kept."""

import math
from typing import Any

import pytest

from dynamic import inputs
from dynamic.inputs import Inputs, Target


class Unknown:
    """What stands for a value that a preview does not know."""


UNKNOWN = Unknown()
WORLD, V1, V2 = "/host/world", "/srv/world-v1", "/srv/world-v2"
SPLIT = f"splits['{WORLD}']"
PERCENT = "a percent from 0 to 100 with at most two decimals"
GOOD: dict[str, Any] = {
    "namespace": "internal",
    "dentries": ["/srv => /#/io.l5d.k8s/default/http", "/host => /srv"],
    "splits": {WORLD: {V1: 90.0, V2: 10.0}},
    "namerd": {"cluster": "dev", "service": "linkerd/namerd", "kubeconfig": "secret"},
    "adopt": False,
}


def check(olds: dict[str, Any] | None = None, **changed: Any) -> tuple[dict[str, Any], list[str]]:
    return inputs.checked(olds or {}, {**GOOD, **changed}, lambda given: given is UNKNOWN)


def failures(**changed: Any) -> list[str]:
    return check(**changed)[1]


def test_good_inputs_pass_with_whole_numbers() -> None:
    found, wrong = check()
    assert wrong == []
    assert found == {**GOOD, "splits": {WORLD: {V1: 90, V2: 10}}}
    assert all(isinstance(weight, int) for weight in found["splits"][WORLD].values())


@pytest.mark.parametrize(
    ("weight", "shown"),
    [
        (-1, "-1"),
        (101, "101"),
        (10.555, "10.555"),
        (0.001, "0.001"),
        (50.00001, "50.00001"),
        (1e308, "1e+308"),
        ("10", "'10'"),
        (True, "True"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (None, "None"),
        ([10], "[10]"),
    ],
)
def test_a_weight_is_a_percent_of_two_decimals_at_most(weight: object, shown: str) -> None:
    assert failures(splits={WORLD: {V1: 90, V2: weight}}) == [
        f"{SPLIT}['{V2}']: {PERCENT}, not {shown}"
    ]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({V1: 90, V2: 20}, "the weights add up to 110, not to 100"),
        ({V1: 0, V2: 0}, "the weights add up to 0, not to 100"),
        ({V1: 33, V2: 33}, "the weights add up to 66, not to 100"),
        ({V1: 33.33, V2: 66.66}, "the weights add up to 99.99, not to 100"),
        ({V1: 99.5, V2: 0.51}, "the weights add up to 100.01, not to 100"),
        ({}, "percents by branch, not {}"),
        (50, "percents by branch, not 50"),
    ],
)
def test_the_weights_of_a_split_add_up_to_100(weights: object, reason: str) -> None:
    assert failures(splits={WORLD: weights}) == [f"{SPLIT}: {reason}"]


def test_a_split_of_a_prefix_that_the_base_has_too() -> None:
    base = [*GOOD["dentries"], f"{WORLD}=>{V1}"]
    assert failures(dentries=base) == [f"{SPLIT}: the base has an entry for this prefix too"]


@pytest.mark.parametrize("other", ["/host", "/host/world/x", "/host/*", "/*/world", "/"])
def test_overlapping_splits(other: str) -> None:
    first, second = sorted([WORLD, other])
    found = failures(dentries=[], splits={WORLD: {V1: 100}, other: {V2: 100}})
    assert found == [f"splits['{second}']: overlaps the split of '{first}'"]


def test_splits_beside_one_another() -> None:
    splits = {WORLD: {V1: 100}, "/host/world-2": {V1: 100}, "/svc/world": {V1: 100}}
    assert failures(splits=splits) == []


@pytest.mark.parametrize(
    ("dentry", "reason"),
    [
        ("/a => b", "simple expected but 'b' found at '/a => [b]'"),
        ("/a = /b", "'>' expected but ' ' found at '/a =[ ]/b'"),
        ("", "one entry expected but 0 found in ''"),
        ("# nothing", "one entry expected but 0 found in '# nothing'"),
        ("/a => /b; /c => /d", "one entry expected but 2 found in '/a => /b; /c => /d'"),
        (1, "a string such as '/svc => /host', not 1"),
        (None, "a string such as '/svc => /host', not None"),
    ],
)
def test_a_malformed_dentry_is_named_with_the_position(dentry: object, reason: str) -> None:
    assert failures(dentries=["/host => /srv", dentry]) == [f"dentries[1]: {reason}"]


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("world", "'/' expected but 'w' found at '[w]orld'"),
        ("/a/", "label char expected but end of input found at '/a/[]'"),
        ("/a b", "end of input expected but 'b' found at '/a [b]'"),
    ],
)
def test_a_malformed_prefix_of_a_split(prefix: str, reason: str) -> None:
    assert failures(splits={prefix: {V1: 100}}) == [f"splits['{prefix}']: {reason}"]


@pytest.mark.parametrize(
    ("branch", "reason"),
    [
        ("!", "'/' expected but '!' found at '[!]'"),
        ("/srv/*", "label char expected but '*' found at '/srv/[*]'"),
        ("/a | /b", "end of input expected but '|' found at '/a [|] /b'"),
    ],
)
def test_a_malformed_branch(branch: str, reason: str) -> None:
    assert failures(splits={WORLD: {branch: 100}}) == [f"{SPLIT}['{branch}']: {reason}"]


def test_what_is_the_same_in_another_spelling_stands_once() -> None:
    assert failures(splits={WORLD: {V1: 50, r"/srv/\x77orld-v1": 50}}) == [
        f"{SPLIT}['{V1}']: the same branch stands twice"
    ]
    assert failures(splits={WORLD: {V1: 100}, r"/host/\x77orld": {V2: 100}}) == [
        f"{SPLIT}: the same prefix is split twice"
    ]


def test_paths_prefixes_and_dentries_become_canonical() -> None:
    found, wrong = check(
        dentries=["  /srv=>30*/a&70*/b ; # why", r"/\x68ost => 1.001 * /srv & 2*/c"],
        splits={r"/h\x6fst/world": {r"/srv/world-\x76\x31": 100}},
        namerd={"url": "http://namerd:4180/"},
    )
    assert wrong == []
    assert found["dentries"] == ["/srv => 30.00*/a & 70.00*/b", "/host => /srv & 2.00*/c"]
    assert found["splits"] == {WORLD: {V1: 100}}
    assert found["namerd"] == {"url": "http://namerd:4180"}
    assert inputs.checked({}, found, lambda given: given is UNKNOWN) == (found, [])


@pytest.mark.parametrize(
    "namespace",
    [
        "",
        "Internal",
        "a/b",
        "a b",
        "-a",
        "a-",
        "a..b",
        ".a",
        "a.-b",
        "..",
        "a\n",
        None,
        1,
        "a" * 254,
    ],
)
def test_a_namespace_is_the_name_of_a_kubernetes_object(namespace: object) -> None:
    (line,) = failures(namespace=namespace)
    assert line.startswith("namespace: ")
    assert line.endswith("is no dtab namespace: lower-case letters, digits, '-' and '.'")


@pytest.mark.parametrize(
    ("namerd", "reasons"),
    [
        (None, ["how to reach namerd: a url, or cluster, service and kubeconfig"]),
        ("http://namerd:4180", ["how to reach namerd: a url, or cluster, service and kubeconfig"]),
        (
            {},
            [
                "takes a 'url', or a 'service' with its 'cluster'",
                "'cluster' is missing: a name of your choice that tells this cluster from others",
            ],
        ),
        (
            {"service": "linkerd/namerd"},
            ["'cluster' is missing: a name of your choice that tells this cluster from others"],
        ),
        (
            {"cluster": "dev", "service": "namerd"},
            ["'service' is a namespace and a name, 'linkerd/namerd', not 'namerd'"],
        ),
        (
            {"url": "http://namerd:4180", "kubeconfig": "x", "colour": "x"},
            [
                "no such key 'colour'; there are cluster, service, url, kubeconfig, context",
                "a 'url' needs no 'kubeconfig' or 'context'",
            ],
        ),
        (
            {"url": "namerd:4180"},
            ["'url' is namerd's address, 'http://HOST:4180', without a path or password"],
        ),
        (
            {"url": "http://user:secret@namerd:4180"},
            ["'url' is namerd's address, 'http://HOST:4180', without a path or password"],
        ),
        *(
            (
                {"url": url},
                ["'url' is namerd's address, 'http://HOST:4180', without a path or password"],
            )
            for url in (
                "http://a b:1",
                "http://namerd:1\n",
                "http://namerd:1?",
                "http://namerd#x",
                f"http://{'a' * 64}:1",
                "http://[::1",
                "http://namerd:0",
                "http://namerd:65536",
                "ftp://namerd",
                "http://",
                "http://namerd:1/path",
            )
        ),
        (
            {"url": "http://namerd:port"},
            ["'url' is namerd's address, 'http://HOST:4180', without a path or password"],
        ),
        (
            {"cluster": "dev", "service": "linkerd/namerd", "kubeconfig": 7, "context": ""},
            ["'kubeconfig' must be a string, not this", "'context' must be a string, not ''"],
        ),
    ],
)
def test_how_namerd_is_reached(namerd: object, reasons: list[str]) -> None:
    assert failures(namerd=namerd) == [f"namerd: {reason}" for reason in reasons]


@pytest.mark.parametrize("key", ["dentries", "splits"])
def test_a_base_is_a_list_and_splits_are_a_mapping(key: str) -> None:
    for given in ("x", 1):
        (line,) = failures(**{key: given})
        assert line.startswith(f"{key}: ")


def test_adopt_is_true_or_false() -> None:
    assert failures(adopt="yes") == ["adopt: true or false, not 'yes'"]


@pytest.mark.parametrize(
    "url",
    ["http://namerd", "https://namerd.mesh.svc.:4180/", "http://[::1]:4180", "http://10.0.0.1"],
)
def test_a_url_of_namerd(url: str) -> None:
    found, wrong = check(namerd={"url": url})
    assert wrong == []
    assert found["namerd"] == {"url": url.rstrip("/")}


def test_values_that_are_not_known_yet_pass() -> None:
    for changed in (
        {"namespace": UNKNOWN},
        {"dentries": UNKNOWN},
        {"dentries": ["/a => /b", UNKNOWN]},
        {"splits": UNKNOWN},
        {"splits": {WORLD: UNKNOWN}},
        {"splits": {WORLD: {V1: UNKNOWN, V2: 10}}},
        {"namerd": UNKNOWN},
        {"namerd": {"url": UNKNOWN}},
        {"namerd": {"cluster": UNKNOWN, "service": UNKNOWN, "kubeconfig": UNKNOWN}},
        {"adopt": UNKNOWN},
        {"max_weight_step": UNKNOWN},
        dict.fromkeys(GOOD, UNKNOWN),
    ):
        found, wrong = check(**changed)
        assert wrong == []
        assert {key: found[key] for key in changed} == changed


def test_what_is_known_beside_it_is_checked() -> None:
    found = failures(namespace=UNKNOWN, splits={WORLD: {V1: UNKNOWN, V2: 101}})
    assert found == [f"{SPLIT}['{V2}']: {PERCENT}, not 101"]


def test_the_first_reason_does_not_hide_the_next() -> None:
    found = failures(dentries=["/a => b", "/c"], splits={WORLD: {V1: -1, V2: 101}}, adopt=1)
    assert len(found) == 5


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (0, 25, None),
        (0, 26, "from 0 to 26"),
        (10, 100, "from 10 to 100"),
        (60, 0, None),
        (90, 1, None),
    ],
)
def test_a_weight_rises_by_one_step_at_most(before: int, after: int, refused: str | None) -> None:
    olds = {**GOOD, "splits": {WORLD: {V1: 100.0 - before, V2: float(before)}}}
    splits = {WORLD: {V1: 100 - after, V2: after}}
    found = failures(olds=olds, splits=splits, max_weight_step=25.0)
    reason = f"{SPLIT}['{V2}']: {refused} is more than max_weight_step, 25"
    assert found == ([reason] if refused else [])


def test_a_step_is_of_no_account_for_a_table_that_is_new() -> None:
    splits = {WORLD: {V1: 0, V2: 100}}
    assert failures(splits=splits, max_weight_step=10) == []
    assert failures(olds={**GOOD, "splits": {}}, splits=splits, max_weight_step=10) == []


@pytest.mark.parametrize("limit", [0, 101, 2.555, "10", True, -5, math.nan])
def test_a_step_is_a_number_of_percents(limit: object) -> None:
    (line,) = failures(max_weight_step=limit)
    assert line.startswith(
        "max_weight_step: a percent from 0.01 to 100 with at most two decimals, not "
    )


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [(0, 0.5, None), (0.5, 1, None), (0.1, 0.6, None), (0, 0.51, "from 0 to 0.51")],
)
def test_a_step_of_half_a_percent(before: float, after: float, refused: str | None) -> None:
    olds = {**GOOD, "splits": {WORLD: {V1: 100 - before, V2: before}}}
    found = failures(olds=olds, splits={WORLD: {V1: 100 - after, V2: after}}, max_weight_step=0.5)
    reason = f"{SPLIT}['{V2}']: {refused} is more than max_weight_step, 0.5"
    assert found == ([reason] if refused else [])


@pytest.mark.parametrize(
    "weights",
    [
        {V1: 99.5, V2: 0.5},
        {V1: 33.33, V2: 33.33, "/x": 33.34},
        {V1: 0.01, V2: 99.99},
        {V1: 100 - 99.9, V2: 99.9},
    ],
)
def test_percents_of_two_decimals(weights: dict[str, float]) -> None:
    found, wrong = check(splits={WORLD: weights})
    assert wrong == []
    assert found["splits"][WORLD] == {path: round(each, 2) for path, each in weights.items()}
    assert inputs.weights_of(found) == found["splits"]


class TestBaseline:
    """The branch that traffic may return to at any step."""

    def test_becomes_canonical(self) -> None:
        found, wrong = check(baseline={r"/host/\x77orld": r"/srv/world-v\x32"})
        assert wrong == []
        assert found["baseline"] == {WORLD: V2}

    @pytest.mark.parametrize(
        ("baseline", "reason"),
        [
            (V1, f"baseline: a branch by prefix of 'splits', not '{V1}'"),
            ({"/x": V1}, "baseline['/x']: there is no such split"),
            ({WORLD: "/x"}, f"baseline['{WORLD}']: '/x' is no branch of this split"),
            ({WORLD: 1}, f"baseline['{WORLD}']: a branch of the split, not 1"),
            ({WORLD: "x"}, f"baseline['{WORLD}']: '/' expected but 'x' found at '[x]'"),
            ({"x": V1}, "baseline['x']: '/' expected but 'x' found at '[x]'"),
        ],
    )
    def test_a_wrong_one_is_one_line(self, baseline: object, reason: str) -> None:
        assert failures(baseline=baseline) == [reason]

    @pytest.mark.parametrize(
        "baseline", [None, UNKNOWN, {WORLD: UNKNOWN}, {}], ids=["none", "unknown", "in it", "empty"]
    )
    def test_none_or_one_that_is_not_known_passes(self, baseline: object) -> None:
        found, wrong = check(baseline=baseline)
        assert wrong == []
        assert found["baseline"] == baseline

    def test_is_not_looked_for_in_splits_that_are_not_known(self) -> None:
        assert failures(baseline={WORLD: V1}, splits=UNKNOWN) == []
        assert failures(baseline={WORLD: V1}, splits={WORLD: UNKNOWN}) == []

    @pytest.mark.parametrize(
        ("old", "new", "weights", "is_refused"),
        [
            (None, None, {V1: 100, V2: 0}, False),
            (None, None, {V1: 0, V2: 100}, True),
            (None, {WORLD: V2}, {V1: 0, V2: 100}, False),
            (None, {WORLD: V2}, {V1: 100, V2: 0}, True),
            ({WORLD: V2}, {WORLD: V2}, {V1: 0, V2: 100}, False),
            ({WORLD: V1}, {WORLD: V2}, {V1: 0, V2: 100}, True),
            ({WORLD: V1}, {WORLD: V2}, {V2: 100}, True),
            ({WORLD: V2}, None, {V1: 0, V2: 100}, False),
            (None, {WORLD: "/new"}, {"/new": 100, V1: 0, V2: 0}, True),
        ],
    )
    def test_only_the_state_says_where_the_way_back_leads(
        self,
        old: dict[str, str] | None,
        new: dict[str, str] | None,
        weights: dict[str, float],
        is_refused: bool,
    ) -> None:
        """Naming another one with the weight is no way round the limit."""
        olds = {**GOOD, "splits": {WORLD: {V1: 80, V2: 20}}, "baseline": old}
        found = failures(olds=olds, baseline=new, splits={WORLD: weights}, max_weight_step=15)
        assert bool(found) is is_refused


def test_no_failure_shows_the_kubeconfig() -> None:
    for kubeconfig in (["token: s3cret"], {"token": "s3cret"}):
        (line,) = failures(namerd={**GOOD["namerd"], "kubeconfig": kubeconfig})
        assert "s3cret" not in line


def test_the_identity_of_a_namerd_is_not_its_address() -> None:
    reached = Target(cluster="dev", service="linkerd/namerd", kubeconfig="s3cret", context="a")
    renewed = Target(cluster="dev", service="linkerd/namerd", kubeconfig="two")
    assert reached.identity == renewed.identity == "dev/linkerd/namerd"
    assert Target(cluster="dev", url="http://a").identity == "dev"
    assert Target(cluster="dev", service="linkerd/namerd", url="http://a").identity == (
        "dev/linkerd/namerd"
    )
    assert Target(url="http://a").identity == "http://a"
    assert "s3cret" not in repr(reached)


def test_checked_properties_become_inputs() -> None:
    found = Inputs.of(check()[0])
    assert found.table == (*found.base, *found.table[-1:])
    assert found.target.service == "linkerd/namerd"
    assert found.splits == {WORLD: {V1: 90, V2: 10}}


@pytest.mark.parametrize("weights", [{V2: 100}, {"/srv/world-v0": 40, V1: 50, V2: 10}])
def test_the_baseline_is_a_branch_that_was(weights: dict[str, int]) -> None:
    """Leaving it out, or putting a new one before it, is no way round the limit."""
    olds = {**GOOD, "splits": {WORLD: {V1: 90, V2: 10}}}
    found = failures(olds=olds, splits={WORLD: weights}, max_weight_step=20)
    assert len(found) == 1
    assert "is more than max_weight_step, 20" in found[0]


def test_each_failure_is_one_line_of_printable_characters() -> None:
    wrong = failures(
        dentries=["/svc =>\n\x1b[31m /host"], splits={"/host\n/world": {"/v\x1b1": 100}}
    )
    assert len(wrong) >= 3
    assert all(map(str.isprintable, wrong))
    assert wrong[0] == (
        r"dentries[0]: simple expected but '\x1b' found at '/svc =>\n[\x1b][31m /host'"
    )
