"""The plugin's side of Pulumi's provider protocol: requests decoded, answers encoded."""
# ruff: noqa: ARG002, N802 - the methods' names and parameters are the protocol's

import os
from typing import Any

import grpc
from google.protobuf import empty_pb2

from local.standins.kubernetes import VERSION, diffing, objects, settings, state
from local.standins.kubernetes.answers import (
    config_difference,
    difference,
    failures,
    half_done,
    told,
)
from local.standins.kubernetes.checking import Autonaming, Naming, checked
from local.standins.kubernetes.engine import Engine
from local.standins.kubernetes.errors import NotReadyError, PluginError, UnreachableError
from local.standins.kubernetes.protocol import plugin_pb2, provider_pb2, provider_pb2_grpc
from local.standins.kubernetes.session import Session
from local.standins.kubernetes.values import Object, from_struct, to_struct

FORGET = (
    "if the cluster is gone for good, PULUMI_K8S_DELETE_UNREACHABLE=true (or the provider's "
    "deleteUnreachable) removes its resources from the state"
)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One configured provider; the engine calls it from many threads at once."""

    def __init__(self, engine_address: str | None) -> None:
        self._session = Session(Engine(engine_address))

    # The plugin itself.

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Agree on how values are sent."""
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, supports_autonaming_configuration=True
        )

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Say which release of the real plugin this stands in for."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take the address of the engine, when it did not start this process itself."""
        self._session.engine = Engine(request.address)
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        """End every wait."""
        self._session.stop.set()
        return empty_pb2.Empty()

    # Its configuration.

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Refuse options that the real plugin has and this one has not."""
        config, _ = from_struct(request.news)
        refused = failures(settings.refusals(config))
        return provider_pb2.CheckResponse(inputs=request.news, failures=refused)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Replace all resources when the cluster is another one, and only then."""
        return config_difference(from_struct(request.old_inputs)[0], from_struct(request.news)[0])

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take the configuration; nothing is asked of the cluster before it is needed."""
        self._session.configure(from_struct(request.args)[0])
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    # Resources.

    @told
    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Fill in what the program left out, without a word to the cluster for what is known."""
        old, _ = from_struct(request.olds)
        new, secrets = from_struct(request.news)
        inputs, reasons = checked(
            request.urn, old, new, _naming(request), lambda o: self._session.namespace_for(o, old)
        )
        if objects.group_kind(inputs)[1] == "CustomResourceDefinition":
            self._session.remember_definition(inputs)
        return provider_pb2.CheckResponse(
            inputs=state.inputs_struct(inputs, secrets), failures=failures(reasons)
        )

    @told
    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Compare the inputs with those of the last update or refresh."""
        old, _ = from_struct(request.old_inputs)
        new, _ = from_struct(request.news)
        unready = self._session.replaces_unready(new)
        return difference(old, new, self._session.mutable_kinds, replaces_unready=unready)

    @told
    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Create an object, or tell what creating it would give."""
        inputs, secrets = from_struct(request.properties)
        if request.preview:
            known = self._session.is_known
            projected = self._session.lifecycle.preview_create(inputs) if known else inputs
            properties = state.outputs_struct(projected, inputs, secrets)
            return provider_pb2.CreateResponse(properties=properties)
        try:
            live = self._session.lifecycle.create(request.urn, inputs, request.timeout)
        except NotReadyError as error:
            return half_done(request, context, inputs, secrets, error)
        return provider_pb2.CreateResponse(
            id=objects.resource_id(live), properties=state.outputs_struct(live, inputs, secrets)
        )

    @told
    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Change an object in place, or tell what that would give."""
        inputs, secrets = from_struct(request.news)
        try:
            live = self._updated(request, inputs)
        except NotReadyError as error:
            return half_done(request, context, inputs, secrets, error)
        except UnreachableError as error:
            if not self._session.settings.skip_update_unreachable:
                raise
            self._session.engine.warn(request.urn, f"not updated: {error}")
            return provider_pb2.UpdateResponse(properties=request.olds)
        return provider_pb2.UpdateResponse(properties=state.outputs_struct(live, inputs, secrets))

    def _updated(self, request: Any, inputs: Object) -> Object:
        ignored = list(request.ignoreChanges)
        if not request.preview:
            life = self._session.lifecycle
            return life.update(request.urn, inputs, ignored, request.timeout)
        old = state.live_part(from_struct(request.olds)[0])
        if not self._session.is_known:
            return {**old, **inputs}
        return self._session.lifecycle.preview_update(inputs, old, ignored)

    @told
    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The object as it is now, and the inputs that would make it so."""
        inputs, secrets = from_struct(request.inputs)
        last = state.live_part(from_struct(request.properties)[0])
        try:
            live = self._session.lifecycle.read(_reference(request, inputs))
        except UnreachableError as error:
            return self._unread(request, error)
        if live is None:
            return provider_pb2.ReadResponse()
        shown = objects.as_shown(live, inputs)
        inputs = diffing.drifted(inputs, last, shown) if inputs else state.inputs_from(live)
        try:
            self._session.lifecycle.check_health(live)
        except NotReadyError as error:
            return half_done(request, context, inputs, secrets, error)
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=state.outputs_struct(live, inputs, secrets),
            inputs=state.inputs_struct(inputs, secrets),
        )

    def _unread(self, request: Any, error: UnreachableError) -> Any:
        """The answer to a read that did not reach the cluster."""
        configured = self._session.settings
        if configured.delete_unreachable:
            self._session.engine.warn(request.urn, f"removed from the state only: {error}")
            return provider_pb2.ReadResponse()
        if configured.skip_update_unreachable:
            self._session.engine.warn(request.urn, f"kept as the state has it: {error}")
            return provider_pb2.ReadResponse(
                id=request.id, properties=request.properties, inputs=request.inputs
            )
        raise UnreachableError(f"{error} ({FORGET})") from error

    @told
    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Delete an object and wait until it is gone."""
        last = state.live_part(from_struct(request.properties)[0])
        try:
            self._session.lifecycle.delete(request.urn, last, request.timeout)
        except UnreachableError as error:
            if not self._session.settings.delete_unreachable:
                raise UnreachableError(f"{error} ({FORGET})") from error
            self._session.engine.warn(request.urn, f"removed from the state only: {error}")
        return empty_pb2.Empty()

    # Functions and components.

    @told
    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Parse the text of a `yaml.ConfigFile` or `yaml.ConfigGroup`; there is no other."""
        if request.tok != "kubernetes:yaml:decode":
            raise PluginError(
                f"{request.tok} is not supported by this stand-in of the kubernetes plugin"
            )
        args, _ = from_struct(request.args)
        answer = provider_pb2.InvokeResponse()
        # The field's name is a keyword of Python's.
        getattr(answer, "return").CopyFrom(to_struct({"result": _documents(str(args["text"]))}))
        return answer

    @told
    def Construct(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Refuse components that live in the real plugin: Helm charts, kustomize, yaml/v2."""
        raise PluginError(
            f"{request.type} is not supported by this stand-in of the kubernetes plugin"
        )


def _naming(request: Any) -> Naming:
    """How the engine wants resources named that have no name."""
    if not request.HasField("autonaming"):
        return Naming(seed=request.randomSeed or os.urandom(8))
    if request.autonaming.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE:
        return Naming(Autonaming.DISABLED)
    return Naming(Autonaming.PROPOSED, proposed=request.autonaming.proposed_name)


def _reference(request: Any, inputs: Object) -> Object:
    """What a read is to look up: the kind by the inputs or the type, the place by the id."""
    namespace, name = objects.parse_id(request.id)
    known = {key: inputs[key] for key in inputs if key in ("apiVersion", "kind")}
    obj = {**objects.with_kind(known, objects.type_of(request.urn)), "metadata": {"name": name}}
    return objects.in_namespace(obj, namespace)


def _documents(text: str) -> list[Object]:
    """The objects in a YAML text, lists taken apart."""
    import yaml  # noqa: PLC0415 - only when needed

    try:
        found = [document for document in yaml.safe_load_all(text) if document]
    except yaml.YAMLError as error:
        raise PluginError(f"no valid YAML: {' '.join(str(error).split())}") from error
    return [
        item
        for document in found
        for item in (document["items"] if document.get("kind") == "List" else [document])
    ]
