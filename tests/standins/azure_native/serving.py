"""How a stand-in plugin is served: it prints its port, and ends with the engine."""

import os
import signal
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

THREADS = 256
"""How many requests are worked on at once; one that waits for a pod holds its thread."""

LARGEST_MESSAGE = 400 * 1024 * 1024
"""Bytes; the engine's own limit."""


def serve(provider: provider_pb2_grpc.ResourceProviderServicer) -> None:
    """Serve until the engine ends this process, or is itself gone."""
    # The engine ends its plugins by an interrupt, and waits five seconds for those that ignore it.
    # Ctrl-C in a terminal does not come here: a plugin is in a process group of its own.
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    started_by = os.getppid()
    server = grpc.server(
        futures.ThreadPoolExecutor(THREADS),
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while not ended.wait(timeout=1) and os.getppid() == started_by:
        pass
    server.stop(grace=None)
    # Not the ordinary end: that waits for every thread, and one may be waiting for a pod.
    os._exit(0)
