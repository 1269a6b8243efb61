"""Serve the plugin: print the port on standard output, and end with the engine.

python -u -m local.standins.kubernetes [ADDRESS OF THE ENGINE]
"""

import os
import signal
import sys
from concurrent import futures

import grpc

from local.standins.kubernetes.protocol import provider_pb2_grpc
from local.standins.kubernetes.provider import Provider

THREADS = 256
"""How many requests are worked on at once; one that waits for a pod holds its thread."""

LARGEST_MESSAGE = 400 * 1024 * 1024
"""Bytes; the engine's own limit."""


def main() -> None:
    """Serve until the process that started this one is gone."""
    # Ctrl-C in a terminal goes to the engine, which cancels its plugins in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    started_by = os.getppid()
    server = grpc.server(
        futures.ThreadPoolExecutor(THREADS),
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
        ],
    )
    address = sys.argv[1] if len(sys.argv) > 1 else None
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(address), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while server.wait_for_termination(timeout=1) and os.getppid() == started_by:
        pass
    server.stop(grace=None)


if __name__ == "__main__":
    main()
