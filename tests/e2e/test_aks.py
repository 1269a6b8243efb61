"""The stack `dev` whole, on the node: the AKS program as it is, and only Azure stands in.

It takes the default namespaces and port of the nodes, so the stack `local` goes meanwhile.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local import images, stack
from local.paths import KUBECONFIG
from local.whole import IMAGE_KEYS
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster, eventually
from tests.engine.azure import COMMAND, KUBELOGIN, Azure
from tests.harness import engine
from tests.harness.engine import Engine, EngineFailedError
from tests.standins.azure_native import cloud

MADE = 57
"""Resources of the whole program, the stack and its providers included."""

ON_THE_NODE = (
    "namespace/linkerd",
    "namespace/hello-world",
    "customresourcedefinition/dtabs.l5d.io",
)


@dataclass
class Dev:
    """The stack `dev`, its Azure, and what its cluster is."""

    engine: Engine
    azure: Azure
    cluster: Cluster

    @property
    def url(self) -> str:
        return str(self.engine.outputs()["url"])


@pytest.fixture(scope="module")
def free_node(cluster: Cluster) -> Iterator[Cluster]:
    """The node without the stack `local`; whoever needs that afterwards brings it up."""
    has_local = cluster.kubectl("get", "namespace/linkerd", "--ignore-not-found", "-o", "name")
    if has_local:
        stack.ask("destroy", "--yes", "--skip-preview")
    yield cluster
    # As with a cluster that is deleted, its objects were not deleted one by one.
    cluster.kubectl("delete", "--ignore-not-found", *ON_THE_NODE)


@pytest.fixture(scope="module")
def dev(free_node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    folder = tmp_path_factory.mktemp("dev")
    azure = Azure(folder / "azure")
    azure.folder.mkdir()
    given = {cloud.FOLDER: str(azure.folder), cloud.KUBECONFIG: str(KUBECONFIG)}
    with engine.stack(
        folder,
        {"kubernetes": engine.kubernetes_plugin(), "azure-native": COMMAND},
        engine.own_project,
        "dev",
        **given,
    ) as found:
        # Without local accounts, a program says who one is.
        found.set_environment(PATH=os.pathsep.join([str(KUBELOGIN), found.path]))
        on_the_node = images.provide({key: str(stack.default(key)) for key in IMAGE_KEYS})
        for key, image in on_the_node.items():
            found.set(key, image.name)
        yield Dev(found, azure, free_node)
    shutil.rmtree(folder)


def test_it_starts_by_saying_who_may_call_the_api_server(dev: Dev) -> None:
    with pytest.raises(EngineFailedError, match="config authorizedIpRanges is empty"):
        dev.engine.preview()
    dev.engine.set("authorizedIpRanges[0]", "203.0.113.7", "--path")


def test_a_preview_before_there_is_anything(dev: Dev) -> None:
    planned = dev.engine.preview()
    assert planned.steps == {"create": MADE}
    assert 'tier: "Free"' in planned.text
    assert 'environment: "dev"' in planned.text
    assert "disableLocalAccounts: true" in re.sub(" +:", ":", planned.text)
    assert dev.azure.requests("PUT", "DELETE", "POST") == []


def test_up_leads_from_nothing_to_traffic(dev: Dev) -> None:
    assert dev.engine.up().steps == {"create": MADE}
    made = [request["id"].rpartition("/")[2] for request in dev.azure.requests("PUT")]
    assert made == ["linkerd-canary-dev-westeurope"] * 2, "the group, then the cluster"
    assert local_stack.world_of(local_stack.first_answer(dev.url)) == "world"
    dev.engine.preview("--refresh", "--expect-no-changes")


def test_more_nodes_are_an_update_of_the_cluster_alone(dev: Dev) -> None:
    dev.engine.set("nodeCountMax", "5")
    planned = dev.engine.preview()
    assert planned.steps == {"update": 1, "unchanged": MADE - 1}
    assert "~ maxCount: 3 => 5" in planned.text


def test_new_nodes_and_a_new_weight_in_one_update(dev: Dev) -> None:
    dev.engine.set("canaryWeight", "100")
    assert dev.engine.up().steps == {"update": 2, "unchanged": MADE - 2}
    (pool,) = dev.azure.only("managedClusters")["agentPoolProfiles"]
    assert (pool["minCount"], pool["maxCount"]) == (2, 5)
    answer = eventually(lambda: _with("worldv2", local_stack.ask(dev.url)))
    assert local_stack.world_of(answer) == "worldv2"


def _with(wanted: str, text: str) -> str | None:
    return text if wanted in text else None


def test_another_location_is_refused_while_it_is_protected(dev: Dev) -> None:
    dev.engine.set("location", "northeurope")
    with pytest.raises(EngineFailedError, match="currently marked for protection"):
        dev.engine.preview()
    dev.engine.set("location", "westeurope")


def test_what_somebody_changed_in_azure_shows_and_is_put_right(dev: Dev) -> None:
    dev.azure.change("managedClusters", sku={"name": "Base", "tier": "Standard"})
    planned = dev.engine.preview("--refresh")
    assert '~ tier: "Standard" => "Free"' in planned.text
    dev.engine.up("--refresh")
    assert dev.azure.only("managedClusters")["sku"]["tier"] == "Free"


def test_destroy_leaves_nothing_in_azure(dev: Dev) -> None:
    dev.engine.set("protect", "false")
    dev.engine.up()
    dev.engine.destroy()
    assert dev.azure.resources() == {}
    assert "resources" not in dev.engine.state()
