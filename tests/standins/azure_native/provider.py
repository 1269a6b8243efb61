"""The plugin's side of Pulumi's provider protocol: requests decoded, answers encoded."""
# ruff: noqa: N802 - the methods' names are the protocol's

import functools
import uuid
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.standins.azure_native import (
    VERSION,
    credentials,
    differences,
    outputs,
    paths,
    rules,
    types,
)
from tests.standins.azure_native.cloud import Cloud, Object
from tests.standins.azure_native.differences import Change
from tests.standins.azure_native.errors import ArmError, ExistsError, ProvisioningError
from tests.standins.azure_native.kinds import CLUSTER, GROUP, KINDS, ROLE_ASSIGNMENT, Kind
from tests.standins.azure_native.values import UNKNOWN, from_struct, to_struct

STABLE = ("name", "location")
"""The outputs that a preview of an update takes for known (pulumi-azure-native's own list)."""


def told(method: Callable[..., Any]) -> Callable[..., Any]:
    """Answer a refusal as a failed request with its one line."""

    @functools.wraps(method)
    def answered(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except (ArmError, ExistsError) as error:
            return context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return answered


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One configured provider; the engine calls it from many threads at once."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=False)

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @told
    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Hold the inputs against the SDK's types, and give a name to what has none."""
        kind, (inputs, _) = _kind(request.urn), from_struct(request.news)
        failures = [
            provider_pb2.CheckFailure(property=at, reason=f"{at} {why}")
            for at, why in types.wrong(kind.args, inputs)
        ]
        if kind.name not in inputs:
            inputs[kind.name] = _automatic_name(kind, request)
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=failures)

    @told
    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Compare inputs, place by place. A replaced resource is deleted first: its name stays."""
        kind = _kind(request.urn)
        old, new = from_struct(request.old_inputs)[0], from_struct(request.news)[0]
        for ignored in request.ignoreChanges:
            path = paths.parsed(ignored)
            new = paths.with_value_of(new, old, path) if path else new
        changes = differences.changes(old, new)
        replaces = sorted({str(path[0]) for path in changes} & set(kind.replaced_by))
        some = provider_pb2.DiffResponse
        return provider_pb2.DiffResponse(
            changes=some.DIFF_SOME if changes else some.DIFF_NONE,
            diffs=sorted({str(path[0]) for path in changes}),
            replaces=replaces,
            deleteBeforeReplace=bool(replaces),
            hasDetailedDiff=True,
            detailedDiff={
                paths.written(path): provider_pb2.PropertyDiff(
                    kind=_change(change, path[0] in replaces), inputDiff=True
                )
                for path, change in changes.items()
            },
        )

    @told
    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Make a resource that is not there."""
        kind, (inputs, _) = _kind(request.urn), from_struct(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(_projected(kind, inputs)))
        id_ = kind.id_of(inputs)
        self._cloud.note("PUT", id_, inputs)
        with self._cloud.changing() as resources:
            if id_ in resources:
                raise ExistsError(id_)
            failed = self._put(kind, id_, inputs, resources, "create")
            found = resources[id_]
        if kind is CLUSTER:
            self._cloud.kubeconfig_of(id_)
        if failed:
            return _half_done(context, id_, inputs, found, failed)
        return provider_pb2.CreateResponse(id=id_, properties=to_struct(found))

    @told
    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Change a resource in place."""
        kind, (inputs, _) = _kind(request.urn), from_struct(request.news)
        if request.preview:
            olds = from_struct(request.olds)[0]
            stable = {name: olds[name] for name in STABLE if name in olds}
            properties = {**_projected(kind, inputs), **stable}
            return provider_pb2.UpdateResponse(properties=to_struct(properties))
        self._cloud.note("PUT", request.id, inputs)
        with self._cloud.changing() as resources:
            failed = self._put(kind, request.id, inputs, resources, "update")
            found = resources[request.id]
        if failed:
            return _half_done(context, request.id, inputs, found, failed)
        return provider_pb2.UpdateResponse(properties=to_struct(found))

    def _put(
        self, kind: Kind, id_: str, inputs: Object, resources: dict[str, Object], on: str
    ) -> ProvisioningError | None:
        """Have Azure make a resource what it is to be. What is there but does not work is returned.

        Raises ArmError for what Azure refuses outright.
        """
        rules.refuse(kind, inputs, resources)
        fault = self._cloud.fault(kind.short, on)
        made = outputs.of(kind, inputs, resources.get(id_))
        if isinstance(fault, ProvisioningError):
            resources[id_] = {**made, "provisioningState": "Failed"}
            return fault
        if fault:
            raise fault
        resources[id_] = made
        return None

    @told
    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        """A resource as it is now, and the inputs that would make it so."""
        kind = _kind(request.urn)
        self._cloud.note("GET", request.id)
        fault = self._cloud.fault(kind.short, "read")
        if fault:
            raise fault
        found = self._cloud.resources.get(request.id)
        if found is None:
            return provider_pb2.ReadResponse()
        last, inputs = from_struct(request.properties)[0], from_struct(request.inputs)[0]
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=to_struct(found),
            inputs=to_struct(differences.drifted(inputs, last, found)),
        )

    @told
    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Delete a resource, and with a group all that is in it."""
        kind = _kind(request.urn)
        self._cloud.note("DELETE", request.id)
        fault = self._cloud.fault(kind.short, "delete")
        if fault:
            raise fault
        with self._cloud.changing() as resources:
            gone = [request.id]
            if kind is GROUP:
                gone += [id_ for id_ in resources if id_.startswith(f"{request.id}/")]
            for id_ in gone:
                resources.pop(id_, None)
        return empty_pb2.Empty()

    @told
    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        """A cluster's credentials, or the cluster itself."""
        args = from_struct(request.args)[0]
        if request.tok == "azure-native:containerservice:getManagedCluster":
            self._cloud.note("GET", CLUSTER.id_of(args))
            found = credentials.cluster_of(self._cloud, args)
        else:
            found = credentials.listed(self._cloud, request.tok, args)
        answer = provider_pb2.InvokeResponse()
        # The field's name is a keyword of Python's.
        getattr(answer, "return").CopyFrom(to_struct(found))
        return answer


