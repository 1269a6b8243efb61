"""Nobody changes routes but who may write the tables' objects."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local import node
from mesh import namerd, routers
from tests.e2e import linkerds, local_stack
from tests.e2e.cluster import Cluster

TABLES = "/api/1/dtabs/internal"
NEW_TABLE = "/svc => /nowhere"


@pytest.fixture(scope="module")
def stack_up(cluster: Cluster) -> None:
    local_stack.up()


@pytest.fixture
def tables(cluster: Cluster, stack_up: None) -> Iterator[list[Any]]:
    """The tables before, which are the same afterwards."""
    before = cluster.get("dtabs", "-n", "linkerd")["items"]
    yield before
    assert cluster.get("dtabs", "-n", "linkerd")["items"] == before


def pod(cluster: Cluster, app: str) -> dict[str, Any]:
    pods = cluster.get("pods", "-n", "linkerd", "-l", f"app={app}")["items"]
    found: dict[str, Any] = next(one for one in pods if "deletionTimestamp" not in one["metadata"])
    return found


def status(method: str, url: str, **headers: str) -> int | None:
    """Of an answer; None where nothing listens."""
    with node.session() as session:
        try:
            answer = session.request(method, url, data=NEW_TABLE, headers=headers, timeout=10)
        except requests.ConnectionError:
            return None
    return answer.status_code


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_namerds_api_is_not_there_for_anybody_but_its_own_pod(
    cluster: Cluster, tables: list[Any], method: str
) -> None:
    address = pod(cluster, "namerd")["status"]["podIP"]
    assert status(method, f"http://{address}:{namerd.HTTP_PORT}{TABLES}") is None
    service = cluster.get("service", "namerd", "-n", "linkerd")["spec"]
    assert namerd.HTTP_PORT not in [port["port"] for port in service["ports"]]


def test_nor_through_the_api_servers_proxy(cluster: Cluster, tables: list[Any]) -> None:
    name = pod(cluster, "namerd")["metadata"]["name"]
    for kind, which in (("pods", name), ("services", "namerd")):
        path = f"/api/v1/namespaces/linkerd/{kind}/{which}:{namerd.HTTP_PORT}/proxy{TABLES}"
        with pytest.raises(AssertionError, match=r"refused|no service port 4180"):
            cluster.kubectl("get", "--raw", path)


def test_nor_through_linkerd(cluster: Cluster, tables: list[Any]) -> None:
    """The router for apps takes a route of one's own from whoever is inside."""
    address = pod(cluster, "namerd")["status"]["podIP"]
    to = {"Host": "x", "l5d-dtab": f"/svc/x => /$/inet/{address}/{namerd.HTTP_PORT}"}
    for entrance in linkerds.entrances(cluster).values():
        assert status("PUT", f"{entrance}{TABLES}", **to) == requests.codes.bad_gateway


@pytest.mark.parametrize(("app", "port"), [("namerd", namerd.ADMIN_PORT), ("l5d", routers.ADMIN)])
def test_the_admin_ports_control_nothing(
    cluster: Cluster, tables: list[Any], app: str, port: int
) -> None:
    address = pod(cluster, app)["status"]["podIP"]
    for path in ("/admin/shutdown", "/logging.json"):
        assert status("POST", f"http://{address}:{port}{path}") == requests.codes.not_found
    assert status("GET", f"http://{address}:{port}/admin/ping") == requests.codes.ok


def test_who_may_write_the_objects_changes_routes(cluster: Cluster, tables: list[Any]) -> None:
    """As the administrator, by a dry run."""
    found = cluster.get("dtab", "internal", "-n", "linkerd")
    given = json.dumps(found)
    assert "replaced" in cluster.kubectl("replace", "--dry-run=server", "-f", "-", given=given)
