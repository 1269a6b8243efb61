"""The engine's property values as plain Python, and back.

On the wire a secret is an object with a signature, and a value that is not known before the update
is one of a few fixed strings. Here an object is a plain dict, what was secret in it is a set of
paths, and an unknown is the string UNKNOWN.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

from tests.standins.azure_native.paths import Path

Object = dict[str, Any]

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = rpc.UNKNOWN
UNKNOWNS = frozenset(
    {
        UNKNOWN,  # a string, or of no known type
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # an array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # an asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # an object
    }
)
"""All from pulumi's sdk/go/common/resource/plugin/rpc.go and sdk/go/common/resource/sig."""


def from_struct(struct: struct_pb2.Struct) -> tuple[Object, set[Path]]:
    """An object and the paths of what was secret in it. Nulls are left out."""
    secrets: set[Path] = set()
    plain = _fields(struct, (), secrets)
    return plain, secrets


def _fields(struct: struct_pb2.Struct, at: Path, secrets: set[Path]) -> Object:
    return {
        name: _plain(value, (*at, name), secrets)
        for name, value in struct.fields.items()
        if value.WhichOneof("kind") not in (None, "null_value")
    }


def _plain(value: struct_pb2.Value, at: Path, secrets: set[Path]) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        if SIGNATURE in fields and fields[SIGNATURE].string_value == SECRET:
            secrets.add(at)
            return _plain(fields["value"], at, secrets)
        return _fields(value.struct_value, at, secrets)
    if kind == "list_value":
        return [_plain(v, (*at, i), secrets) for i, v in enumerate(value.list_value.values)]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value in UNKNOWNS else value.string_value
    return value.bool_value if kind == "bool_value" else None


def to_struct(plain: Mapping[str, Any], secrets: Iterable[Path] = ()) -> struct_pb2.Struct:
    """The object on the wire, sealed at those of the paths that it has."""
    struct = struct_pb2.Struct()
    struct.update(_sealed(plain, set(secrets)))
    return struct


def _sealed(value: Any, secrets: set[Path]) -> Any:
    if not secrets:
        return value
    if () in secrets:
        return {SIGNATURE: SECRET, "value": value}
    if isinstance(value, Mapping):
        return {k: _sealed(v, _below(secrets, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_sealed(v, _below(secrets, i)) for i, v in enumerate(value)]
    return value


def _below(paths: set[Path], step: str | int) -> set[Path]:
    return {path[1:] for path in paths if path[0] == step}
