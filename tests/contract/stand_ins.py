"""The stand-ins, run on a network of the tests' own beside a real Kubernetes API server."""

import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.standins import mesh_binaries
from mesh import linkerd, namerd, routers
from mesh.routers import Routing
from tests.contract.network import Network
from tests.contract.talk import Talker
from tests.harness.apiserver import ApiServer
from tests.harness.processes import Process, running

MESH_NAMESPACE, APPS_NAMESPACE = "contract-mesh", "contract-apps"
NODE, OTHER_NODE = "198.18.1", "198.18.2"
"""What the addresses of a node's pods start with: linkerd takes a /24 for a node."""

L5D, OTHER_L5D = f"{NODE}.10", f"{OTHER_NODE}.10"
NAMERD, IN_MEMORY_NAMERD = "198.18.0.10", "198.18.0.11"
HELLO = f"{NODE}.20"
WORLD_V1 = (f"{NODE}.31", f"{NODE}.32", f"{NODE}.33")
WORLD_V2 = (f"{NODE}.41", f"{NODE}.42", f"{NODE}.43")

DTAB_DEFINITION: Mapping[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "dtabs.l5d.io"},
    "spec": {
        "group": "l5d.io",
        "scope": "Namespaced",
        "names": {"kind": "DTab", "plural": "dtabs", "singular": "dtab"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "dentries": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "properties": {
                                        "prefix": {"type": "string"},
                                        "dst": {"type": "string"},
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


NAMED = (
    "unshare",
    "--uts",
    "sh",
    "-c",
    'echo "$0" >/proc/sys/kernel/hostname && exec "$@"',
)
"""Runs a command on a host with a name of its own: `*NAMED NAME COMMAND…`."""


class StandIns:
    """Programs on addresses of their own, and the Kubernetes objects that lead to them."""

    def __init__(self, api: ApiServer, folder: Path, stack: ExitStack) -> None:
        self.api = api
        self.folder = folder
        self._stack = stack
        self._unused = iter(range(100, 255))
        self._binaries = mesh_binaries()
        self.network = Network()
        stack.callback(self.network.close)
        outside = urlsplit(stack.enter_context(api.proxy()))
        assert outside.hostname
        assert outside.port
        self.network.bring_in(("127.0.0.1", 8001), (outside.hostname, outside.port))

    def address(self, node: str = NODE) -> str:
        """An address of a pod on a node that no other program has."""
        return f"{node}.{next(self._unused)}"

    def port(self) -> int:
        """A port of the loopback inside that nothing else listens on."""
        return 9000 + next(self._unused)

    def talker(self, address: str, port: int) -> Talker:
        return Talker(f"http://{address}:{port}", self.network.connect)

    def start(
        self,
        program: str,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        network: Network | None = None,
        hostname: str = "",
    ) -> Process:
        """Start a stand-in and wait until it serves; on another network if one is given.

        Its host may have a name of its own. An address is one that resolves to itself, as the name
        of a pod does to the pod's address.
        """
        network = network or self.network
        log = self.folder / f"{program}-{uuid.uuid4().hex[:6]}.log"
        clean = {"http_proxy": "", "HTTP_PROXY": "", **(env or {})}
        command = [self._binaries / program, *arguments]
        if hostname:
            command = [*NAMED, hostname, *command]
        context = running(command, log, env=clean)
        process = network.run(context.__enter__)
        self._stack.callback(lambda: context.__exit__(None, None, None))
        process.wait_until(lambda: f"{program} is ready" in log.read_text(), f"{program} serves")
        return process

    def config(self, content: Mapping[str, Any]) -> Path:
        path = self.folder / f"config-{uuid.uuid4().hex[:6]}.json"
        path.write_text(json.dumps(content))
        return path

    def start_namerd(self, address: str = NAMERD, **changes: Any) -> Process:
        """namerd with the very config file that the program writes, at an address of its own."""
        config = namerd.config(MESH_NAMESPACE)
        for each in (config["admin"], *config["interfaces"]):
            each["ip"] = address
        return self.start("namerd", self.config({**config, **changes}))

    def start_linkerd(
        self,
        address: str = L5D,
        namerd_address: str = NAMERD,
        config: Mapping[str, Any] | None = None,
    ) -> Process:
        """linkerd as the program starts it, but for where it serves and finds namerd.

        Or with another config, such as a changed `linkerd_config`.
        """
        content = config or linkerd_config(address, namerd_address)
        return self.start(
            "linkerd", linkerd.WINDOW_FLAG, self.config(content), env={"POD_IP": address}
        )

    def start_pod(self, address: str, port: int, *arguments: str, **env: str) -> Process:
        """helloworld as it runs in a pod."""
        return self.start(
            "helloworld", f"-addr={address}:{port}", *arguments, env={"POD_IP": address, **env}
        )

    def endpoints(
        self,
        service: str,
        addresses: Sequence[str],
        port: int,
        port_name: str = "http",
        namespace: str = APPS_NAMESPACE,
        not_ready: Sequence[str] = (),
    ) -> None:
        """Say where a service's pods are, as Kubernetes would."""
        subset = {
            "addresses": [{"ip": ip, "nodeName": ip.rpartition(".")[0]} for ip in addresses],
            "notReadyAddresses": [{"ip": ip} for ip in not_ready],
            "ports": [{"name": port_name, "port": port}],
        }
        self.api.apply(
            {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {"name": service, "namespace": namespace},
                "subsets": [subset] if addresses or not_ready else [],
            }
        )

    def remove_endpoints(self, service: str) -> None:
        self.api.kubectl("delete", "endpoints", service, "--namespace", APPS_NAMESPACE)


def linkerd_config(
    address: str, namerd_address: str = NAMERD, namespace: str = MESH_NAMESPACE
) -> dict[str, Any]:
    """The program's config of linkerd for one node of the test's network.

    In `namespace` are the endpoints of the service `l5d`, which tell the linkerds of all nodes.
    """
    return on_address(routers.node_config(Routing(namespace)), address, namerd_address)


def on_address(
    config: Mapping[str, Any], address: str, namerd_address: str = NAMERD
) -> dict[str, Any]:
    """A config file of linkerd's as it is deployed, but for where it serves and finds namerd.

    All pods share one loopback here: each serves on an address, and not on every one or its own.
    """
    found: dict[str, Any] = json.loads(json.dumps(config))
    found["admin"]["ip"] = address
    for router in found["routers"]:
        router["interpreter"]["dst"] = f"/$/inet/{namerd_address}/{namerd.PORTS['thrift']}"
        for server in router["servers"]:
            server["ip"] = address
    return found
