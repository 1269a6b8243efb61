"""linkerd, namerd and apps as processes on a network of their own, beside a real API server."""

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.mesh import deployed
from local.errors import LocalError
from local.standins import mesh_binaries
from mesh import namerd, routers, routes
from mesh.tls import MUTUAL, OWN, Way
from tests.contract import stand_ins
from tests.contract.namerd_api import NamerdApi
from tests.contract.stand_ins import APPS_NAMESPACE, MESH_NAMESPACE, StandIns
from tests.contract.talk import Talker
from tests.harness.apiserver import ApiServer
from tests.harness.processes import EndedTooSoonError, Process, running

WORLD = f"{stand_ins.OTHER_NODE}.20"
APP_PORT = 7778
SERVICE = f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http"


class Loopback:
    """namerd and the app `world`, and what else is started beside them."""

    def __init__(
        self, api: ApiServer, folder: Path, stack: ExitStack, programs: Path | None
    ) -> None:
        # A path of one part, as `--programs .` gives, would be looked for in $PATH.
        self._programs = programs.resolve() if programs else None
        self._folder = folder
        self._certificates = folder / "certificates"
        self._certificates.mkdir()
        deployed.issue(self._certificates)
        self._it = StandIns(api, folder, stack)
        for name in (MESH_NAMESPACE, APPS_NAMESPACE):
            api.kubectl("create", "namespace", name)
        api.define(dict(stand_ins.DTAB_DEFINITION))
        # On every address: the linkerd beside it sends to 127.0.0.1, which all pods share here.
        self._it.start_pod("0.0.0.0", APP_PORT, TARGET_WORLD="world")
        self._it.endpoints("world", [WORLD], APP_PORT)
        self._name_linkerds(api)
        self._start_namerd(stack)

    def _name_linkerds(self, api: ApiServer) -> None:
        """The service by which the linkerds of nodes find one another, with every port."""
        ports = routers.incoming_ports(Way(MUTUAL, permissive=True, source=OWN))
        subset = {
            "addresses": [{"ip": ip} for ip in (stand_ins.L5D, stand_ins.OTHER_L5D)],
            "ports": [{"name": name, "port": port} for name, port in ports.items()],
        }
        metadata = {"name": routers.PEERS, "namespace": MESH_NAMESPACE}
        api.apply(
            {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}
        )

    def _start_namerd(self, stack: ExitStack) -> None:
        config = namerd.config(MESH_NAMESPACE)
        for each in (config["admin"], *config["interfaces"]):
            each["ip"] = stand_ins.NAMERD
        ports = [namerd.ADMIN_PORT, namerd.HTTP_PORT, namerd.PORTS["thrift"]]
        container = namerd.container("namerd")
        self._start(stack, "namerd", container, stand_ins.NAMERD, ports, config)
        tables = NamerdApi(self._it.talker(stand_ins.NAMERD, namerd.HTTP_PORT))
        tables.must("POST", "internal", 204, " ; ".join(routes.internal(APPS_NAMESPACE)))
        assert tables.read_until("internal", lambda answer: answer.status == 200).status == 200

    def start_linkerd(self, stack: ExitStack, address: str, config: Mapping[str, Any]) -> int:
        """A linkerd in the pod of an address, until the stack is closed; its session's id.

        `config` is the content of a config file as it is deployed.
        """
        here = stand_ins.on_address(config, address)
        here = deployed.with_certificates(here, self._certificates)
        servers = [server for router in here["routers"] for server in router["servers"]]
        ports = [here["admin"]["port"], *(server["port"] for server in servers)]
        container = deployed.linkerd_container()
        return self._start(stack, "linkerd", container, address, ports, here).pid

    def _start(
        self,
        stack: ExitStack,
        program: str,
        container: Mapping[str, Any],
        address: str,
        ports: Sequence[int],
        config: Mapping[str, Any],
    ) -> Process:
        path = (self._programs or mesh_binaries()) / program
        log = self._folder / f"{program}-{address}.log"
        tmp = self._folder / f"{program}-{address}-tmp"
        tmp.mkdir(exist_ok=True)
        arguments = deployed.arguments(container, self._it.config(config))
        command: list[str | Path] = [*stand_ins.NAMED, address, path, *arguments]
        context = running(command, log, env=deployed.environment(container, address, tmp))
        process = self._it.network.run(context.__enter__)
        stack.callback(lambda: context.__exit__(None, None, None))
        try:
            for port in ports:
                process.wait_until(lambda: self._listens(address, port), f"it serves {port}")  # noqa: B023
        except (EndedTooSoonError, TimeoutError) as error:
            raise LocalError(f"{path} did not start: {_reason(process)}") from error
        return process

    def _listens(self, address: str, port: int) -> bool:
        try:
            self._it.network.connect((address, port), 5).close()
        except OSError:
            return False
        return True

    def run(self, command: Sequence[str | Path]) -> "subprocess.CompletedProcess[str]":
        """Run a program inside to its end."""
        with self._it.network.run(
            lambda: subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        ) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def talker(self, address: str, port: int) -> Talker:
        """A client of a program inside."""
        return self._it.talker(address, port)

    @property
    def folder(self) -> Path:
        """Where files may be written."""
        return self._folder


def _reason(process: Process) -> str:
    """The last line that a program wrote, but for the frames of a Java stack trace."""
    lines = process.last_lines(100).splitlines()
    said = [line for line in lines if line.strip() and not line[0].isspace()]
    return said[-1] if said else "it wrote nothing"
