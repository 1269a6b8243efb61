"""Answers to the engine that more than one request gives: failures, half-done objects, diffs."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.protobuf import any_pb2, struct_pb2
from google.rpc import status_pb2

from local.standins.kubernetes import diffing, objects, paths, state
from local.standins.kubernetes.diffing import Change
from local.standins.kubernetes.errors import NotReadyError, PluginError
from local.standins.kubernetes.paths import Path
from local.standins.kubernetes.protocol import provider_pb2
from local.standins.kubernetes.values import Object, from_struct, without_secrets

Answer = TypeVar("Answer")
Method = Callable[[Any, Any, grpc.ServicerContext], Answer]

_KINDS = {
    (Change.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Change.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Change.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Change.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (Change.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Change.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def told(method: Method[Answer]) -> Method[Answer]:
    """Answer a PluginError as a failed request with its one line, and with no secret in it."""

    @functools.wraps(method)
    def answered(self: Any, request: Any, context: grpc.ServicerContext) -> Answer:
        try:
            return method(self, request, context)
        except PluginError as error:
            context.abort(grpc.StatusCode.UNKNOWN, _unsealed(str(error), request))
            raise  # for the type checker: abort raises

    return answered


def _unsealed(text: str, request: Any) -> str:
    """A message without the secrets that its request holds."""
    for field in ("news", "properties", "inputs", "args"):
        if isinstance(getattr(request, field, None), struct_pb2.Struct):
            plain, secrets = from_struct(getattr(request, field))
            text = without_secrets(text, plain, state.secrets_of(plain, secrets))
    return text


def half_done(
    request: Any,
    context: grpc.ServicerContext,
    inputs: Object,
    secrets: set[Path],
    error: NotReadyError,
) -> Any:
    """Fail with what is there by now, so that the engine keeps the object in its state."""
    reasons = [_unsealed(reason, request) for reason in error.reasons]
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=objects.resource_id(error.live),
            properties=state.outputs_struct(error.live, inputs, secrets),
            inputs=state.inputs_struct(inputs, secrets),
            reasons=reasons,
        )
    )
    code = grpc.StatusCode.UNKNOWN
    failed = status_pb2.Status(code=code.value[0], message=reasons[0], details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", failed.SerializeToString()),))
    return context.abort(code, reasons[0])


def difference(
    old: Object, new: Object, mutable_kinds: tuple[str, ...], *, replaces_unready: bool
) -> provider_pb2.DiffResponse:
    """What differs between two inputs, place by place, and what of it replaces the object.

    An object that keeps its name is deleted before the new one is created.
    """
    found = diffing.changes(old, new)
    replaced = diffing.replacing(old, new, found, mutable_kinds=mutable_kinds)
    replaces = sorted(paths.written(path) for path in replaced)
    if replaces_unready:
        replaces.append("metadata.annotations")
    same_name = objects.resource_id(old) == objects.resource_id(new)
    autonamed = objects.is_true(new, objects.AUTONAMED)
    details = {
        paths.written(path): provider_pb2.PropertyDiff(
            kind=_KINDS[change, path in replaced], inputDiff=True
        )
        for path, change in found.items()
    }
    return provider_pb2.DiffResponse(
        changes=_some(bool(found or replaces)),
        diffs=sorted({str(path[0]) for path in found}),
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and same_name and not autonamed,
        hasDetailedDiff=True,
        detailedDiff=details,
    )


def config_difference(old: Object, new: Object) -> provider_pb2.DiffResponse:
    """Which options of the provider differ, and which of them mean another cluster."""
    changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    return provider_pb2.DiffResponse(
        changes=_some(bool(changed)),
        diffs=changed,
        replaces=diffing.replacing_config(old, new, changed),
    )


def _some(changed: bool) -> Any:
    response = provider_pb2.DiffResponse
    return response.DIFF_SOME if changed else response.DIFF_NONE


def failures(reasons: dict[str, str]) -> list[provider_pb2.CheckFailure]:
    """What is wrong with which property."""
    return [
        provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in reasons.items()
    ]
