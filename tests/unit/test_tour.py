"""What `make up` shows at its end, and when it moves the canary."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests

from local import node, stack, tour
from local.whole import Part


@pytest.fixture
def url() -> Iterator[str]:
    """A server that answers as somebody's own edge may."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"shop v2\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_services_of_ones_own_are_shown_and_not_moved(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    split = {"/host/shop": {"/srv/shop-v1": 70.0, "/srv/shop-v2": 30.0}}
    admin = {"portForward": "f", "linkerdAdmin": "l", "namerdAdmin": "n"}
    monkeypatch.setattr(node, "session", requests.Session)  # there need be no nodes
    monkeypatch.setattr(stack, "outputs", lambda: {"url": url, "split": split, **admin})
    monkeypatch.setattr(stack, "config", lambda: {"services": "{}"})
    monkeypatch.setattr(stack, "pulumi", lambda *arguments: pytest.fail(str(arguments)))
    tour.show([Part("pulumi", "built", real=True)])
    shown = capsys.readouterr().out
    assert f"{url} answers:\nshop v2\n/host/shop: /srv/shop-v1 70 %, /srv/shop-v2 30 %\n" in shown


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The `pulumi` commands that the tour gives on a stack that answers."""
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(tour, "answers", lambda url, count: ["Hello (1.1) world (1.2)!!"] * count)
    split = {"/host/world": {"/srv/world-v1": 100.0, "/srv/world-v2": 0.0}}
    monkeypatch.setattr(stack, "outputs", lambda: {"split": split})
    monkeypatch.setattr(stack, "pulumi", lambda *arguments: commands.append(arguments))
    return commands


@pytest.mark.parametrize(
    ("config", "weight"),
    [({}, "10"), ({"maxWeightStep": 5}, "5"), ({"maxWeightStep": "2.5"}, "2.5")],
)
def test_the_canary_is_moved_where_no_weight_was_ever_set(
    given: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    config: dict[str, Any],
    weight: str,
) -> None:
    monkeypatch.setattr(stack, "config", lambda: config)
    tour._show_traffic("http://198.18.64.1")
    assert given == [
        ("config", "set", "canaryWeight", weight),
        ("preview", "--diff"),
        ("up", "--yes", "--skip-preview"),
    ]


@pytest.mark.parametrize("weight", [0, "0", 30])
def test_a_weight_that_was_set_stays(
    given: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    weight: object,
) -> None:
    monkeypatch.setattr(stack, "config", lambda: {"canaryWeight": weight})
    tour._show_traffic("http://198.18.64.1")
    assert given == []
    said = "Of 500 requests 500 went to world-v1 and 0 to world-v2: 0.0 %, by a weight of 0 %."
    assert said in capsys.readouterr().out
