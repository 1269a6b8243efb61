"""A resource plugin that takes every resource, of any package, for made.

Run as `python -u -m tests.harness.agreeable`; for tests of what happens around resources, where
nothing has to be behind them. A created resource gives its inputs back, and `made`, which a preview
does not know.
"""

import signal
import threading
import uuid
from concurrent import futures
from typing import Any

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc


class Agreeable(provider_pb2_grpc.ResourceProviderServicer):
    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version="0.0.1")

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.DiffResponse()

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        olds = {key: value for key, value in request.olds.items() if key != "made"}
        some = olds != dict(request.news.items())
        changes = provider_pb2.DiffResponse.DIFF_SOME if some else None
        return provider_pb2.DiffResponse(changes=changes or provider_pb2.DiffResponse.DIFF_NONE)

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        made = _made(request.properties)
        return provider_pb2.CreateResponse(id=uuid.uuid4().hex, properties=made)

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.UpdateResponse(properties=_made(request.news))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()


def _made(inputs: struct_pb2.Struct) -> struct_pb2.Struct:
    outputs = struct_pb2.Struct()
    outputs.CopyFrom(inputs)
    outputs["made"] = "registry.example/made"
    return outputs


def main() -> None:
    """Serve until the engine ends this process."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    server = grpc.server(futures.ThreadPoolExecutor(16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Agreeable(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    ended.wait()
    server.stop(grace=None)


if __name__ == "__main__":
    main()
