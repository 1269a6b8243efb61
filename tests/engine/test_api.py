"""kube/api.py on a real API server."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kube.api import Api, status_of
from kube.connection import to_cluster
from kube.errors import DeniedError
from tests.harness.apiserver import ApiServer
from tests.harness.scripted import Reply, scripted_server

ROUND = 100


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    name = f"api-{uuid.uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def asker(api_server: ApiServer) -> Iterator[Api]:
    with to_cluster(str(api_server.kubeconfig)) as connection:
        yield Api(connection)


def test_the_uid_is_that_of_kube_system(asker: Api, api_server: ApiServer) -> None:
    assert asker.cluster_uid() == api_server.get("namespace", "kube-system")["metadata"]["uid"]


def test_objects_are_written_under_conditions(asker: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
    made = asker.parsed(asker.post(path, one))
    assert asker.post(path, one).status == 409
    version = made["metadata"]["resourceVersion"]
    changed = {**one, "metadata": {"name": "one", "resourceVersion": version}, "data": {"a": "b"}}
    assert asker.put(f"{path}/one", changed).status == 200
    assert asker.put(f"{path}/one", changed).status == 409
    seen = asker.parsed(asker.get(f"{path}/one"))["metadata"]
    conditions = {"uid": seen["uid"], "resourceVersion": version}
    assert asker.delete(f"{path}/one", {"preconditions": conditions}).status == 409
    conditions["resourceVersion"] = seen["resourceVersion"]
    assert asker.delete(f"{path}/one", {"preconditions": conditions}).status == 200
    assert asker.get(f"{path}/one").status == 404


def test_a_round_of_a_hundred_pods_at_a_time(
    asker: Api, api_server: ApiServer, namespace: str
) -> None:
    with scripted_server(lambda asked: Reply(200, json.dumps({"path": asked.path}))) as (
        url,
        asked,
    ):
        api_server.expose(namespace, "l5d", {"admin": int(url.rpartition(":")[2])})

        def ask(number: int) -> str:
            path = f"/state/{number}"
            answer = asker.get_proxied("pods", namespace, "l5d", url.rpartition(":")[2], path)
            return str(json.loads(answer.text)["path"])

        with ThreadPoolExecutor(ROUND) as pool:
            found = list(pool.map(ask, range(ROUND)))
    assert found == [f"/state/{number}" for number in range(ROUND)]
    assert len(asked) == ROUND


def test_a_missing_pod_is_told_by_the_server(asker: Api, namespace: str) -> None:
    answer = asker.get_proxied("pods", namespace, "none", 9990, "/admin/ping")
    assert answer.status == 404
    assert status_of(answer) is not None


def test_a_refused_user_is_told_what_to_be_granted(api_server: ApiServer) -> None:
    with (
        to_cluster(str(api_server.kubeconfig_for("nobody-special"))) as connection,
        pytest.raises(DeniedError) as denied,
    ):
        Api(connection).cluster_uid()
    assert 'answers 403, forbidden: namespaces "kube-system" is forbidden' in str(denied.value)
    assert str(denied.value).endswith("; grant get on the namespace kube-system")
