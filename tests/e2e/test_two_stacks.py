"""Two stacks side by side on the local nodes: `local` at weight 0, `staging` at 100."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from local import images, stack
from local.paths import KUBECONFIG
from local.whole import IMAGE_KEYS
from tests.e2e import linkerds, local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.local_stack import command
from tests.harness import engine
from tests.harness.engine import Engine, EngineFailedError

pytestmark = pytest.mark.long

MESH, APPS = "staging-linkerd", "staging-hello-world"


@pytest.fixture(scope="module")
def dev(cluster: Cluster) -> Iterator[str]:
    """The URL of the stack `local`, without a canary; its config is put back at the end."""
    found = stack.config().get("canaryWeight") if stack.SETTINGS.exists() else None
    local_stack.up()
    if found:
        local_stack.set_weight(0)
    linkerds.wait_until_followed(cluster, 0)
    yield str(local_stack.outputs()["url"])
    if found:
        local_stack.configure_weight(float(found))


@pytest.fixture(scope="module")
def staging(
    dev: str, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A second stack, with one value more to be set than those that `local` has."""
    folder = tmp_path_factory.mktemp("staging")
    plugins = {"kubernetes": engine.kubernetes_plugin()}
    with engine.stack(folder, plugins, engine.own_project, "staging") as found:
        found.set("kubeconfig", str(KUBECONFIG))
        found.set("canaryWeight", "100")
        found.set("replicas", "1")
        on_the_node = images.provide({key: str(stack.default(key)) for key in IMAGE_KEYS})
        for key, image in on_the_node.items():
            found.set(key, image.name)
        yield found
        found.destroy()
    shutil.rmtree(folder)


def definition(cluster: Cluster) -> Any:
    return cluster.get("crd", "dtabs.l5d.io")["metadata"]["uid"]


def refused(staging: Engine) -> str:
    with pytest.raises(EngineFailedError) as failed:
        staging.preview()
    assert "Traceback" not in str(failed.value)
    return "\n".join(failed.value.lines)


def test_it_starts_by_saying_what_each_needs_of_its_own(staging: Engine) -> None:
    said = refused(staging)
    keys = "config appsNamespace is 'hello-world' and meshNamespace is 'linkerd'"
    assert f"{keys}, which the stack organization/linkerd-canary/local has on the" in said
    staging.set("meshNamespace", MESH)
    staging.set("appsNamespace", APPS)


def test_each_has_a_split_of_its_own(staging: Engine, dev: str, cluster: Cluster) -> None:
    before = definition(cluster)
    staging.up()
    url = str(staging.outputs()["url"])
    assert local_stack.world_of(local_stack.first_answer(url)) == "worldv2"
    assert set(local_stack.split_of(url, 200)) == {"worldv2"}
    assert set(local_stack.split_of(dev, 200)) == {"world"}
    for namespace, world in (("linkerd", "world"), (MESH, "worldv2")):
        for entrance in linkerds.entrances(cluster, namespace).values():
            said = local_stack.ask(entrance, Host="world")
            assert said.startswith(f"{world} ("), said
    assert definition(cluster) == before


def test_one_is_destroyed_and_the_other_answers_throughout(
    staging: Engine, dev: str, cluster: Cluster
) -> None:
    before = definition(cluster), cluster.kubectl("get", "dtabs", "-n", "linkerd", "-o", "yaml")
    with local_stack.load(dev, connections=2, pause=0.02) as traffic:
        staging.destroy()
        left = cluster.kubectl("get", "namespaces,clusterroles,clusterrolebindings", "-o", "name")
        assert MESH not in left
        assert APPS not in left
        command("pulumi", "up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes")
        seen = traffic.count
        # Now that all of it is gone.
        eventually(lambda: traffic.count > seen + 50)
    assert traffic.failures == []
    assert set(traffic.worlds) == {"world"}
    after = definition(cluster), cluster.kubectl("get", "dtabs", "-n", "linkerd", "-o", "yaml")
    assert after == before
