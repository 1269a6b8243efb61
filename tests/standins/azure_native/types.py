"""Inputs checked by the types of pulumi-azure-native itself: names, kinds and enumerations."""

import enum
import inspect
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi import _types

from tests.standins.azure_native.values import UNKNOWN


def wrong(args: type, inputs: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Where inputs do not fit the SDK's class of arguments, and why."""
    known = _types.input_type_types(args)
    if not isinstance(inputs, Mapping):
        yield at, f"is an object, not {inputs!r}"
        return
    for name in _required(args):
        if inputs.get(name) is None:
            yield _below(at, name), "is missing"
    for name, value in inputs.items():
        if name not in known:
            yield _below(at, name), f"is no property; there are {', '.join(sorted(known))}"
        else:
            yield from _wrong_value(known[name], value, _below(at, name))


def _required(args: type) -> list[str]:
    names = _types.input_type_py_to_pulumi_names(args)
    parameters = list(inspect.signature(args).parameters.values())
    return [names[each.name] for each in parameters if each.default is each.empty]


def _below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _wrong_value(type_: Any, value: Any, at: str) -> Iterator[tuple[str, str]]:
    if value == UNKNOWN:
        return
    options = list(_options(type_))
    enums = [each for each in options if _is(each, enum.Enum)]
    objects = [each for each in options if inspect.isclass(each) and _types.is_input_type(each)]
    if enums:
        allowed = [member.value for each in enums for member in each]
        if value not in allowed:
            yield at, f"is {value!r} and none of {', '.join(map(str, allowed))}"
    elif objects:
        yield from wrong(objects[0], value, at)
    elif isinstance(value, list):
        yield from _wrong_items(options, value, at)
    elif isinstance(value, Mapping):
        yield from _wrong_entries(options, value, at)
    elif not _is_one_of(options, value):
        yield at, f"is {value!r}, of the wrong kind"


def _wrong_items(options: list[Any], value: list[Any], at: str) -> Iterator[tuple[str, str]]:
    items = [typing.get_args(each)[0] for each in options if _origin(each, Sequence)]
    if not items:
        yield at, "is no list"
        return
    for i, item in enumerate(value):
        yield from _wrong_value(items[0], item, f"{at}[{i}]")


def _wrong_entries(
    options: list[Any], value: Mapping[str, Any], at: str
) -> Iterator[tuple[str, str]]:
    entries = [typing.get_args(each)[1] for each in options if _origin(each, Mapping)]
    if not entries:
        yield at, "is no object"
        return
    for key, entry in value.items():
        yield from _wrong_value(entries[0], entry, f"{at}.{key}")


def _is_one_of(options: list[Any], value: Any) -> bool:
    if isinstance(value, bool):
        return bool in options
    if isinstance(value, (int, float)):  # on the wire every number is a float
        return float in options or (int in options and value == int(value))
    return type(value) in options or Any in options


def _options(type_: Any) -> Iterator[Any]:
    """What a value may be, without what only a program's own values are."""
    if typing.get_origin(type_) in (typing.Union, types.UnionType):
        for each in typing.get_args(type_):
            if "Awaitable" not in str(each) and "Output" not in str(each):
                yield from _options(each)
    elif type_ is not type(None):
        yield type_


def _is(type_: Any, base: type) -> bool:
    return inspect.isclass(type_) and issubclass(type_, base)


def _origin(type_: Any, base: type) -> bool:
    return _is(typing.get_origin(type_), base)
