"""The API server that other tests are given is a real one, and leaves nothing behind."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.harness.apiserver import ApiServer
from tests.harness.apiserver import api_server as started_api_server
from tests.harness.waiting import wait_until


def test_rbac_decides_what_another_user_may_do(api_server: ApiServer) -> None:
    api_server.kubectl("create", "namespace", "harness-rbac")
    alice = api_server.kubeconfig_for("alice", ["developers"])
    as_alice = ("--kubeconfig", alice, "--namespace", "harness-rbac")

    with pytest.raises(RuntimeError, match=r'User "alice" cannot list resource "configmaps"'):
        api_server.kubectl("get", "configmaps", *as_alice)

    where = ("--namespace", "harness-rbac")
    api_server.kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps", *where)
    api_server.kubectl(
        "create", "rolebinding", "readers", "--role=reader", "--group=developers", *where
    )
    # RBAC learns of the binding by a watch.
    may_list = ("auth", "can-i", "list", "configmaps", *as_alice)
    wait_until(lambda: api_server.succeeds(*may_list), "alice may list")
    api_server.kubectl("get", "configmaps", *as_alice)


def test_a_service_account_token_names_its_identity(api_server: ApiServer) -> None:
    api_server.kubectl("create", "namespace", "harness-token")
    api_server.kubectl("create", "serviceaccount", "robot", "--namespace", "harness-token")
    token = api_server.service_account_token("harness-token", "robot")
    kubeconfig = api_server.kubeconfig_with("robot", {"token": token})

    said = api_server.kubectl("auth", "whoami", "--kubeconfig", kubeconfig)

    assert "system:serviceaccount:harness-token:robot" in said


def test_the_service_proxy_reaches_a_program_on_loopback(api_server: ApiServer) -> None:
    api_server.kubectl("create", "namespace", "harness-proxy")
    with _web_server("hello") as port:
        api_server.expose("harness-proxy", "web", {"http": port})
        with api_server.proxy() as base:
            path = "/api/v1/namespaces/harness-proxy/services/web:http/proxy/"
            answer = requests.get(base + path, timeout=60)

    assert (answer.status_code, answer.text) == (200, "hello")


def test_what_clients_ask_for_is_recorded(api_server: ApiServer) -> None:
    before = len(api_server.requests())

    api_server.kubectl("get", "namespaces")
    api_server.kubectl("create", "namespace", "harness-audit", "--dry-run=server")
    api_server.kubectl("create", "namespace", "harness-audit")

    # Of programs of other tests, which may just have ended, come the ends of their watches.
    path = "/api/v1/namespaces"
    namespaces = [r for r in api_server.requests()[before:] if r.path.partition("?")[0] == path]
    assert [(r.verb, r.writes, r.status) for r in namespaces] == [
        ("list", False, 200),
        ("create", False, 201),
        ("create", True, 201),
    ]


def test_a_namespace_is_deleted_with_what_it_holds(api_server: ApiServer) -> None:
    api_server.kubectl("create", "namespace", "harness-delete")
    where = ("--namespace", "harness-delete")
    api_server.kubectl("create", "configmap", "settings", *where)

    api_server.kubectl("delete", "namespace", "harness-delete", "--timeout=120s")

    with pytest.raises(RuntimeError, match="NotFound"):
        api_server.get("namespace", "harness-delete")


def test_nothing_is_left_of_a_server_that_ended() -> None:
    with started_api_server() as server:
        folder = server.folder
        assert _programs_in(folder)

    assert not folder.exists()
    assert not _programs_in(folder)


def _programs_in(folder: Path) -> list[int]:
    """The processes that run in this folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:  # it ended while we looked
            continue
    return found


@contextmanager
def _web_server(text: str) -> Iterator[int]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
