"""Twenty services of one's own through the real engine, and how far an update may move them.

The kubernetes plugin takes every object for made; the tables are objects of a real API server,
where each version has an endpoint, and a namerd is asked where they lead.
"""

import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract.stand_ins import DTAB_DEFINITION
from tests.harness.apiserver import ApiServer
from tests.harness.engine import Engine, EngineFailedError, own_project, stack
from tests.harness.namerd import namerd

AGREEABLE = [sys.executable, "-u", "-m", "tests.harness.agreeable"]
SPLIT = ["shop-05", "shop-10", "shop-15", "shop-20"]


def services(count: int = 20, **weights: Mapping[str, int]) -> dict[str, Any]:
    """Services in one version, and every fifth in two; `weights` by name, with _ for -."""
    found: dict[str, Any] = {}
    for number in range(1, count + 1):
        name = f"shop-{number:02}"
        found[name] = {"port": 7000 + number, "image": "example.com/shop:1"}
        if number % 5 == 0:
            found[name]["versions"] = {"v1": {}, "v2": {"image": "example.com/shop:2"}}
        if given := weights.get(name.replace("-", "_")):
            found[name]["weights"] = given
    return found


def deployments(count: int) -> list[str]:
    """The names of what runs so many services."""
    return [
        f"{name}-{version}" if version else name
        for name, service in services(count).items()
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

    def refused(self) -> list[str]:
        """The lines of a preview that fails."""
        with pytest.raises(EngineFailedError) as failed:
            self.engine.preview()
        assert "Traceback" not in str(failed.value)
        return failed.value.lines


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, api_server: ApiServer) -> Iterator[Shop]:
    folder, number = tmp_path_factory.mktemp("shop"), uuid.uuid4().hex[:8]
    mesh, apps = f"mesh-{number}", f"apps-{number}"
    for namespace in (mesh, apps):
        api_server.kubectl("create", "namespace", namespace)
    api_server.define(dict(DTAB_DEFINITION))
    api_server.apply(*(endpoints(apps, name) for name in deployments(21)))
    with api_server.proxy() as url, namerd(folder, namers=[namer(url)]) as found:
        port = int(found.admin.rpartition(":")[2])
        api_server.expose(mesh, "namerd", {"admin": port})
        variables = {"LINKERD_CANARY_PATIENCE": "0.3"}
        plugins = {"kubernetes": AGREEABLE}
        with stack(folder, plugins, own_project, **variables) as engine:
            settings = {
                "kubeconfig": str(api_server.kubeconfig),
                "meshNamespace": mesh,
                "appsNamespace": apps,
                "exposure": "ClusterIP",
                "entryService": "shop-01",
            }
            yield Shop(engine, api_server, mesh, settings)


def namer(proxy: str) -> dict[str, Any]:
    """namerd's, which asks Kubernetes by a `kubectl proxy`."""
    where = urlsplit(proxy)
    return {"kind": "io.l5d.k8s", "host": where.hostname, "port": where.port}


def endpoints(namespace: str, name: str) -> dict[str, Any]:
    """Of a version that has a pod."""
    subset = {"addresses": [{"ip": "198.51.100.9"}], "ports": [{"name": "http", "port": 7000}]}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}


def test_twenty_services_from_the_first_up_to_the_end(shop: Shop) -> None:
    shop.configure(services(), canaryWeight=10)
    assert shop.engine.up().steps["create"] > 3 * len(deployments(20))
    assert shop.table("internal")[9:] == [
        f"/host/{name}=>90.00*/srv/{name}-v1 & 10.00*/srv/{name}-v2" for name in SPLIT
    ]
    assert shop.engine.outputs()["split"] == {
        f"/host/{name}": {f"/srv/{name}-v1": 90, f"/srv/{name}-v2": 10} for name in SPLIT
    }
    assert "shop-01" in shop.table("external")[0]

    more = {"canaryWeight": 20, "entryService": "shop-20", "maxWeightStep": 25}
    own = services(21, shop_10={"v1": 65, "v2": 35})
    shop.configure(own, **more)
    assert shop.engine.up().steps.items() >= {"create": 4, "update": 2}.items()
    assert "/host/shop-10=>65.00*/srv/shop-10-v1 & 35.00*/srv/shop-10-v2" in shop.table("internal")
    assert "/host/shop-15=>80.00*/srv/shop-15-v1 & 20.00*/srv/shop-15-v2" in shop.table("internal")
    assert shop.table("external")[-1].count("shop-20-v") == 2, "the outside's is split as well"

    shop.configure(own, **{**more, "canaryWeight": 46})
    said = "-v2']: from 20 to 46 is more than max_weight_step, 25"
    lines = [line for line in shop.refused() if "max_weight_step" in line]
    assert lines, "the engine ends with the first table that is refused"
    assert all(re.search(r" has a problem: splits\['/host.*" + re.escape(said), x) for x in lines)

    shop.configure(services(), **{**more, "canaryWeight": 0})
    assert shop.engine.up().steps.items() >= {"delete": 4, "update": 2}.items()
    assert shop.table("internal")[-1] == "/host/shop-20=>/srv/shop-20-v1"
    assert shop.engine.destroy().steps["delete"] > 3 * len(deployments(20))
