"""linkerd, namerd and apps as processes on a network of their own, beside a real API server."""

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from local.standins import mesh_binaries
from mesh import namerd, routers
from tests.contract import stand_ins
from tests.contract.namerd_api import NamerdApi
from tests.contract.stand_ins import APPS_NAMESPACE, MESH_NAMESPACE, StandIns
from tests.contract.talk import Talker
from tests.harness.apiserver import ApiServer
from tests.harness.processes import Process, running

WORLD = f"{stand_ins.OTHER_NODE}.20"
APP_PORT = 7778
SERVICE = f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http"


class Loopback:
    """namerd and the app `world`, and what else is started beside them."""

    def __init__(
        self, api: ApiServer, folder: Path, stack: ExitStack, programs: Path | None
    ) -> None:
        self._programs = programs
        self._folder = folder
        self._it = StandIns(api, folder, stack)
        for name in (MESH_NAMESPACE, APPS_NAMESPACE):
            api.kubectl("create", "namespace", name)
        api.define(dict(stand_ins.DTAB_DEFINITION))
        self._it.start_pod(WORLD, APP_PORT, TARGET_WORLD="world")
        self._it.endpoints("world", [WORLD], APP_PORT)
        nodes = [stand_ins.L5D, stand_ins.OTHER_L5D]
        self._it.endpoints("l5d", nodes, routers.INCOMING, "incoming", MESH_NAMESPACE)
        self._start_namerd(stack)

    def _start_namerd(self, stack: ExitStack) -> None:
        config = namerd.config(MESH_NAMESPACE)
        for each in (config["admin"], *config["interfaces"]):
            each["ip"] = stand_ins.NAMERD
        ports = [namerd.ADMIN_PORT, namerd.HTTP_PORT, namerd.PORTS["thrift"]]
        self._start(stack, "namerd", stand_ins.NAMERD, ports, config)
        tables = NamerdApi(self._it.talker(stand_ins.NAMERD, namerd.HTTP_PORT))
        tables.must("POST", "internal", 204, f"/svc => {SERVICE}")
        assert tables.read_until("internal", lambda answer: answer.status == 200).status == 200

    def start_linkerd(self, stack: ExitStack, address: str, config: Mapping[str, Any]) -> int:
        """A linkerd in the pod of an address, until the stack is closed; its session's id."""
        servers = [server for router in config["routers"] for server in router["servers"]]
        ports = [config["admin"]["port"], *(server["port"] for server in servers)]
        return self._start(stack, "linkerd", address, ports, config).pid

    def _start(
        self,
        stack: ExitStack,
        program: str,
        address: str,
        ports: Sequence[int],
        config: Mapping[str, Any],
    ) -> Process:
        path = (self._programs or mesh_binaries()) / program
        log = self._folder / f"{program}-{address}.log"
        command: list[str | Path] = [*stand_ins.NAMED, address, path, self._it.config(config)]
        context = running(command, log, env={"POD_IP": address})
        process = self._it.network.run(context.__enter__)
        stack.callback(lambda: context.__exit__(None, None, None))
        for port in ports:
            process.wait_until(lambda: self._listens(address, port), f"{program} serves {port}")  # noqa: B023
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
