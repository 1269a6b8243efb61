"""canary.rollout.notify: what a webhook is told of a rollout."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from canary.rollout import running
from canary.rollout.events import Begun, InForce
from canary.rollout.machine import Rollout, Taken
from canary.rollout.notify import notifying
from tests.unit.test_canary_commands import stack
from tests.unit.test_rollout_machine import PLAN


class Hook:
    """A webhook that writes down what it is told."""

    def __init__(self, url: str) -> None:
        self.url, self.status, self.told = url, 200, list[dict[str, object]]()


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(found.status)
            if 300 < found.status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Hook(f"http://127.0.0.1:{server.server_address[1]}/secret")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


def a_step() -> Taken:
    return Rollout.of(PLAN).take(Begun(1, 0)).rollout.take(InForce(2, 10))


def test_a_webhook_is_told_in_flaggers_form(hook: Hook) -> None:
    with notifying(hook.url) as notifier:
        assert notifier
        notifier.tell(a_step(), 1764143000.5)
    text = "Step 1/3: 10 % to world-v2 for 1 min."
    assert hook.told == [
        {
            "name": "world-v2",
            "namespace": "world",
            "phase": "Progressing",
            "metadata": {
                "eventMessage": text,
                "eventType": "Normal",
                "timestamp": "1764143000500",
            },
            "text": text,
            "weight": 10,
            "verdict": "no data",
            "baseline": {"requests": 0, "failures": 0},
            "canary": {"requests": 0, "failures": 0},
        }
    ]


@pytest.mark.parametrize("status", [301, 302, 304, 307, 404, 500])
def test_what_cannot_be_sent_is_one_line(
    status: int, hook: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.status = status
    with notifying(hook.url) as notifier:
        assert notifier
        for _ in range(3):
            notifier.tell(a_step(), 0)
    said = f"The notification could not be sent: it answers {status}.\n"
    assert capsys.readouterr().out == said
    # A client that follows a 301 would have asked with GET, which is no notification.
    assert len(hook.told) == 3


def test_a_webhook_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with notifying("http://127.0.0.1:1/secret") as notifier:
        assert notifier
        notifier.tell(a_step(), 0)
    assert capsys.readouterr().out == "The notification could not be sent: ConnectionError.\n"


def test_a_url_that_the_client_cannot_use(capsys: pytest.CaptureFixture[str]) -> None:
    """The error of a library below is no reason to end the thread."""
    with notifying(f"http://{'a' * 64}.example.com/secret") as notifier:
        assert notifier
        notifier.tell(a_step(), 0)
        notifier.tell(a_step(), 0)
    assert capsys.readouterr().out == "The notification could not be sent: LocationParseError.\n"


def test_a_terminal_that_is_gone_ends_no_notifications(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    hook.status = 500
    with notifying(hook.url) as notifier:
        assert notifier
        for _ in range(2):
            notifier.tell(a_step(), 0)
    assert len(hook.told) == 2


def test_a_webhook_is_told_although_the_terminal_is_gone(hook: Hook) -> None:
    class Gone:
        def show(self, *_: object) -> None:
            raise BrokenPipeError

    with notifying(hook.url) as notifier:
        tell = running.telling(Gone(), notifier)
        for _ in range(2):
            with pytest.raises(BrokenPipeError):
                tell(a_step(), stack(), None)
    assert len(hook.told) == 2


def test_without_a_url_nothing_is_sent() -> None:
    with notifying(None) as notifier:
        assert notifier is None
