"""Real images first: what is on the node, what a registry gives, what stands in."""

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import archives, binaries, images, node
from local.archives import PullError
from local.images import KUBECTL_PUBLISHED, Image, Refusals, provide
from local.node.contact import IMAGE_NAME
from local.node.identity import IMAGES
from tests.e2e.cluster import PATIENCE, Cluster, run, server_image
from tests.harness.registry import registry, silent_registry

REPOSITORY = "test/image"


@pytest.fixture(scope="module")
def published() -> Iterator[str]:
    """The name of an image that a registry on loopback publishes."""
    with registry(server_image().archive(), REPOSITORY) as host:
        yield f"{host}/{REPOSITORY}:1"


@pytest.fixture
def forgetful(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """The node, without refusals remembered, and without the images that a test brings."""
    monkeypatch.setattr(images, "REFUSALS", tmp_path / "refusals.json")
    before = node.image_names()
    yield cluster
    for name in node.image_names() - before:
        if name.startswith("127.0.0.1:"):
            node.forget(name)


def test_a_published_image_is_pulled_and_runs_under_its_own_name(
    forgetful: Cluster, published: str
) -> None:
    provided = provide({"helloworldImage": published})
    assert provided == {"helloworldImage": Image(published, real=True)}
    forgetful.kubectl("run", "published", f"--image={published}", "--restart=Never")
    try:
        forgetful.kubectl("wait", "pod/published", "--for=condition=Ready", "--timeout=120s")
    finally:
        forgetful.kubectl("delete", "pod", "published", "--now")


def test_an_image_that_is_on_the_node_already_is_not_asked_for(
    forgetful: Cluster, tmp_path: Path
) -> None:
    with registry(server_image().archive(), REPOSITORY) as host:
        wanted = {"helloworldImage": f"{host}/{REPOSITORY}:2"}
        first = provide(wanted)
    assert provide(wanted) == first  # with the registry gone
    assert first["helloworldImage"].real


def test_a_pulled_image_keeps_its_digest(forgetful: Cluster, published: str) -> None:
    provide({"helloworldImage": published})
    own = server_image()
    node.load(own.archive())
    index = json.loads((IMAGES / "index.json").read_text())
    digests = {image["annotations"][IMAGE_NAME]: image["digest"] for image in index["manifests"]}
    assert digests[published] == digests[own.name]


def test_without_one_of_linkerd_and_namerd_both_are_stand_ins(
    forgetful: Cluster, published: str
) -> None:
    missing = published.replace(REPOSITORY, "test/missing")
    provided = provide({"linkerdImage": published, "namerdImage": missing})
    assert {part: image.real for part, image in provided.items()} == {
        "linkerdImage": False,
        "namerdImage": False,
    }
    assert all(images.is_standin(image.name) for image in provided.values())
    assert {image.name for image in provided.values()} <= node.image_names()


def test_a_registry_that_never_answers_holds_nobody_up_twice(forgetful: Cluster) -> None:
    with silent_registry() as silent:
        wanted = {"helloworldImage": f"{silent.host}/{REPOSITORY}:1"}
        assert not provide(wanted)["helloworldImage"].real
        asked = silent.connections
        assert asked
        assert not provide(wanted)["helloworldImage"].real
        assert silent.connections == asked, "it is not asked again"
    assert Refusals(images.REFUSALS).recent(wanted["helloworldImage"])


def test_kubectl_is_the_nodes_own_build_under_the_published_name(forgetful: Cluster) -> None:
    provided = provide({"kubectlImage": KUBECTL_PUBLISHED})
    assert provided == {"kubectlImage": Image(KUBECTL_PUBLISHED, real=True)}
    # Not by `run --rm -i`: what a pod says while kubectl attaches to it may be lost.
    pod = ("run", "kubectl", f"--image={KUBECTL_PUBLISHED}", "--restart=Never")
    forgetful.kubectl(*pod, "--", "version", "--client")
    try:
        over = ("--for=jsonpath={.status.phase}=Succeeded", f"--timeout={3 * PATIENCE:.0f}s")
        forgetful.kubectl("wait", "pod/kubectl", *over)
        said = forgetful.kubectl("logs", "kubectl")
    finally:
        forgetful.kubectl("delete", "pod", "kubectl", "--ignore-not-found")
    assert f"Client Version: {node.KUBERNETES_VERSION}" in said


def test_another_kubectl_that_cannot_be_had_is_the_nodes_own_build(forgetful: Cluster) -> None:
    with silent_registry() as silent:
        provided = provide({"kubectlImage": f"{silent.host}/kubectl:v1.30.0"})["kubectlImage"]
    assert provided.real
    assert provided.name.startswith("linkerd-canary.local/kubectl:")


def test_the_same_program_gives_the_same_digest(tmp_path: Path) -> None:
    def digest(archive: str) -> str:
        program = tmp_path / archive / "program"
        program.parent.mkdir()
        shutil.copy(server_image().program, program)
        run(binaries.image_tool(), "build", "test/image:1", tmp_path / archive / "tar", program)
        with tarfile.open(tmp_path / archive / "tar") as layout:
            index = layout.extractfile("index.json")
            assert index
            return str(json.load(index)["manifests"][0]["digest"])

    assert digest("first") == digest("second")


def test_a_pull_says_in_one_line_why_it_failed(tmp_path: Path, published: str) -> None:
    missing = published.replace(REPOSITORY, "test/missing")
    with pytest.raises(PullError) as failed:
        archives.pull(missing, tmp_path / "image.tar")
    assert "404" in str(failed.value)
    assert "\n" not in str(failed.value)
    assert list(tmp_path.iterdir()) == []
