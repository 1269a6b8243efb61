"""Which namerd and linkerd the contract is held against.

By default the stand-ins, as plain processes beside a real API server. Or any running pair:

    pytest tests/contract --namerd URL --linkerd URL --linkerd-admin URL

of namerd's HTTP API (4180), linkerd's outgoing router (4140) and its admin port (9990). Then the
apps hello, world-v1 and world-v2 have to run behind it as this project deploys them. Such a pair is
only asked through dtab namespaces named contract-…, which are removed, and the header `l5d-dtab`;
tests that have to stop programs or change Kubernetes objects are left out.
"""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.contract import stand_ins
from tests.contract.namerd_api import NamerdApi
from tests.contract.pair import Mesh
from tests.contract.stand_ins import APPS_NAMESPACE, MESH_NAMESPACE, StandIns
from tests.contract.talk import Talker
from tests.harness.apiserver import ApiServer

OPTIONS = ("namerd", "linkerd", "linkerd_admin", "apps_namespace", "mesh_namespace")


def _option(config: pytest.Config, name: str) -> str:
    """An option's value; empty where pytest has read this file after the command line."""
    return str(config.getoption(name, "") or "")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract", "a running namerd and linkerd, instead of the stand-ins")
    group.addoption("--namerd", metavar="URL", help="namerd's HTTP API, port 4180")
    group.addoption("--linkerd", metavar="URL", help="linkerd's outgoing router, port 4140")
    group.addoption("--linkerd-admin", metavar="URL", help="linkerd's admin port, 9990")
    group.addoption("--apps-namespace", metavar="NAME", default="hello-world")
    group.addoption("--mesh-namespace", metavar="NAME", default="linkerd")


def pytest_configure(config: pytest.Config) -> None:
    options = [_option(config, name) for name in ("namerd", "linkerd", "linkerd_admin")]
    if any(options) and not all(options):
        raise pytest.UsageError("--namerd, --linkerd and --linkerd-admin go together")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _option(config, "namerd"):
        left_out = pytest.mark.skip(reason="not with a pair that others may be using")
        for item in items:
            if item.get_closest_marker("stand_ins"):
                item.add_marker(left_out)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "namerd" in metafunc.fixturenames:
        given = _option(metafunc.config, "namerd")
        kinds = ["given"] if given else ["in-memory", "kubernetes"]
        metafunc.parametrize("namerd", kinds, indirect=True, scope="package")


@pytest.fixture(scope="package")
def world(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIns]:
    """The stand-ins as the program deploys them: namerd, linkerd on one node, hello and world."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("contract")
        for name in (MESH_NAMESPACE, APPS_NAMESPACE):
            api_server.kubectl("create", "namespace", name)
            stack.callback(api_server.kubectl, "delete", "namespace", name, "--wait=false")
        api_server.define(dict(stand_ins.DTAB_DEFINITION))
        it = StandIns(api_server, folder, stack)
        it.start_namerd()
        it.endpoints("l5d", [stand_ins.L5D], 4141, "incoming", MESH_NAMESPACE)
        it.start_linkerd()
        _start_apps(it)
        _create_tables(NamerdApi(it.talker(stand_ins.NAMERD, 4180)))
        yield it


def _start_apps(it: StandIns) -> None:
    proxy = f"{stand_ins.L5D}:4140"
    it.start_pod(stand_ins.HELLO, 7777, "-text=Hello", "-target=world", http_proxy=proxy)
    it.endpoints("hello", [stand_ins.HELLO], 7777)
    for name, addresses, text in (
        ("world-v1", stand_ins.WORLD_V1, "world"),
        ("world-v2", stand_ins.WORLD_V2, "worldv2"),
    ):
        for address in addresses:
            it.start_pod(address, 7778, TARGET_WORLD=text)
        it.endpoints(name, addresses, 7778)


def _create_tables(api: NamerdApi) -> None:
    """The walkthrough's tables, before any split; they are read once this returns."""
    service = f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http"
    api.must("POST", "external", 204, f"/host => {service}/hello ; /svc/* => /host")
    chain = "/host => /srv ; /tmp => /srv ; /svc => /host ; /host/world => /srv/world-v1"
    api.must("POST", "internal", 204, f"/srv => {service} ; {chain}")
    for name in ("external", "internal"):  # with Kubernetes storage reads lag behind writes
        assert api.read_until(name, lambda answer: answer.status == 200).status == 200


@pytest.fixture(scope="package")
def mesh(request: pytest.FixtureRequest) -> Mesh:
    """The pair that is held to the contract."""
    given = {name: _option(request.config, name) for name in OPTIONS}
    if given["namerd"]:
        return Mesh(
            namerd=NamerdApi(Talker(given["namerd"])),
            linkerd=Talker(given["linkerd"]),
            admin=Talker(given["linkerd_admin"]),
            apps=given["apps_namespace"],
            own=given["mesh_namespace"],
        )
    world: StandIns = request.getfixturevalue("world")
    return Mesh(
        namerd=NamerdApi(world.talker(stand_ins.NAMERD, 4180)),
        linkerd=world.talker(stand_ins.L5D, 4140),
        admin=world.talker(stand_ins.L5D, 9990),
        apps=APPS_NAMESPACE,
        own=MESH_NAMESPACE,
    )


@pytest.fixture(scope="package")
def incoming(world: StandIns) -> Talker:
    """The router that a request enters on the node of its pod."""
    return world.talker(stand_ins.L5D, 4141)


@pytest.fixture(scope="package")
def external(world: StandIns) -> Talker:
    """The router that a request enters from outside."""
    return world.talker(stand_ins.L5D, 4142)


@pytest.fixture(scope="package")
def in_memory_namerd(world: StandIns) -> NamerdApi:
    """A stand-in for namerd that keeps its tables in memory."""
    world.start_namerd(stand_ins.IN_MEMORY_NAMERD, storage={"kind": "io.l5d.inMemory"})
    return NamerdApi(world.talker(stand_ins.IN_MEMORY_NAMERD, 4180))


@pytest.fixture(scope="package")
def namerd(request: pytest.FixtureRequest) -> NamerdApi:
    """Each namerd that there is: with either storage, or the one given."""
    if request.param == "in-memory":
        api: NamerdApi = request.getfixturevalue("in_memory_namerd")
        return api
    mesh: Mesh = request.getfixturevalue("mesh")
    return mesh.namerd


@pytest.fixture
def unused(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a dtab namespace that does not exist; what the test makes of it is removed."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    yield name
    uses = [each for each in ("namerd", "in_memory_namerd") if each in request.fixturenames]
    api = request.getfixturevalue(uses[0]) if uses else request.getfixturevalue("mesh").namerd
    api.forget(name)


@pytest.fixture
def restored(mesh: Mesh) -> Iterator[str]:
    """The table `internal`, put back after the test."""
    before = mesh.namerd.read("internal")
    yield before
    mesh.namerd.write("internal", before)
