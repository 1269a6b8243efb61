"""Services of a shop, as many as wanted, by the project's own program and the real engine.

    with shop(api, folder, most=20) as found:
        found.configure(services(20), canaryWeight=10)
        found.engine.up()

The kubernetes plugin takes every object for made; the tables are objects of a real API server,
where each version has an endpoint, and a namerd is asked where they lead.
"""

import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.contract.stand_ins import DTAB_DEFINITION
from tests.harness.apiserver import ApiServer
from tests.harness.engine import Engine, own_project, stack
from tests.harness.namerd import namerd

AGREEABLE = [sys.executable, "-u", "-m", "tests.harness.agreeable"]
ENTRY = "shop-01"
EVERY = 5
"""Every fifth service has two versions."""


def services(count: int, split_from: int = EVERY, **weights: Mapping[str, int]) -> dict[str, Any]:
    """So many services from shop-01 on, the first in two versions at `split_from`.

    `weights` are by name, with _ for -.
    """
    found: dict[str, Any] = {}
    for number in range(1, count + 1):
        name = f"shop-{number:02}"
        found[name] = {"port": 7000 + number, "image": "example.com/shop:1"}
        if number % EVERY == split_from % EVERY:
            found[name]["versions"] = {"v1": {}, "v2": {"image": "example.com/shop:2"}}
        if given := weights.get(name.replace("-", "_")):
            found[name]["weights"] = given
    return found


def deployments(count: int, split_from: int = EVERY) -> list[str]:
    """The names of what runs so many services."""
    return [
        f"{name}-{version}" if version else name
        for name, service in services(count, split_from).items()
        for version in service.get("versions", [""])
    ]


@dataclass
class Shop:
    """The project's own program on such a cluster."""

    engine: Engine
    api: ApiServer
    mesh: str
    _settings: dict[str, Any]

    def configure(self, declared: Mapping[str, Any], **config: Any) -> None:
        self.engine.configure(**{**self._settings, "services": declared, **config})

    def table(self, namespace: str) -> list[str]:
        """The entries of a table, as they are kept."""
        kept = self.api.get("dtabs.l5d.io", namespace, self.mesh)["dentries"]
        return [f"{entry['prefix']}=>{entry['dst']}" for entry in kept]


@contextmanager
def shop(api: ApiServer, folder: Path, most: int, split_from: int = EVERY) -> Iterator[Shop]:
    """A stack in new namespaces, with endpoints for `most` services."""
    number = uuid.uuid4().hex[:8]
    mesh, apps = f"mesh-{number}", f"apps-{number}"
    for namespace in (mesh, apps):
        api.kubectl("create", "namespace", namespace)
    api.define(dict(DTAB_DEFINITION))
    api.apply(*(_endpoints(apps, name) for name in deployments(most, split_from)))
    with api.proxy() as url, namerd(folder, namers=[_namer(url)]) as found:
        api.expose(mesh, "namerd", {"admin": int(found.admin.rpartition(":")[2])})
        plugins = {"kubernetes": AGREEABLE}
        with stack(folder, plugins, own_project, LINKERD_CANARY_PATIENCE="0.3") as engine:
            settings = {
                "kubeconfig": str(api.kubeconfig),
                "meshNamespace": mesh,
                "appsNamespace": apps,
                "exposure": "ClusterIP",
                "entryService": ENTRY,
            }
            yield Shop(engine, api, mesh, settings)


def _namer(proxy: str) -> dict[str, Any]:
    """namerd's, which asks Kubernetes by a `kubectl proxy`."""
    where = urlsplit(proxy)
    return {"kind": "io.l5d.k8s", "host": where.hostname, "port": where.port}


def _endpoints(namespace: str, name: str) -> dict[str, Any]:
    """Of a version that has a pod."""
    subset = {"addresses": [{"ip": "198.51.100.9"}], "ports": [{"name": "http", "port": 7000}]}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}
