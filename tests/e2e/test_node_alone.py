"""One node of several: it goes and comes back by itself, and images reach it like any other."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import node
from local.node import cgroups
from tests.e2e import local_stack
from tests.e2e.cluster import PATIENCE, Cluster, eventually, get, make, server_image
from tests.harness.registry import registry

pytestmark = pytest.mark.long

LAST = node.NODES[2]
IMAGE = "registry.example/team/web"


@pytest.fixture(scope="module")
def several(cluster: Cluster) -> Cluster:
    """The cluster, which must have the usual three nodes."""
    assert len(node.nodes()) >= LAST.number, "this clone has fewer: LINKERD_CANARY_NODES=3 make up"
    return cluster


@pytest.fixture
def brought() -> Iterator[None]:
    """The images that a test brings are taken away again."""
    before = node.image_names()
    yield
    for name in node.image_names() - before:
        node.forget(name)


def run_on(cluster: Cluster, where: str, image: str, name: str = "brought") -> str:
    """Run an image as a pod on a node; where it says that it runs, by its own environment."""
    placed = f'{{"spec": {{"nodeName": "{where}", "terminationGracePeriodSeconds": 1}}}}'
    cluster.kubectl("run", name, f"--image={image}", f"--overrides={placed}", "--port=8080")
    try:
        wait = ("wait", f"pod/{name}", "--for=condition=Ready", f"--timeout={PATIENCE:.0f}s")
        cluster.kubectl(*wait)
        pod = cluster.get("pod", name)
        assert pod["spec"]["nodeName"] == where
        return get(f"http://{pod['status']['podIP']}:8080/brought")
    finally:
        cluster.kubectl("delete", "pod", name, "--now")


def digest_of(archive: Path) -> str:
    """The digest of an archive's only image."""
    with tarfile.open(archive) as layout:
        index = layout.extractfile("index.json")
        assert index
        (manifest,) = json.load(index)["manifests"]
    return str(manifest["digest"])


def test_an_image_of_ones_own_from_an_archive_runs_on_another_node(
    several: Cluster, brought: None, tmp_path: Path
) -> None:
    image = f"{IMAGE}:1.4"
    said = local_stack.local("image", image, str(server_image().archive()))
    assert said.strip() == image
    assert "path=/brought" in run_on(several, LAST.name, image)


def test_an_image_of_ones_own_from_its_registry_runs_by_tag_and_by_digest(
    several: Cluster, brought: None
) -> None:
    with registry(server_image().archive(), "team/web") as host:
        image = local_stack.local("image", f"{host}/team/web:1").strip()
        digest = digest_of(server_image().archive())
        assert "path=/brought" in run_on(several, LAST.name, image)
    assert "path=/brought" in run_on(several, node.NODES[1].name, f"{host}/team/web@{digest}")


def test_an_archive_that_is_none_is_one_line(several: Cluster, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_text("no archive\n" * 100)
    before = node.image_names()
    said = local_stack.local("image", f"{IMAGE}:2", str(archive), status=1)
    assert said.startswith(f"error: storing an image: {archive}: it is no image archive: ")
    assert len(said.splitlines()) == 1
    assert node.image_names() == before


def test_status_lists_the_nodes(several: Cluster) -> None:
    said = local_stack.local("status")
    assert [line for line in said.splitlines() if not line.startswith(" ")] == [
        each.name for each in node.nodes()
    ]
    assert said.count("kubelet ") == said.count("containerd ") == len(node.nodes())
    assert said.count("kube-apiserver ") == 1
    assert said.count("RUNNING") == said.count("pid ")


def test_kubectl_works_inside_every_node(several: Cluster) -> None:
    names = {each.name for each in node.nodes()}
    for each in node.nodes():
        said = several.enter("kubectl", "get", "nodes", "-o", "name", number=each.number)
        assert set(said.split()) == {f"node/{name}" for name in names}


def test_a_node_is_stopped_and_started_by_itself(several: Cluster) -> None:
    others = {name for name in several.nodes() if name != LAST.name}
    assert LAST.name in several.nodes()
    try:
        make("stop", LAST.number)
        assert not node.running(LAST)
        said = local_stack.local("status")
        assert f"{LAST.name}\n  does not run\n" in said
        assert "kube-apiserver" in said
        # As the control plane sees it when its heartbeats have been missing for 50 s.
        assert eventually(lambda: set(several.nodes()) == others)
    finally:
        make("start", LAST.number)
    assert LAST.name in several.nodes()
    assert node.running(LAST)


def test_up_mends_a_node_that_died_and_leaves_the_others_alone(several: Cluster) -> None:
    others = [each.name for each in node.nodes() if each != LAST]
    before = {name: cgroups.first_process(name) for name in others}
    make("stop", LAST.number)
    make("up")
    assert node.running(LAST)
    assert LAST.name in several.nodes()
    assert {name: cgroups.first_process(name) for name in others} == before
