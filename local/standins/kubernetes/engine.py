"""What the plugin tells the engine while it works, shown beside the resource."""

import grpc

from local.standins.kubernetes.protocol import engine_pb2, engine_pb2_grpc


class Engine:
    """The engine that started the plugin; without an address nobody listens."""

    def __init__(self, address: str | None) -> None:
        channel = grpc.insecure_channel(address) if address else None
        self._stub = engine_pb2_grpc.EngineStub(channel) if channel else None

    def status(self, urn: str, text: str) -> None:
        """Show what a resource waits for; the next line replaces it."""
        self._log(urn, text, engine_pb2.INFO, ephemeral=True)

    def warn(self, urn: str, text: str) -> None:
        """Leave a warning."""
        self._log(urn, text, engine_pb2.WARNING, ephemeral=False)

    def _log(
        self, urn: str, text: str, severity: "engine_pb2.LogSeverity.ValueType", *, ephemeral: bool
    ) -> None:
        if self._stub is None:
            return
        request = engine_pb2.LogRequest(
            severity=severity, message=text, urn=urn, ephemeral=ephemeral
        )
        try:
            self._stub.Log(request, timeout=10)
        except grpc.RpcError:  # an engine that is on its way out
            return
