"""namerd through the API server's service proxy: all of its HTTP API works unchanged."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.standins import mesh_binaries
from tests.contract.namerd_api import DTAB, NamerdApi
from tests.contract.talk import Talker
from tests.harness.apiserver import ApiServer
from tests.harness.processes import running

pytestmark = pytest.mark.stand_ins

NAMESPACE = "contract-proxy"


@pytest.fixture(scope="module")
def proxied(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamerdApi]:
    folder = tmp_path_factory.mktemp("proxied")
    config = folder / "config.json"
    config.write_text(
        '{"admin": {"ip": "127.0.0.1", "port": 0}, "storage": {"kind": "io.l5d.inMemory"},'
        ' "interfaces": [{"kind": "io.l5d.httpController", "port": 0}]}'
    )
    api_server.kubectl("create", "namespace", NAMESPACE)
    log = folder / "namerd.log"
    with running([mesh_binaries() / "namerd", config], log) as process, api_server.proxy() as url:
        process.wait_until(lambda: "is ready" in log.read_text(), "namerd serves")
        api_server.expose(NAMESPACE, "namerd", {"http": _port(log)})
        place = f"/api/v1/namespaces/{NAMESPACE}/services/namerd:http/proxy"
        yield NamerdApi(Talker(url + place))
    api_server.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _port(log: Path) -> int:
    lines = log.read_text().splitlines()
    return int(next(line for line in lines if "httpController" in line).rpartition(":")[2])


def test_every_method_and_status_works_through_the_proxy(proxied: NamerdApi) -> None:
    assert proxied.ask("GET", "demo").status == 404
    assert proxied.ask("POST", "demo", "/a => /b").status == 204
    assert proxied.ask("POST", "demo", "/a => /b").status == 409
    assert proxied.ask("POST", "other", "/a => /b", None).status == 400
    tag = proxied.version("demo")
    assert proxied.ask("PUT", "demo", "/a => /c", If_Match=tag).status == 204
    assert proxied.ask("PUT", "demo", "/a => /d", If_Match=tag).status == 412
    assert proxied.ask("DELETE", "demo").status == 204
    assert proxied.ask("DELETE", "demo").status == 404


def test_texts_and_tags_pass_through_the_proxy(proxied: NamerdApi) -> None:
    proxied.must("PUT", "texts", 204, "/a => 30 * /b & 70 * /c")
    answer = proxied.ask("GET", "texts", Accept=DTAB)
    assert answer.text == "/a=>30.00*/b & 70.00*/c\n"
    assert '"' not in answer.headers["etag"]
    broken = proxied.ask("PUT", "texts", "/a =[ ]/d;")
    assert broken.text == "'>' expected but '[' found at '/a =[[] ]/d;'"


def test_names_are_followed_through_the_proxy(proxied: NamerdApi) -> None:
    dtab = "/svc => /$/inet/127.0.0.1/80"
    assert proxied.bound("none", "/svc", dtab=dtab)["bound"]["id"] == "/$/inet/127.0.0.1/80"
    leaf = proxied.delegate("none", "/svc", dtab=dtab).json["delegate"]
    assert leaf["type"] == "leaf"


def test_streams_pass_through_the_proxy(proxied: NamerdApi) -> None:
    proxied.must("PUT", "streamed", 204, "/a => /b")
    with proxied.watch("dtabs", "streamed") as stream:
        assert stream.json() == [{"prefix": "/a", "dst": "/b"}]
        proxied.must("PUT", "streamed", 204, "/a => /c")
        assert stream.json() == [{"prefix": "/a", "dst": "/c"}]
