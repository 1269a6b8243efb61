"""Requests of our own to a split, for a canary that gets too few of others to be judged.

They take the way that callers' requests do: to the outgoing router of each linkerd in turn, by a
connection that the API server forwards. What they meet is seen where all requests are, in the
counters of the linkerds.
"""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from canary.errors import CanaryError
from canary.forwarding import Forwarder, forwarder_of
from canary.stack.split import Split
from dynamic.inputs import Linkerds
from dynamic.linkerds import Pod, ready_pods
from kube.api import Api
from kube.errors import OneLineError
from mesh.routers import OUTGOING

PREFIX = "/host/"
"""Of the names in the routing table that are callers' names of hosts."""

MOST = 200.0
"""Requests a second: all of them go through the API server."""

SENDERS = 4
"""For each linkerd: as many requests may wait for their answers."""

SECONDS = 15.0
"""How long an answer is waited for: longer than linkerd itself does by default."""

_AGAIN_SECONDS = 2.0
"""Until a linkerd that could not be reached is tried again, and the linkerds are listed anew."""


@contextmanager
def loading(api: Api, split: Split, per_second: float | None) -> Iterator[None]:
    """Send so many requests a second until the end; none where that is None. Raises CanaryError."""
    if not per_second:
        yield
        return
    way = split.ways[0]
    if not way.prefix.startswith(PREFIX):
        raise CanaryError(f"--load: nobody calls {way.prefix}, which is no {PREFIX}NAME")
    target = way.table.target
    with forwarder_of(target.kubeconfig, target.context) as forwarding:
        load = Load(api, forwarding, way.table.linkerds, way.prefix.removeprefix(PREFIX))
        load.start(per_second)
        try:
            yield
        finally:
            load.end()


class Tickets:
    """When each request is to be sent. Those that nobody was free for are not made up for."""

    def __init__(self, per_second: float) -> None:
        self._pause = 1 / per_second
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def take(self) -> float:
        """The time of the next request, on the monotonic clock."""
        with self._lock:
            at = max(self._next, time.monotonic() - self._pause)
            self._next = at + self._pause
            return at


class Load:
    """Senders, some for each linkerd."""

    def __init__(self, api: Api, forwarding: Forwarder, linkerds: Linkerds, host: str) -> None:
        self._api, self._forwarding = api, forwarding
        self._linkerds, self._host = linkerds, host
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._turn = 0
        self._pods: list[Pod] = []
        self._listed = 0.0
        self._said: set[str] = set()

    def start(self, per_second: float) -> None:
        """Begin. Raises CanaryError where no linkerd can be reached."""
        pods = self._list()
        if not pods:
            where = f"{self._linkerds.selector} in {self._linkerds.namespace}"
            raise CanaryError(f"--load: no linkerd is ready ({where})")
        with self._connection(pods[0]):
            pass
        tickets = Tickets(per_second)
        for _ in range(SENDERS * len(pods)):
            thread = threading.Thread(target=self._send, args=(tickets,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        """Send no more. What waits for an answer is left to its time."""
        self._ended.set()

    def _send(self, tickets: Tickets) -> None:
        while not self._ended.is_set():
            try:
                with self._connection(self._next_pod()) as connection:
                    self._requests(connection, tickets)
            except (CanaryError, OneLineError) as error:
                self._say(str(error))
                self._ended.wait(_AGAIN_SECONDS)
            except (OSError, http.client.HTTPException):
                # The connection was closed under a request: linkerd was rolled, say.
                continue

    def _requests(self, connection: http.client.HTTPConnection, tickets: Tickets) -> None:
        while not self._ended.wait(max(0.0, tickets.take() - time.monotonic())):
            connection.request("GET", "/", headers={"Host": self._host})
            answer = connection.getresponse()
            answer.read()
            if answer.will_close:
                return

    @contextmanager
    def _connection(self, pod: Pod) -> Iterator[http.client.HTTPConnection]:
        with ExitStack() as stack:
            namespace = self._linkerds.namespace
            sock = stack.enter_context(self._forwarding.connection(namespace, pod.name, OUTGOING))
            sock.settimeout(SECONDS)
            yield _Forwarded(sock)

    def _next_pod(self) -> Pod:
        with self._lock:
            if time.monotonic() - self._listed > _AGAIN_SECONDS:
                with suppress(OneLineError):
                    self._pods = self._list()
            if not self._pods:
                raise CanaryError("no linkerd is ready")
            self._turn += 1
            return self._pods[self._turn % len(self._pods)]

    def _list(self) -> list[Pod]:
        try:
            self._pods = list(ready_pods(self._api, self._linkerds))
        except OneLineError as error:
            raise CanaryError(f"--load: {error}") from None
        self._listed = time.monotonic()
        return self._pods

    def _say(self, problem: str) -> None:
        with self._lock:
            if problem not in self._said:
                self._said.add(problem)
                print(f"The load cannot be sent: {problem}.", flush=True)


class _Forwarded(http.client.HTTPConnection):
    """HTTP over a connection that is there."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__("forwarded")
        self.sock = sock
        self.auto_open = 0
