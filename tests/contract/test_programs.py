"""The stand-ins as programs: what they say, what they take and refuse, how they end."""

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from local.standins import mesh_binaries
from mesh import linkerd, namerd, routers
from mesh.routers import Routing
from mesh.tls import Way
from tests.contract import stand_ins
from tests.contract.namerd_api import NamerdApi, until
from tests.contract.network import Network
from tests.contract.pair import Mesh
from tests.contract.stand_ins import StandIns, linkerd_config
from tests.contract.talk import Talker

pytestmark = pytest.mark.stand_ins

CONFIGS = {
    "namerd": namerd.config("linkerd"),
    "linkerd": routers.node_config(Routing("linkerd", way=Way.of("mutual", True, ""))),
}


def run(program: str, *arguments: str | Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a program that is expected to refuse to start."""
    return subprocess.run(
        [mesh_binaries() / program, *arguments],
        env={**os.environ, "POD_IP": "127.0.0.1", **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def refused(program: str, config: object, tmp_path: Path, **env: str) -> str:
    """The one line that a program ends with when it does not take its configuration."""
    file = tmp_path / "config.json"
    file.write_text(config if isinstance(config, str) else json.dumps(config))
    done = run(program, file, **env)
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix(f"{program}: {file}: ").strip()


def at(config: Any, *keys: str | int) -> Any:
    """An object inside a configuration."""
    for key in keys:
        config = config[key]
    return config


# Configuration


@pytest.mark.parametrize(
    ("program", "keys", "where"),
    [
        ("namerd", (), ""),
        ("namerd", ("admin",), "admin: "),
        ("namerd", ("namers", 0), "namers[0]: "),
        ("namerd", ("storage",), "storage: "),
        ("namerd", ("interfaces", 1), "interfaces[1]: "),
        ("linkerd", (), ""),
        ("linkerd", ("admin",), "admin: "),
        ("linkerd", ("usage",), "usage: "),
        ("linkerd", ("telemetry", 0), "telemetry[0]: "),
        ("linkerd", ("routers", 0), "routers[0]: "),
        ("linkerd", ("routers", 0, "interpreter"), "routers[0].interpreter: "),
        ("linkerd", ("routers", 0, "interpreter", "retry"), "routers[0].interpreter.retry: "),
        ("linkerd", ("routers", 1, "identifier"), "routers[1].identifier: "),
        (
            "linkerd",
            ("routers", 0, "interpreter", "transformers", 0),
            "routers[0].interpreter.transformers[0]: ",
        ),
        ("linkerd", ("routers", 2, "servers", 0), "routers[2].servers[0]: "),
        ("linkerd", ("routers", 0, "service"), "routers[0].service: "),
        (
            "linkerd",
            ("routers", 0, "service", "responseClassifier"),
            "routers[0].service.responseClassifier: ",
        ),
        ("linkerd", ("routers", 0, "bindingCache"), "routers[0].bindingCache: "),
        ("linkerd", ("routers", 0, "client", "tls"), "routers[0].client.tls: "),
        (
            "linkerd",
            ("routers", 0, "client", "hostConnectionPool"),
            "routers[0].client.hostConnectionPool: ",
        ),
        ("linkerd", ("routers", 1, "servers", 1, "tls"), "routers[1].servers[1].tls: "),
    ],
)
def test_an_unknown_key_at_any_level_is_refused(
    program: str, keys: tuple[str | int, ...], where: str, tmp_path: Path
) -> None:
    config = deepcopy(CONFIGS[program])
    at(config, *keys)["suprise"] = 1
    assert refused(program, config, tmp_path) == f'{where}unknown key "suprise"'


@pytest.mark.parametrize(
    ("program", "keys", "value", "expected"),
    [
        ("namerd", ("admin", "port"), "high", 'port must be a whole number, not "high"'),
        ("namerd", ("admin", "port"), 70000, "admin: port must be a port number, not 70000"),
        ("namerd", ("interfaces",), [], "interfaces is missing or empty"),
        ("namerd", ("storage", "kind"), "io.l5d.zk", 'kind "io.l5d.zk" is not one of'),
        ("namerd", ("namers", 0, "labelSelector"), "x", 'does not know "labelSelector"'),
        ("namerd", ("interfaces", 0, "tls"), {}, 'does not know "tls"'),
        ("linkerd", ("routers", 0, "interpreter", "tls"), {}, 'does not know "tls"'),
        ("linkerd", ("routers",), None, "routers is missing or empty"),
        ("linkerd", ("routers", 0, "protocol"), "h2", 'protocol "h2" is not done'),
        ("linkerd", ("routers", 0, "servers"), [], "servers is missing or empty"),
        ("linkerd", ("routers", 0, "dtab"), "/a = /b", "routers[0]: dtab: '>' expected"),
        ("linkerd", ("routers", 0, "interpreter", "dst"), "/srv/namerd", "dst must be /$/inet/"),
        ("linkerd", ("routers", 0, "interpreter"), None, "interpreter is missing"),
        (
            "linkerd",
            ("routers", 1, "identifier", "kind"),
            "io.l5d.path",
            "is not one of io.l5d.hea",
        ),
        (
            "linkerd",
            ("routers", 2, "interpreter", "retry"),
            {"baseSeconds": 9, "maxSeconds": 5},
            "retry: illegal retry values: baseSeconds=9 maxSeconds=5",
        ),
        (
            "linkerd",
            ("routers", 2, "interpreter", "retry"),
            {"maxSeconds": 5},
            "retry: illegal retry values: baseSeconds=0 maxSeconds=5",
        ),
        (
            "linkerd",
            ("routers", 0, "client", "hostConnectionPool", "maxSize"),
            0,
            "hostConnectionPool: illegal sizes: maxSize=0",
        ),
        (
            "linkerd",
            ("routers", 0, "client", "hostConnectionPool", "minSize"),
            1,
            'does not know "minSize"',
        ),
        ("linkerd", ("routers", 0, "client", "tls", "commonName"), None, "commonName is missing"),
        ("linkerd", ("routers", 1, "servers", 1, "tls", "keyPath"), None, "keyPath is missing"),
        (
            "linkerd",
            ("routers", 1, "servers", 1, "tls", "requireClientAuth"),
            True,
            "caCertPath is missing",
        ),
        (
            "linkerd",
            ("routers", 0, "interpreter", "transformers"),
            [{"kind": "io.l5d.port"}],
            "transformers[0]: port is missing",
        ),
    ],
)
def test_a_wrong_value_is_named(
    program: str, keys: tuple[str | int, ...], value: object, expected: str, tmp_path: Path
) -> None:
    config = deepcopy(CONFIGS[program])
    at(config, *keys[:-1])[keys[-1]] = value
    assert expected in refused(program, config, tmp_path)


def test_what_is_not_json_is_refused(tmp_path: Path) -> None:
    assert "must be an object in JSON" in refused("namerd", "storage:\n  kind: x\n", tmp_path)
    assert "is not JSON" in refused("namerd", '{"storage": }', tmp_path)


def test_a_missing_file_is_refused() -> None:
    done = run("linkerd", "/no/such/config")
    assert (done.returncode, done.stderr) == (
        1,
        "linkerd: open /no/such/config: no such file or directory\n",
    )


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["-x"]])
def test_other_arguments_than_one_file_are_refused(arguments: list[str]) -> None:
    done = run("namerd", *arguments)
    assert (done.returncode, done.stderr) == (64, "usage: namerd CONFIG_FILE\n")


WINDOW = linkerd.WINDOW_FLAG.partition("=")[0]


def test_a_flag_that_is_not_known_is_refused() -> None:
    done = run("linkerd", "-no.such.flag=1", "config.json")
    assert (done.returncode, done.stderr) == (64, "usage: linkerd CONFIG_FILE\n")


@pytest.mark.parametrize("value", ["", "ten", "10", "10s", "0.seconds"])
def test_a_window_that_is_no_duration_is_refused(value: str) -> None:
    done = run("linkerd", f"{WINDOW}={value}", "config.json")
    assert done.returncode == 1
    assert done.stderr.startswith(f'linkerd: flag {WINDOW}: "{value}" ')
    assert done.stderr.count("\n") == 1


def test_the_localnode_transformer_needs_the_pods_address(tmp_path: Path) -> None:
    said = refused("linkerd", CONFIGS["linkerd"], tmp_path, POD_IP="")
    assert said.endswith("POD_IP env variable must be set to the pod's IP")


@pytest.mark.parametrize("program", ["namerd", "linkerd"])
def test_a_port_in_use_is_named(world: StandIns, program: str) -> None:
    if program == "namerd":
        config = namerd.config("linkerd")
        config["admin"]["ip"] = stand_ins.NAMERD
        config["interfaces"] = [
            {"kind": "io.l5d.httpController", "ip": stand_ins.NAMERD, "port": 4180}
        ]
    else:
        config = linkerd_config(stand_ins.L5D, stand_ins.NAMERD)
    file = world.config(config)
    done = world.network.run(lambda: run(program, file))
    assert done.returncode == 1
    assert done.stderr.endswith(": bind: address already in use\n")


# Defaults


@pytest.fixture
def elsewhere() -> Iterator[Network]:
    """A network on which no port is taken."""
    network = Network()
    yield network
    network.close()


def test_namerd_serves_where_the_real_one_does(world: StandIns, elsewhere: Network) -> None:
    """The HTTP API on loopback alone, unless told otherwise."""
    kinds = ["io.l5d.httpController", "io.l5d.thriftNameInterpreter", "io.l5d.mesh"]
    config = {
        "storage": {"kind": "io.l5d.inMemory", "namespaces": {"default": "/svc => /host"}},
        "interfaces": [{"kind": kind} for kind in kinds],
    }
    process = world.start("namerd", world.config(config), network=elsewhere)
    assert [line.rpartition(" ")[2] for line in process.last_lines().splitlines()[1:-1]] == [
        "127.0.0.1:4180",
        "[::]:4100",
        "[::]:4321",
        "[::]:9991",
    ]
    served = NamerdApi(Talker("http://127.0.0.1:4180", elsewhere.connect))
    assert served.read("default") == "/svc=>/host"
    process.end()


def test_linkerd_serves_where_the_real_one_does(world: StandIns, elsewhere: Network) -> None:
    interpreter = {"kind": "io.l5d.namerd", "dst": "/$/inet/127.0.0.1/4100"}
    router = {"protocol": "http", "interpreter": interpreter, "servers": [{}]}
    process = world.start("linkerd", world.config({"routers": [router]}), network=elsewhere)
    assert "serving router http on 127.0.0.1:4140" in process.last_lines()
    admin = Talker("http://127.0.0.1:9990", elsewhere.connect)
    assert admin.get("/admin/ping").text == "pong"
    assert admin.get("/admin/metrics/prometheus").status == 404  # only where it is asked for
    process.end()


# Running


@pytest.mark.parametrize("program", ["namerd", "linkerd", "helloworld"])
def test_each_program_says_that_it_stands_in(world: StandIns, program: str) -> None:
    logs = list(world.folder.glob(f"{program}-*.log"))
    assert logs
    for log in logs:
        first = log.read_text().splitlines()[0]
        assert first.startswith(f"{program}: a stand-in for ")
        assert first.endswith(", not the real program")


def test_no_answer_tells_what_program_gave_it(mesh: Mesh, external: Talker) -> None:
    """They behave as the real ones, which name no server."""
    for answer in (
        external.get("/", {"Host": "hello"}),
        mesh.namerd.talker.get("/api/1/dtabs"),
        mesh.admin.get("/admin/ping"),
    ):
        assert answer.status == 200
        assert "server" not in answer.headers


def test_namerds_admin_answers_pings_and_has_a_page(world: StandIns) -> None:
    admin = world.talker(stand_ins.NAMERD, 9991)
    assert admin.get("/admin/ping").text == "pong"
    assert "<title>namerd admin</title>" in admin.get("/").text
    assert admin.get("/no/such/page").status == 404


class HeldPod:
    """A pod that answers the one request it gets when it is told to."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.asked = threading.Event()
        self.answer = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with self._listener, connection:
            connection.recv(1 << 16)
            self.asked.set()
            self.answer.wait()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_linkerd_after_the_requests_under_way(
    world: StandIns, mesh: Mesh, tmp_path: Path, number: signal.Signals
) -> None:
    address, node = world.address(), world.address()
    pod = HeldPod(world.network.run(lambda: socket.create_server((address, 7778))))
    world.endpoints("held", [address], 7778)
    command = [mesh_binaries() / "linkerd", world.config(linkerd_config(node, stand_ins.NAMERD))]
    log = tmp_path / "linkerd.log"
    with log.open("w") as output:
        env = {**os.environ, "POD_IP": node}
        process = world.network.run(lambda: subprocess.Popen(command, stdout=output, env=env))
    assert until(log.read_text, lambda text: "is ready" in text).endswith("is ready\n")
    router = world.talker(node, 4141)
    connection = router.connection(60)
    connection.request("GET", "/", headers=dict(mesh.chosen("held")))
    assert pod.asked.wait(60)
    process.send_signal(number)
    until(lambda: _refuses(router), bool)
    pod.answer.set()
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"ok")
    connection.close()
    assert process.wait(60) == 0


def _refuses(router: Talker) -> bool:
    try:
        router.connection(5).close()
    except OSError:
        return True
    return False
