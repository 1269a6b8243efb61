"""What the tests of the Dtab resource run on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from dynamic.dtab import DtabProvider
from tests.contract.stand_ins import DTAB_DEFINITION
from tests.engine.cluster import MESH, Cluster
from tests.harness.apiserver import ApiServer
from tests.harness.faults import FaultProxy, fault_proxy
from tests.harness.namerd import Namerd, namerd
from tests.provider_host import ProviderHost, Stack, provider_host

WAITS_ALONE = "tests.harness.waits_alone"
"""The host whose deadlines come after the resource's pauses, however busy the machine is."""


@pytest.fixture(scope="session")
def shared_namerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namerd]:
    with namerd(tmp_path_factory.mktemp("namerd")) as found:
        yield found


@pytest.fixture
def a_namerd(shared_namerd: Namerd) -> Namerd:
    """A namerd without the table `internal`."""
    if shared_namerd.get("internal") is not None:
        shared_namerd.delete("internal")
    return shared_namerd


@pytest.fixture
def proxy(a_namerd: Namerd) -> Iterator[FaultProxy]:
    """A way to that namerd on which faults can happen."""
    with fault_proxy(a_namerd.url) as found:
        yield found


@pytest.fixture(scope="session")
def namerd_admin(shared_namerd: Namerd) -> Iterator[FaultProxy]:
    """A way to that namerd's admin port on which faults can happen."""
    with fault_proxy(shared_namerd.admin) as found:
        yield found


@pytest.fixture(scope="session")
def shared_cluster(api_server: ApiServer, namerd_admin: FaultProxy) -> Cluster:
    api_server.kubectl("create", "namespace", MESH)
    api_server.define(dict(DTAB_DEFINITION))
    api_server.expose(MESH, "namerd", {"admin": int(namerd_admin.url.rpartition(":")[2])})
    return Cluster(api_server, yaml.safe_load(api_server.kubeconfig.read_text()))


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """A cluster without tables whose namerd keeps its tables as objects."""
    shared_cluster.clear()
    return shared_cluster


@pytest.fixture
def new_host(tmp_path: Path) -> Iterator[Callable[..., ProviderHost]]:
    """Starts hosts of the provider that share a home; more of the environment may be given.

    A host for which LINKERD_CANARY_PATIENCE is given goes by real time: where something outside is
    waited for, so many times as long as ordinarily.
    """
    with ExitStack() as stack:

        def start(engine: str = "127.0.0.1:1", **environment: str) -> ProviderHost:
            module = "pulumi.dynamic" if "LINKERD_CANARY_PATIENCE" in environment else WAITS_ALONE
            given = {"PULUMI_HOME": str(tmp_path), **environment}
            return stack.enter_context(provider_host(engine, module, **given))

        yield start


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderHost]:
    """One host of the provider for all tests that leave it alive."""
    home = str(tmp_path_factory.mktemp("pulumi-home"))
    with provider_host(module=WAITS_ALONE, PULUMI_HOME=home) as found:
        yield found


@pytest.fixture
def stack(host: ProviderHost) -> Stack:
    """A stack of one Dtab, not created yet."""
    return Stack(host, DtabProvider())
