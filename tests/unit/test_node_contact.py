"""local/node/contact.py: which nodes and images there are, by what is kept and what runs."""

from pathlib import Path

import pytest

from local.errors import LocalError
from local.node import contact, records
from local.node.identity import FIRST, NODES, Node
from local.node.records import Record

INDEX = (
    '{"schemaVersion": 2, "manifests": [{"annotations": {"io.containerd.image.name": "a/b:1"}}]}'
)


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(contact, "IMAGES", tmp_path)
    return tmp_path / "index.json"


def test_the_images_are_those_of_the_index(images: Path) -> None:
    assert contact.image_names() == set()
    images.write_text(INDEX)
    assert contact.image_names() == {"a/b:1"}


@pytest.mark.parametrize("damaged", ["", INDEX[:40], "[]", '{"manifests": null}', "{}"])
def test_a_damaged_index_holds_no_images_and_is_told(
    images: Path, capsys: pytest.CaptureFixture[str], damaged: str
) -> None:
    images.write_text(damaged)
    assert contact.image_names() == set()
    said = capsys.readouterr()
    assert f"{images} is damaged: the images have to be brought again" in said.out + said.err


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> set[str]:
    """The names of the nodes that run; the record asks for one."""
    names: set[str] = set()
    monkeypatch.setattr(records, "FILE", tmp_path / "run.json")
    Record(network="198.18.0.0/16", count=1).write()
    monkeypatch.setattr(contact, "running", lambda node=FIRST: node.name in names)
    monkeypatch.setattr(contact, "_ask", lambda node, *_: f"kubelet of {node.name}")
    return names


def listed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    contact.status()
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]


def test_status_lists_the_nodes_that_are_asked_for_or_run(
    running: set[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not those that only have data, of a time when there were more."""
    monkeypatch.setattr(Node, "kubernetes", property(lambda _: Path("/")))
    running.add(FIRST.name)
    assert listed(capsys) == [FIRST.name]
    running.add(NODES[2].name)
    assert listed(capsys) == [FIRST.name, NODES[2].name]


def test_status_where_none_runs(running: set[str]) -> None:
    with pytest.raises(LocalError, match="the local nodes do not run: `make up` starts them"):
        contact.status()
