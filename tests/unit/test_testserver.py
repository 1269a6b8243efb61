"""The version of an app that tests tell to misbehave."""

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

import pytest
import requests

from local.cache import go_build
from tests.e2e.cluster import SERVER
from tests.harness.processes import free_port, running

Ports = tuple[int, int]


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Of the version and of its control."""
    app, control = free_port(), free_port()
    program = go_build("testserver", SERVER, ["."]) / "testserver"
    addresses = [f"127.0.0.1:{port}" for port in (app, control)]
    log = tmp_path_factory.mktemp("testserver") / "log"
    env = {"TARGET_WORLD": "two", "POD_IP": "192.0.2.1"}
    with running([program, "trouble", *addresses], log, env=env) as process:
        process.wait_until(lambda: "listening on" in log.read_text(), "it serves")
        process.wait_until(lambda: _ready(control), "it is ready")
        yield app, control


def _ready(control: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{control}/", timeout=60).text == "ready\n"
    except requests.ConnectionError:
        return False


def become(ports: Ports, mode: str) -> int:
    return requests.post(f"http://127.0.0.1:{ports[1]}/as/{mode}", timeout=60).status_code


def ask(ports: Ports, timeout: float = 60) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", ports[0], timeout=timeout)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("refuse", ConnectionRefusedError),
        ("reset", ConnectionResetError),
        ("break", (ConnectionResetError, HTTPException)),
    ],
)
def test_a_version_misbehaves_stays_ready_and_recovers(
    ports: Ports, mode: str, error: type[Exception]
) -> None:
    assert become(ports, mode) == 200
    with pytest.raises(error):
        ask(ports)
    assert _ready(ports[1])
    assert become(ports, "answer") == 200
    assert ask(ports) == (200, "two (192.0.2.1)!")


def test_a_version_hangs_until_the_caller_hangs_up(ports: Ports) -> None:
    assert become(ports, "hang") == 200
    with pytest.raises(TimeoutError):
        ask(ports, timeout=0.5)
    become(ports, "answer")


def test_a_version_fails(ports: Ports) -> None:
    assert become(ports, "fail") == 200
    assert ask(ports)[0] == 500
    become(ports, "answer")


def test_a_mode_that_there_is_not_is_refused(ports: Ports) -> None:
    assert become(ports, "sulk") == 400
