"""The Azure stand-in's handling of the engine's property values, as tables."""

from typing import Any

import pytest

from tests.standins.azure_native import differences, paths
from tests.standins.azure_native.differences import Change
from tests.standins.azure_native.values import SECRET, SIGNATURE, UNKNOWN, from_struct, to_struct


class TestValues:
    def test_what_is_sent_comes_back_with_its_secrets(self) -> None:
        plain = {"a": 1, "b": [{"c": "x"}, 2.5], "d": True, "e": {}}
        secrets = {("b", 0, "c"), ("e",)}

        assert from_struct(to_struct(plain, secrets)) == (plain, secrets)

    def test_a_secret_is_sealed_once_with_all_below_it(self) -> None:
        sent = to_struct({"data": {"k": "v"}}, {("data",), ("data", "k")})

        assert sent == to_struct({"data": {SIGNATURE: SECRET, "value": {"k": "v"}}})

    def test_nulls_are_left_out_and_whole_numbers_are_integers(self) -> None:
        plain, _ = from_struct(to_struct({"gone": None, "port": 80.0, "share": 0.5}))

        assert plain == {"port": 80, "share": 0.5}
        assert isinstance(plain["port"], int)

    def test_every_kind_of_unknown_is_one(self) -> None:
        number = "3eeb2bf0-c639-47a8-9e75-3b44932eb421"
        plain, _ = from_struct(to_struct({"replicas": number, "names": ["a", UNKNOWN]}))

        assert plain["replicas"] == UNKNOWN
        assert plain["names"] == ["a", UNKNOWN]


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "text"),
        [
            (("spec", "ports", 0, "port"), "spec.ports[0].port"),
            (("metadata", "labels", "app.kubernetes.io/name"),
             'metadata.labels["app.kubernetes.io/name"]'),
            (("data", 'a"b'), 'data["a\\"b"]'),
            (("data", "a-b_c"), "data.a-b_c"),
        ],
    )  # fmt: skip
    def test_written_and_parsed(self, path: paths.Path, text: str) -> None:
        assert paths.written(path) == text
        assert paths.parsed(text) == path

    def test_a_wildcard_is_no_path(self) -> None:
        assert paths.parsed("spec.containers[*].image") is None

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            (("a", "b"), {"a": {"b": 2, "c": 3}, "l": [1]}),
            (("a", "c"), {"a": {"b": 1}, "l": [1]}),
            (("l", 0), {"a": {"b": 1, "c": 3}, "l": [9]}),
            (("l", 5), {"a": {"b": 1, "c": 3}, "l": [1]}),
        ],
    )
    def test_a_value_is_taken_from_another_object(
        self, path: paths.Path, expected: dict[str, Any]
    ) -> None:
        value = {"a": {"b": 1, "c": 3}, "l": [1]}

        assert paths.with_value_of(value, {"a": {"b": 2}, "l": [9]}, path) == expected
        assert value == {"a": {"b": 1, "c": 3}, "l": [1]}


class TestChanges:
    def test_each_place_by_itself(self) -> None:
        old = {"data": {"a": "1", "b": "2"}, "list": [{"n": 1}, {"n": 2}], "same": [1]}
        new = {"data": {"a": "1", "c": "3"}, "list": [{"n": 5}], "same": [1]}

        assert differences.changes(old, new) == {
            ("data", "b"): Change.DELETE,
            ("data", "c"): Change.ADD,
            ("list", 0, "n"): Change.UPDATE,
            ("list", 1): Change.DELETE,
        }

    def test_another_type_of_value_is_one_change(self) -> None:
        assert differences.changes({"a": {"b": 1}}, {"a": [1]}) == {("a",): Change.UPDATE}


class TestDrift:
    @pytest.mark.parametrize(
        ("inputs", "last", "live", "expected"),
        [
            pytest.param({"a": "1"}, {"a": "1"}, {"a": "2"}, {"a": "2"}, id="changed"),
            pytest.param({"a": "1"}, {"a": "1"}, {}, {}, id="taken away"),
            pytest.param(
                {"a": 1}, {"a": 1, "d": 0}, {"a": 1, "d": 9}, {"a": 1}, id="not ours: no drift"
            ),
            pytest.param(
                {"cpu": "0.5"}, {"cpu": "500m"}, {"cpu": "500m"}, {"cpu": "0.5"}, id="spelling"
            ),
            pytest.param(
                {"secret": "w"}, {"other": 1}, {"other": 2}, {"secret": "w"}, id="never shown"
            ),
            pytest.param(
                {"c": [{"image": "a"}]},
                {"c": [{"image": "a", "pull": "x"}]},
                {"c": [{"image": "b", "pull": "x"}]},
                {"c": [{"image": "b"}]},
                id="within a list",
            ),
            pytest.param({"l": [1, 2]}, {"l": [1, 2]}, {"l": [1]}, {"l": [1]}, id="shorter"),
            pytest.param({"l": [1]}, {"l": [1]}, {"l": [1, 2]}, {"l": [1, 2]}, id="longer"),
        ],
    )
    def test_shows_as_inputs(self, inputs: Any, last: Any, live: Any, expected: Any) -> None:
        assert differences.drifted(inputs, last, live) == expected
