"""What `make up` shows at its end of a stack with services of its own."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

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
