"""canary.rollout.load: requests of a rollout's own, over connections that a stand-in forwards."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from canary.errors import CanaryError
from canary.rollout import load
from canary.rollout.load import Load, Tickets
from canary.run import _rate
from dynamic.inputs import Linkerds
from dynamic.linkerds import Pod
from tests.harness.waiting import wait_until

LINKERDS = Linkerds("mesh", "app=l5d", "outgoing")


@dataclass
class StandInLinkerd:
    """Answers what comes to its outgoing router."""

    hosts: list[str] = field(default_factory=list)
    pods: list[str] = field(default_factory=list)
    port: int = 0
    closes: bool = False
    hangs: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.hangs.set()

    @contextmanager
    def connection(self, namespace: str, pod: str, port: int) -> Iterator[socket.socket]:
        assert (namespace, port) == ("mesh", 4140)
        self.pods.append(pod)
        with socket.create_connection(("127.0.0.1", self.port)) as found:
            yield found


@pytest.fixture
def linkerd() -> Iterator[StandInLinkerd]:
    found = StandInLinkerd()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found.hosts.append(self.headers["Host"])
            found.hangs.wait(60)
            self.send_response(502)
            self.send_header("Content-Length", "2")
            if found.closes:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"no")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        found.hangs.set()
        server.shutdown()


@pytest.fixture
def sent(linkerd: StandInLinkerd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    monkeypatch.setattr(load, "ready_pods", lambda *_: [Pod("l5d-0", "a"), Pod("l5d-1", "b")])
    found = Load(None, linkerd, LINKERDS, "world")  # type: ignore[arg-type]
    yield found
    found.end()


@pytest.mark.parametrize("closes", [False, True])
def test_requests_are_sent_to_each_linkerd_in_turn(
    linkerd: StandInLinkerd, sent: Load, closes: bool
) -> None:
    linkerd.closes = closes
    sent.start(50)
    wait_until(lambda: len(linkerd.hosts) >= 20, "20 requests")
    assert set(linkerd.hosts) == {"world"}
    assert set(linkerd.pods) == {"l5d-0", "l5d-1"}


def test_no_more_are_sent_than_asked_for(linkerd: StandInLinkerd, sent: Load) -> None:
    began = time.monotonic()
    sent.start(20)
    wait_until(lambda: len(linkerd.hosts) >= 20, "20 requests")
    # The first has its ticket at once, and each sender may have been given one too early by a turn.
    assert time.monotonic() - began >= (20 - 2) / 20
    sent.end()


def test_requests_without_answers_are_no_more_than_its_senders(
    linkerd: StandInLinkerd, sent: Load
) -> None:
    linkerd.hangs.clear()
    sent.start(200)
    waiting = 2 * load.SENDERS
    wait_until(lambda: len(linkerd.hosts) == waiting, "all senders wait")
    linkerd.hangs.set()
    wait_until(lambda: len(linkerd.hosts) > 3 * waiting, "they go on")


def test_what_was_missed_is_not_made_up_for() -> None:
    tickets = Tickets(10)
    tickets.take()
    tickets._next -= 100
    first = tickets.take()
    assert tickets.take() - first == pytest.approx(0.1)
    assert time.monotonic() - first < 50


def test_without_a_linkerd_it_says_so(sent: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "ready_pods", lambda *_: [])
    with pytest.raises(CanaryError, match="no linkerd is ready"):
        sent.start(1)


@pytest.mark.parametrize("text", ["20", "20/m", "0/s", "-1/s", "nan/s", "201/s", "x/s", ""])
def test_rates_that_are_none(text: str) -> None:
    with pytest.raises(Exception, match="requests a second"):
        _rate(text)
