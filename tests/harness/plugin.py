"""A resource plugin driven through its own gRPC, as the engine does, without the engine.

with plugin([python, "-m", "tests.standins.azure_native"]) as azure:
    made = azure.create("azure-native:resources:ResourceGroup", "group", {...})
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import (
    provider_pb2,
    provider_pb2_grpc,
)

from tests.harness.processes import Process, running
from tests.standins.azure_native.values import Object, from_struct, to_struct

ANSWER = 300.0
"""Seconds that any one request may take; a plugin that hangs fails its test."""


class PluginFailedError(Exception):
    """A request failed; `reasons` and `half_made` where the object is there but not ready."""

    def __init__(self, text: str, half_made: "Managed | None", reasons: Sequence[str]) -> None:
        super().__init__(text)
        self.half_made = half_made
        self.reasons = list(reasons)


@dataclass(frozen=True)
class Managed:
    """A resource as the engine keeps it in its state."""

    urn: str
    id: str
    sealed_inputs: struct_pb2.Struct
    sealed_outputs: struct_pb2.Struct

    @property
    def inputs(self) -> Object:
        return from_struct(self.sealed_inputs)[0]

    @property
    def outputs(self) -> Object:
        return from_struct(self.sealed_outputs)[0]


class Plugin:
    """A running plugin; made by `plugin()`."""

    def __init__(self, process: Process, channel: grpc.Channel) -> None:
        self.process = process
        self._stub = provider_pb2_grpc.ResourceProviderStub(channel)

    def check(
        self,
        type_: str,
        name: str,
        inputs: Object,
        old: Managed | None = None,
        secrets: Sequence[tuple[str | int, ...]] = (),
        **options: Any,
    ) -> tuple[struct_pb2.Struct, dict[str, str]]:
        """The inputs to go on with, and the failures by property."""
        request = provider_pb2.CheckRequest(
            urn=_urn(type_, name),
            olds=old.sealed_inputs if old else None,
            news=to_struct(inputs, secrets),
            randomSeed=(type_ + name).encode().ljust(32, b"\0")[-32:],
            **options,
        )
        answer = _told(lambda: self._stub.Check(request, timeout=ANSWER))
        return answer.inputs, {failure.property: failure.reason for failure in answer.failures}

    def create(
        self,
        type_: str,
        name: str,
        inputs: Object,
        *,
        preview: bool = False,
        timeout: float = 0,
        secrets: Sequence[tuple[str | int, ...]] = (),
    ) -> Managed:
        """Check and create; raises PluginFailedError, also where the check fails."""
        checked, failures = self.check(type_, name, inputs, secrets=secrets)
        if failures:
            raise PluginFailedError(f"check: {failures}", None, [])
        request = provider_pb2.CreateRequest(
            urn=_urn(type_, name), properties=checked, preview=preview, timeout=timeout
        )
        answer = _told(lambda: self._stub.Create(request, timeout=ANSWER), request.urn)
        return Managed(request.urn, answer.id, checked, answer.properties)

    def diff(self, managed: Managed, inputs: Object) -> provider_pb2.DiffResponse:
        type_, name = _split(managed.urn)
        checked, failures = self.check(type_, name, inputs, old=managed)
        assert not failures, failures
        request = provider_pb2.DiffRequest(
            id=managed.id,
            urn=managed.urn,
            olds=managed.sealed_outputs,
            old_inputs=managed.sealed_inputs,
            news=checked,
        )
        answer: provider_pb2.DiffResponse = self._stub.Diff(request, timeout=ANSWER)
        return answer

    def update(
        self,
        managed: Managed,
        inputs: Object,
        *,
        preview: bool = False,
        timeout: float = 0,
        ignore_changes: Sequence[str] = (),
    ) -> Managed:
        type_, name = _split(managed.urn)
        checked, failures = self.check(type_, name, inputs, old=managed)
        assert not failures, failures
        request = provider_pb2.UpdateRequest(
            id=managed.id,
            urn=managed.urn,
            olds=managed.sealed_outputs,
            old_inputs=managed.sealed_inputs,
            news=checked,
            preview=preview,
            timeout=timeout,
            ignoreChanges=ignore_changes,
        )
        answer = _told(lambda: self._stub.Update(request, timeout=ANSWER), managed.urn)
        return replace(managed, sealed_inputs=checked, sealed_outputs=answer.properties)

    def read(self, managed: Managed) -> Managed | None:
        """The resource after a refresh; None when it is gone."""
        request = provider_pb2.ReadRequest(
            id=managed.id,
            urn=managed.urn,
            properties=managed.sealed_outputs,
            inputs=managed.sealed_inputs,
        )
        answer = _told(lambda: self._stub.Read(request, timeout=ANSWER), managed.urn)
        if not answer.id:
            return None
        return replace(managed, sealed_inputs=answer.inputs, sealed_outputs=answer.properties)

    def import_(self, type_: str, name: str, id_: str) -> Managed | None:
        """Read what no program has declared yet."""
        nothing = struct_pb2.Struct()
        return self.read(Managed(_urn(type_, name), id_, nothing, nothing))

    def delete(self, managed: Managed, *, timeout: float = 0) -> None:
        request = provider_pb2.DeleteRequest(
            id=managed.id,
            urn=managed.urn,
            properties=managed.sealed_outputs,
            old_inputs=managed.sealed_inputs,
            timeout=timeout,
        )
        _told(lambda: self._stub.Delete(request, timeout=ANSWER), managed.urn)

    def invoke(self, token: str, args: Object) -> Object:
        request = provider_pb2.InvokeRequest(tok=token, args=to_struct(args))
        answer = _told(lambda: self._stub.Invoke(request, timeout=ANSWER))
        return from_struct(getattr(answer, "return"))[0]


def _urn(type_: str, name: str) -> str:
    return f"urn:pulumi:test::harness::{type_}::{name}"


def _split(urn: str) -> tuple[str, str]:
    _, _, type_, name = urn.split("::")
    return type_, name


def _told(request: Any, urn: str = "") -> Any:
    try:
        return request()
    except grpc.RpcError as error:
        half_made, reasons = _half_made(error, urn)
        raise PluginFailedError(error.details(), half_made, reasons) from None


def _half_made(error: Any, urn: str) -> tuple[Managed | None, list[str]]:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            detail = provider_pb2.ErrorResourceInitFailed()
            status_pb2.Status.FromString(value).details[0].Unpack(detail)
            made = Managed(urn, detail.id, detail.inputs, detail.properties)
            return made, list(detail.reasons)
    return None, []


def _port(log: Path) -> int | None:
    """The port that a plugin has printed as its first line."""
    line, ended, _ = log.read_text().partition("\n")
    return int(line) if ended and line.isdecimal() else None


@contextmanager
def plugin(command: Sequence[str | Path], env: dict[str, str] | None = None) -> Iterator[Plugin]:
    """Run a plugin by its command."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "plugin.log"
        with running(command, log, env=env) as process:
            process.wait_until(lambda: _port(log) is not None, "its port is printed")
            with grpc.insecure_channel(f"127.0.0.1:{_port(log)}") as channel:
                yield Plugin(process, channel)
