"""What the engine keeps of an object: its outputs, with what is secret in them sealed."""

from collections.abc import Iterable

from google.protobuf import struct_pb2

from local.standins.kubernetes import objects
from local.standins.kubernetes.paths import Path
from local.standins.kubernetes.values import Object, to_struct

INPUTS = "__inputs"
INITIAL_API_VERSION = "__initialApiVersion"
FIELD_MANAGER = "__fieldManager"
"""Where the real plugin keeps these in a state; so it can go on with a stack of ours."""

MANAGER = "pulumi-kubernetes"
"""In whose name fields are written: the real plugin's, for the same reason."""

_ALWAYS_SECRET: tuple[Path, ...] = (
    ("data",),
    ("stringData",),
    ("metadata", "annotations", objects.LAST_APPLIED),
)


def secrets_of(obj: Object, marked: Iterable[Path]) -> set[Path]:
    """What is secret in an object: what was marked so, and all content of a Secret."""
    always = _ALWAYS_SECRET if obj.get("kind") == "Secret" else ()
    return {*marked, *always}


def inputs_struct(inputs: Object, secrets: Iterable[Path]) -> struct_pb2.Struct:
    """Inputs as the engine keeps them."""
    return to_struct(inputs, secrets_of(inputs, secrets))


def outputs_struct(live: Object, inputs: Object, secrets: Iterable[Path]) -> struct_pb2.Struct:
    """A live object as the engine keeps it; `secrets` are those of the inputs."""
    sealed = secrets_of(inputs, secrets)
    outputs = {
        **objects.as_shown(live, inputs),
        INPUTS: inputs,
        INITIAL_API_VERSION: inputs.get("apiVersion", ""),
        FIELD_MANAGER: MANAGER,
    }
    return to_struct(outputs, {*sealed, *((INPUTS, *path) for path in sealed)})


def live_part(outputs: Object) -> Object:
    """The object itself in a state, without what is kept beside it."""
    return {key: value for key, value in outputs.items() if not key.startswith("__")}


def inputs_from(live: Object) -> Object:
    """Inputs that declare a live object as it is, for one that the program has not written yet."""
    metadata = {k: v for k, v in objects.metadata(live).items() if k not in _GENERATED}
    annotations = {
        k: v for k, v in (metadata.get("annotations") or {}).items() if k not in _BOOKKEEPING
    }
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    rest = {key: value for key, value in live.items() if key != "status"}
    return {**rest, "metadata": metadata}


_GENERATED = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_BOOKKEEPING = ("deployment.kubernetes.io/revision", objects.LAST_APPLIED)
