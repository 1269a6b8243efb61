"""Two stacks on one cluster: what they have cluster-wide, through the engine on an API server."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.paths import ROOT
from tests.harness.apiserver import ApiServer, api_server
from tests.harness.engine import Engine, EngineFailedError, kubernetes_plugin, stack
from tests.harness.waiting import wait_until

PROGRAM = Path(__file__).parent / "programs" / "definition.py"
CRD = "dtabs.l5d.io"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterrole"

NewStack = Callable[..., Engine]


@pytest.fixture(scope="module")
def own_server() -> Iterator[ApiServer]:
    """An API server that other files do not use: the definition is the whole cluster's."""
    with api_server() as found:
        yield found


@pytest.fixture
def server(own_server: ApiServer) -> Iterator[ApiServer]:
    """It without the definition."""
    yield own_server
    own_server.kubectl("delete", "crd", CRD)


@pytest.fixture
def new_stack(tmp_path: Path, server: ApiServer) -> Iterator[NewStack]:
    """Makes stacks by name, whose namespace has that name too."""
    with ExitStack() as every:

        def make(name: str, release: str = "present") -> Engine:
            folder = tmp_path / name
            folder.mkdir()
            plugins = {"kubernetes": kubernetes_plugin()}
            engine = every.enter_context(stack(folder, plugins, PYTHONPATH=str(ROOT)))
            if not server.succeeds("get", "namespace", name):
                server.kubectl("create", "namespace", name)
            engine.run(
                PROGRAM,
                NAMESPACE=name,
                RELEASE=release,
                KUBECONFIG_CONTENT=server.kubeconfig.read_text(),
            )
            return engine

        yield make


def write_table(server: ApiServer, namespace: str) -> str:
    """Make a table there; its uid."""
    table = {
        "apiVersion": "l5d.io/v1alpha1",
        "kind": "DTab",
        "metadata": {"name": "internal", "namespace": namespace},
        "dentries": [{"prefix": "/svc", "dst": "/host"}],
    }
    wait_until(lambda: server.succeeds("get", CRD, "--all-namespaces"), "tables are served")
    server.apply(table)
    return uid(server, CRD, "internal", namespace)


def uid(server: ApiServer, kind: str, name: str, namespace: str = "") -> str:
    return str(server.get(kind, name, namespace)["metadata"]["uid"])


def cluster_wide(server: ApiServer) -> dict[str, list[str]]:
    """The namespaces of the accounts that are bound, by each binding's role."""
    bindings = json.loads(server.kubectl("get", "clusterrolebindings", "-o", "json"))["items"]
    return {
        each["roleRef"]["name"]: [subject["namespace"] for subject in each["subjects"]]
        for each in bindings
        if "endpoints-reader" in each["roleRef"]["name"]
    }


@pytest.mark.long
def test_the_second_ones_destroy_leaves_the_first_ones_tables(
    server: ApiServer, new_stack: NewStack
) -> None:
    dev, staging = new_stack("dev"), new_stack("staging")
    dev.up()
    table = write_table(server, "dev")
    staging.up()
    write_table(server, "staging")
    definition = uid(server, "crd", CRD)
    assert cluster_wide(server) == {}

    for gone, left in ((staging, dev), (dev, None)):
        gone.destroy()
        assert uid(server, "crd", CRD) == definition
        assert uid(server, CRD, "internal", "dev") == table
        if left:
            left.up("--refresh", "--expect-no-changes")

    dev.up()
    assert uid(server, "crd", CRD) == definition, "and is taken up again"
    dev.destroy()


@pytest.mark.long
def test_a_stack_of_a_former_release_goes_over_without_a_moment_without_rights_or_tables(
    server: ApiServer, new_stack: NewStack
) -> None:
    dev = new_stack("dev", release="former")
    dev.up()
    table, definition = write_table(server, "dev"), uid(server, "crd", CRD)
    assert cluster_wide(server) == {"linkerd-endpoints-reader": ["dev", "dev"]}

    dev.set_environment(RELEASE="present")
    planned = dev.preview().steps
    before = len(server.requests())
    assert dev.up().steps == planned == {"create": 4, "delete": 2, "unchanged": 5}
    writes = [each for each in server.requests()[before:] if each.writes]
    told = [_told(each.verb, each.path) for each in writes]
    assert set(told[:4]) == {
        ("patch", f"{kind}/{account}-endpoints")
        for kind in ("roles", "rolebindings")
        for account in ("l5d", "namerd")
    }
    assert told[4:] == [
        ("delete", "clusterrolebindings/linkerd-endpoints-reader"),
        ("delete", "clusterroles/linkerd-endpoints-reader"),
    ]
    assert cluster_wide(server) == {}
    dev.up("--refresh", "--expect-no-changes")

    for release in ("former", "present"):  # back to it, and over again
        dev.set_environment(RELEASE=release)
        dev.up()
        assert uid(server, "crd", CRD) == definition
    dev.destroy()
    assert uid(server, "crd", CRD) == definition
    assert uid(server, CRD, "internal", "dev") == table


def _told(verb: str, path: str) -> tuple[str, str]:
    return verb, "/".join(path.partition("?")[0].split("/")[-2:])


@pytest.mark.long
def test_another_definition_of_that_name_is_refused_and_left(
    server: ApiServer, new_stack: NewStack
) -> None:
    anothers: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True}
    server.define(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": CRD},
            "spec": {
                "group": "l5d.io",
                "scope": "Namespaced",
                "names": {"kind": "DTab", "plural": "dtabs", "singular": "dtab"},
                "versions": [{**version, "schema": {"openAPIV3Schema": anothers}}],
            },
        }
    )
    before = server.get("crd", CRD)["spec"]
    dev = new_stack("dev")
    with pytest.raises(EngineFailedError) as refused:
        dev.up()
    assert "field conflict" in str(refused.value)
    assert ".spec.versions" in str(refused.value)
    assert server.get("crd", CRD)["spec"] == before
    dev.destroy()
    assert server.get("crd", CRD)["spec"] == before