def _kind(urn: str) -> Kind:
    type_ = urn.split("::")[2].rpartition("$")[2]
    if type_ not in KINDS:
        raise ArmError(501, "NotImplemented", f"{type_} is not in this stand-in of azure-native")
    return KINDS[type_]


def _automatic_name(kind: Kind, request: Any) -> str:
    old = from_struct(request.olds)[0].get(kind.name)
    if old:
        return str(old)
    if kind is ROLE_ASSIGNMENT:
        return str(uuid.UUID(bytes=request.randomSeed[:16], version=4))
    return f"{request.urn.rpartition('::')[2]}{request.randomSeed.hex()[:8]}"


def _projected(kind: Kind, inputs: Object) -> Object:
    """What a preview knows of the outputs: what was put in."""
    return {**dict.fromkeys(kind.outputs, UNKNOWN), **inputs}


def _change(change: Change, replaces: bool) -> Any:
    kind = f"{change.name}_REPLACE" if replaces else change.name
    return getattr(provider_pb2.PropertyDiff, kind)


def _half_done(
    context: grpc.ServicerContext,
    id_: str,
    inputs: Object,
    found: Object,
    error: ProvisioningError,
) -> Any:
    """Fail with what is there by now, so that the engine keeps the resource in its state."""
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=id_,
            properties=to_struct(found),
            inputs=to_struct(inputs),
            reasons=[str(error)],
        )
    )
    code = grpc.StatusCode.UNKNOWN
    failed = status_pb2.Status(code=code.value[0], message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", failed.SerializeToString()),))
    return context.abort(code, str(error))
