"""check and diff through the provider's real host, with values as the engine sends them."""

import math

import pytest

from dynamic.dtab import DtabProvider
from tests.engine.tables import BASE, V1, V2, WORLD, dtab
from tests.provider_host import UNKNOWN, ProviderHost, Refused, Stack

URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("weight", "shown"),
    [
        (-1, "-1"),
        (101, "101"),
        (10.555, "10.555"),
        ("10", "'10'"),
        (True, "True"),
        (math.nan, "nan"),
    ],
)
def test_a_weight_that_is_no_percent(stack: Stack, weight: object, shown: str) -> None:
    with pytest.raises(Refused) as refused:
        stack.preview(dtab(URL, splits={WORLD: {V1: 90, V2: weight}}))
    percent = "a percent from 0 to 100 with at most two decimals"
    assert refused.value.failures == [("", f"splits['{WORLD}']['{V2}']: {percent}, not {shown}")]


def test_a_malformed_dentry_with_its_position(stack: Stack) -> None:
    with pytest.raises(
        Refused, match=r"dentries\[5\]: '>' expected but ' ' found at '/a =\[ \]/b'"
    ):
        stack.preview(dtab(URL, dentries=[*BASE, "/a = /b"]))


@pytest.mark.parametrize(
    "changed",
    [
        {"namespace": UNKNOWN},
        {"dentries": UNKNOWN},
        {"dentries": [*BASE, UNKNOWN]},
        {"splits": UNKNOWN},
        {"splits": {WORLD: UNKNOWN}},
        {"splits": {WORLD: {V1: UNKNOWN, V2: UNKNOWN}}},
        {"namerd": UNKNOWN},
        {"namerd": {"cluster": "here", "service": "linkerd/namerd", "kubeconfig": UNKNOWN}},
        {"namerd": {"url": UNKNOWN}},
        {"adopt": UNKNOWN},
        {"max_weight_step": UNKNOWN},
        {"baseline": UNKNOWN},
        {"baseline": {WORLD: UNKNOWN}},
    ],
    ids=str,
)
def test_values_that_are_not_known_yet_pass_and_count_as_a_change(
    host: ProviderHost, changed: dict[str, object]
) -> None:
    provider = DtabProvider()
    known = host.check(provider, {}, dtab(URL, 10))
    assert known.failures == []
    checked = host.check(provider, known.inputs, {**dtab(URL, 10), **changed})
    assert checked.failures == []
    for key, value in changed.items():
        assert checked.inputs[key] == value
    state = {**known.inputs, "dtab": "/a=>/b", "version": "AQ=="}
    diff = host.diff(provider, "id", state, checked.inputs)
    assert (diff.changes, diff.replaces) == (True, [])


def test_checked_inputs_are_what_was_given_in_one_form(stack: Stack) -> None:
    given = dtab(f"{URL}/", 10, dentries=["/a=>3*/b&/c ;"])
    inputs, diff = stack.preview(given)
    assert diff is None
    assert inputs == {**dtab(URL, 10), "dentries": ["/a => 3.00*/b & /c"]}
