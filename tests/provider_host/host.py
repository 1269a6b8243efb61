"""The process that serves dynamic providers, and its calls."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import grpc
from google.protobuf import json_format, struct_pb2
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime import proto
from pulumi.runtime.proto import provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

Properties = Mapping[str, Any]

Provider = ResourceProvider | str
"""A provider, or one as it is pickled in a state."""

CALL_SECONDS = 300
_STARTED_SECONDS = 300


class CallError(Exception):
    """What the engine is told when a provider's method raises; `str` is the text a person sees."""


@dataclass(frozen=True)
class Checked:
    """The answer of `check`: the inputs to go on with, and (property, reason) of each failure."""

    inputs: dict[str, Any]
    failures: list[tuple[str, str]]


@dataclass(frozen=True)
class Diff:
    """The answer of `diff`. `changes` is None where the provider does not say."""

    changes: bool | None
    replaces: list[str]
    delete_before_replace: bool


class ProviderHost:
    """The running host of dynamic providers. Its calls may be made from several threads."""

    def __init__(self, process: subprocess.Popen[str], port: int, said: list[str]) -> None:
        self.process = process
        self.said = said
        """The lines it has written so far, to either output."""
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)

    def check(self, provider: Provider, olds: Properties, news: Properties) -> Checked:
        """Values that are not known yet are given as UNKNOWN."""
        request = proto.CheckRequest(olds=_struct(olds), news=_struct(news, provider))
        answer = self._call("Check", request)
        failures = [(failure.property, failure.reason) for failure in answer.failures]
        return Checked(_dict(answer.inputs), failures)

    def diff(self, provider: Provider, id_: str, olds: Properties, news: Properties) -> Diff:
        """`olds` are the outputs of the state, `news` checked inputs."""
        request = proto.DiffRequest(id=id_, olds=_struct(olds), news=_struct(news, provider))
        answer = self._call("Diff", request)
        some = proto.DiffResponse.DIFF_SOME
        changes = (
            None if answer.changes == proto.DiffResponse.DIFF_UNKNOWN else answer.changes == some
        )
        return Diff(changes, list(answer.replaces), answer.deleteBeforeReplace)

    def create(self, provider: Provider, news: Properties) -> tuple[str, dict[str, Any]]:
        """The id and the outputs."""
        answer = self._call("Create", proto.CreateRequest(properties=_struct(news, provider)))
        return answer.id, _dict(answer.properties)

    def read(
        self, provider: Provider, id_: str, state: Properties
    ) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
        """The id ("" where the object is gone), the outputs, and inputs if the provider has any."""
        request = proto.ReadRequest(id=id_, properties=_struct(state, provider))
        answer = self._call("Read", request)
        inputs = _dict(answer.inputs) if answer.HasField("inputs") else None
        return answer.id, _dict(answer.properties), inputs

    def update(
        self, provider: Provider, id_: str, olds: Properties, news: Properties
    ) -> dict[str, Any]:
        """The outputs."""
        request = proto.UpdateRequest(id=id_, olds=_struct(olds), news=_struct(news, provider))
        return _dict(self._call("Update", request).properties)

    def delete(self, provider: Provider, id_: str, state: Properties) -> None:
        """Delete the object."""
        self._call("Delete", proto.DeleteRequest(id=id_, properties=_struct(state, provider)))

    def close(self) -> None:
        """End the calls; the process is its owner's."""
        self._channel.close()

    def _call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._stub, method)(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            raise CallError(error.details()) from None


@contextmanager
def provider_host(
    engine: str = "127.0.0.1:1", module: str = "pulumi.dynamic", **environment: str
) -> Iterator[ProviderHost]:
    """Start the host, with more in its environment, and end it afterwards.

    `engine` is the address of the engine that it is told; the host itself never speaks to it.
    `module` is what runs: another one may prepare something and then run `pulumi.dynamic`. It finds
    the modules that this process finds.
    """
    with subprocess.Popen(
        [sys.executable, "-u", "-m", module, engine],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            port, said = _port(process.stdout)
            host = ProviderHost(process, port, said)
            yield host
            host.close()
        finally:
            process.kill()


def _port(output: IO[str]) -> tuple[int, list[str]]:
    """The port that the host prints first, and the list that what it prints later is put in."""
    said: list[str] = []
    started = threading.Event()

    def follow() -> None:
        for line in output:
            said.append(line.rstrip("\n"))
            started.set()
        started.set()

    threading.Thread(target=follow, daemon=True).start()
    if not started.wait(_STARTED_SECONDS) or not said or not said[0].isdigit():
        raise RuntimeError(f"the host of dynamic providers did not start: {said}")
    return int(said.pop(0)), said


def _struct(properties: Properties, provider: Provider | None = None) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(properties)
    if provider is not None:
        pickled = provider if isinstance(provider, str) else serialize_provider(provider)
        struct["__provider"] = pickled
    return struct


def _dict(struct: struct_pb2.Struct) -> dict[str, Any]:
    properties: dict[str, Any] = json_format.MessageToDict(struct)
    properties.pop("__provider", None)
    return properties


__all__ = ["UNKNOWN", "CallError", "Checked", "Diff", "ProviderHost", "provider_host"]
