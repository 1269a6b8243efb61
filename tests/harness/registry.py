"""A registry on loopback that publishes one image, or that never answers."""

import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@contextmanager
def registry(archive: Path, repository: str) -> Iterator[str]:
    """Publish the image of an archive (OCI layout) under every tag of a repository; host:port.

    It speaks the reading half of the OCI distribution protocol; anything else is 404.
    """
    with tarfile.open(archive) as layout:
        blobs = {
            f"sha256:{Path(member.name).name}": layout.extractfile(member).read()  # type: ignore[union-attr]
            for member in layout
            if member.isfile() and member.name.startswith("blobs/")
        }
        index: dict[str, Any] = json.load(layout.extractfile("index.json"))  # type: ignore[arg-type]
    manifest = index["manifests"][0]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(self.path)

        def do_HEAD(self) -> None:
            self._answer(self.path)

        def _answer(self, path: str) -> None:
            found, kind = b"", "application/octet-stream"
            if path.startswith(f"/v2/{repository}/manifests/"):
                found, kind = blobs[manifest["digest"]], manifest["mediaType"]
            elif path.startswith(f"/v2/{repository}/blobs/"):
                found = blobs.get(path.rpartition("/")[2], b"")
            self.send_response(200 if found or path == "/v2/" else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(found)))
            self.send_header("Docker-Content-Digest", manifest["digest"])
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(found)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class SilentRegistry:
    """A registry that takes connections and never answers."""

    def __init__(self, listening: socket.socket) -> None:
        self.host = f"127.0.0.1:{listening.getsockname()[1]}"
        self._listening = listening
        self._taken: list[socket.socket] = []

    @property
    def connections(self) -> int:
        """How often it has been connected to."""
        self._listening.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self._taken.append(self._listening.accept()[0])
        return len(self._taken)

    def close(self) -> None:
        for connection in self._taken:
            connection.close()


@contextmanager
def silent_registry() -> Iterator[SilentRegistry]:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        silent = SilentRegistry(listening)
        yield silent
        silent.close()
