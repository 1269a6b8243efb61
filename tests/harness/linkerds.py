"""Stand-ins for linkerd's admin page, as many as a test wants: pods that show what they follow."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from canary.counters import page
from tests.harness import counters
from tests.harness.apiserver import ApiServer

Shares = Mapping[str, float]

_ADDRESSES = "203.0.113."  # of TEST-NET-3 (RFC 5737)


class StandInLinkerds:
    """Ready pods `l5d-0`, `l5d-1`, …, each on a node of its own, all behind one port of loopback.

    Whom a request is for is told by the path that the API server was asked for, in
    `X-Forwarded-Uri`, or by that which Prometheus was told to scrape: `scraped`.
    """

    def __init__(self, api: ApiServer, namespace: str, port: int) -> None:
        self._api = api
        self._namespace = namespace
        self._port = port
        self.pages: dict[str, Any] = {}
        """What each shows, by pod; `{}` where it has not been asked for a name."""
        self.counters: dict[str, Callable[[], str]] = {}
        """What gives the counters of each, by pod; a page without any by default."""
        self.pods: list[str] = []
        """Those started so far."""
        self.asked: list[str] = []
        """The pods asked so far."""

    @property
    def inputs(self) -> dict[str, str]:
        """The input `linkerds` of a Dtab that they follow."""
        return {
            "namespace": self._namespace,
            "selector": "app=l5d",
            "router": "outgoing",
            "port": str(self._port),
        }

    def scraped(self, pod: str) -> tuple[str, str]:
        """Where Prometheus finds the counters of one: a host with a port, and a path."""
        return f"127.0.0.1:{self._port}", f"/pods/{pod}:{self._port}{page.PATH}"

    def start(self, number: int) -> None:
        """Make so many pods."""
        self.pods = names = [f"l5d-{i}" for i in range(number)]
        self._api.apply(*(self._pod(name) for name in names))
        self._set_status(*(self._status(name, ready=True) for name in names))

    def set_ready(self, name: str, ready: bool = True) -> None:
        """Make one ready or not."""
        self._set_status(self._status(name, ready))

    def _pod(self, name: str) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self._namespace, "labels": {"app": "l5d"}}
        node = f"node-{name.rpartition('-')[2]}"
        spec = {"nodeName": node, "containers": [{"name": "l5d", "image": "none"}]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def _status(self, name: str, ready: bool) -> dict[str, Any]:
        address = f"{_ADDRESSES}{int(name.rpartition('-')[2]) + 1}"
        condition = {"type": "Ready", "status": str(ready)}
        status = {"podIP": address, "podIPs": [{"ip": address}], "phase": "Running"}
        return {**self._pod(name), "status": {**status, "conditions": [condition]}}

    def _set_status(self, *pods: dict[str, Any]) -> None:
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(pods)})
        how = ("--server-side", "--subresource=status", "--force-conflicts")
        self._api.kubectl("apply", *how, "-f", "-", given=listed)

    def end(self) -> None:
        """Delete all pods."""
        where = ("-n", self._namespace, "--force", "--grace-period=0")
        self._api.kubectl("delete", "pod", "-l", "app=l5d", *where)

    def follow(self, pod: str, name: str, shares: Shares) -> None:
        """Have one show that it routes a name so."""
        self.pages[pod] = {
            "bind": {name: {"": {"state": {"running": True, "value": tree(shares)}}}}
        }


def tree(shares: Shares) -> Any:
    """A bound tree as the page has it."""
    leaves = [
        {"weight": share, "tree": {"value": {"id": name, "path": "/"}}}
        for name, share in shares.items()
    ]
    return leaves[0]["tree"] if len(leaves) == 1 else {"trees": leaves}


@contextmanager
def stand_in_linkerds(api: ApiServer, namespace: str) -> Iterator[StandInLinkerds]:
    """Serve the pages of pods yet to be started; all is gone afterwards."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["X-Forwarded-Uri"] or self.path
            pod = asked.partition("/pods/")[2].partition(":")[0]
            with lock:
                found.asked.append(pod)
                if asked.endswith(page.PATH):
                    self._answer(200, found.counters.get(pod, counters.page)(), "text/plain")
                    return
                shown = found.pages.get(pod, {})
            status = 200 if isinstance(shown, dict) else shown
            self._answer(status, json.dumps(shown if status == 200 else {}), "application/json")

        def _answer(self, status: int, text: str, kind: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = StandInLinkerds(api, namespace, server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield found
        finally:
            found.end()
            server.shutdown()
