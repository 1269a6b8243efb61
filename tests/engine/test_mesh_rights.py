"""namerd with its own rights, on a real API server: they are enough, and none is too many.

Which rights the real namerd uses was measured; here the stand-in asks what that one asks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract.stand_ins import DTAB_DEFINITION
from tests.harness.apiserver import ApiServer, Request
from tests.harness.namerd import namerd
from tests.harness.waiting import wait_until
from tests.unit.test_program import run_program

MESH, APPS, USER = "rights-mesh", "rights-apps", "rights-namerd"
WORLD = f"/#/io.l5d.k8s/{APPS}/http/world"
ROLES = ("namerd-dtab-storage", "namerd-endpoints")


@pytest.fixture(scope="module")
def granted(api_server: ApiServer) -> Iterator[set[tuple[str, str]]]:
    """What namerd's Roles give, by resource and verb, to a user of the API server."""
    for namespace in (MESH, APPS):
        api_server.kubectl("create", "namespace", namespace)
    api_server.define(dict(DTAB_DEFINITION))
    program = run_program({"meshNamespace": MESH, "appsNamespace": APPS})
    found = set()
    for name in ROLES:
        role = dict(program.get("Role", name))
        namespace = role["metadata"]["namespace"]
        api_server.apply(role)
        bound = ("create", "rolebinding", name, "-n", namespace, f"--role={name}")
        api_server.kubectl(*bound, f"--user={USER}")
        for rule in role["rules"]:
            for verb in rule["verbs"]:
                (group,), (resource,) = rule["apiGroups"], rule["resources"]
                kind = f"{resource}.{group}".strip(".")
                api_server.wait_until_allowed(USER, verb, kind, namespace)
                found.add((resource, verb))
    yield found
    for namespace in (MESH, APPS):
        api_server.kubectl("delete", "namespace", namespace, "--wait=false")


def table(destination: str) -> dict[str, Any]:
    return {
        "apiVersion": "l5d.io/v1alpha1",
        "kind": "DTab",
        "metadata": {"name": "internal", "namespace": MESH},
        "dentries": [{"prefix": "/svc", "dst": destination}],
    }


def endpoints(address: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": 7778}]
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "world", "namespace": APPS},
        "subsets": [{"addresses": [{"ip": address}], "ports": ports}],
    }


def test_namerd_uses_its_rights_and_is_refused_nothing(
    api_server: ApiServer, granted: set[tuple[str, str]], tmp_path: Path
) -> None:
    asked = len(api_server.requests())
    with api_server.proxy(api_server.kubeconfig_for(USER)) as proxy:
        where = urlsplit(proxy)
        by_proxy = {"kind": "io.l5d.k8s", "host": where.hostname, "port": where.port}
        storage = {**by_proxy, "namespace": MESH}
        with namerd(tmp_path, storage=storage, namers=[by_proxy]) as found:
            for destination, address in ((WORLD, "198.51.100.71"), ("/other", "198.51.100.72")):
                api_server.apply(table(destination), endpoints(address))
                wait_until(
                    lambda: found.get("internal") == f"/svc=>{destination}",  # noqa: B023
                    "the table is followed",
                )
                wait_until(
                    lambda: [each["ip"] for each in found.addresses(WORLD)] == [address],  # noqa: B023
                    "the endpoints are followed",
                )

    def of_namerd() -> list[Request]:
        return [each for each in api_server.requests()[asked:] if each.user == USER]

    def used() -> set[tuple[str, str]]:
        return {(resource_of(each.path), each.verb) for each in of_namerd()}

    # A watch is in the audit log when it has ended, a moment after who watched.
    wait_until(lambda: used() >= granted, "all that it may do is in the audit log")
    assert used() == granted
    assert [each for each in of_namerd() if each.status == 403] == []


def resource_of(path: str) -> str:
    words = path.partition("?")[0].strip("/").split("/")
    return words[words.index("namespaces") + 2] if "namespaces" in words else "/".join(words)
