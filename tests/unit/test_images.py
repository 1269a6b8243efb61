"""local/images.py and local/archives.py: names, and what goes together."""

import json
from pathlib import Path

import pytest

from local import binaries, images
from local.__main__ import main
from local.archives import OwnImage
from local.errors import LocalError
from local.images import REFUSAL_SECONDS, Refusals, bring, full_name, is_standin, together

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("buoyantio/linkerd:1.7.5", "docker.io/buoyantio/linkerd:1.7.5"),
        ("buoyantio/linkerd", "docker.io/buoyantio/linkerd:latest"),
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1", "docker.io/library/nginx:1"),
        ("registry.k8s.io/kubectl:v1.34.4", "registry.k8s.io/kubectl:v1.34.4"),
        ("localhost/linkerd:1", "localhost/linkerd:1"),
        ("mirror:5000/a/b", "mirror:5000/a/b:latest"),
        ("mirror:5000/a/b:2", "mirror:5000/a/b:2"),
        (f"a/b@{DIGEST}", f"docker.io/a/b@{DIGEST}"),
        (f"a/b:1@{DIGEST}", f"docker.io/a/b@{DIGEST}"),
    ],
)
def test_names_as_containerd_knows_them(name: str, full: str) -> None:
    assert full_name(name) == full
    assert full_name(full) == full


@pytest.mark.parametrize(
    "wrong", ["", "a b", "Example.org/A/b", "a/b:", "a@sha256:12", "-as", "a//b"]
)
def test_a_name_that_is_no_images_is_refused_before_anything_is_done(wrong: str) -> None:
    with pytest.raises(LocalError, match="give an image's name, as in `make image IMAGE="):
        bring(wrong, Path("/nowhere"))


@pytest.mark.parametrize(
    ("status", "said", "advice"),
    [
        (5, "cannot run here (the reason)", "give an image for this platform"),
        (4, "cannot be had from its registry (the reason)", "give ARCHIVE=file.tar, as `docker "),
    ],
)
def test_an_archive_is_advised_only_where_it_helps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, said: str, advice: str
) -> None:
    tool = tmp_path / "image"
    tool.write_text(f"#!/bin/sh\necho the reason >&2\nexit {status}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(binaries, "image_tool", lambda: tool)
    monkeypatch.setattr(images, "STATE", tmp_path)
    with pytest.raises(LocalError) as refused:
        bring("example.org/a:1", None)
    assert str(refused.value).startswith(f"example.org/a:1 {said}: {advice}")


def test_an_argument_too_many_is_a_matter_of_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["local", "image", "a/b:1", "a.tar", "b.tar"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "error: image takes its name and at most one archive" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "real"),
    [
        ({"linkerdImage", "namerdImage", "helloworldImage"},) * 2,
        ({"linkerdImage", "namerdImage"},) * 2,
        ({"linkerdImage", "helloworldImage"}, {"helloworldImage"}),
        ({"namerdImage", "kubectlImage"}, {"kubectlImage"}),
        (set(), set()),
    ],
)
def test_linkerd_and_namerd_are_both_real_or_both_not(found: set[str], real: set[str]) -> None:
    assert together(found) == real


def test_an_own_image_is_named_by_what_its_program_was_built_from() -> None:
    first = OwnImage(Path("/cache/mesh-0123456789ab/linkerd"))
    assert first.name == "linkerd-canary.local/linkerd:0123456789ab"
    assert is_standin(first.name)
    assert OwnImage(first.program, as_name="registry.example/x:1").name == "registry.example/x:1"
    assert not is_standin("registry.k8s.io/kubectl:v1.34.4")


def test_refusals_are_remembered_for_a_while(tmp_path: Path) -> None:
    now = 1000.0
    refusals = Refusals(tmp_path / "refusals.json", lambda: now)
    assert not refusals.recent("registry.example/a:1")
    refusals.add({"registry.example/a:1": "no such host"})
    refusals.add({"registry.example/b:1": "refused"})
    assert refusals.recent("registry.example/a:1")
    assert refusals.recent("registry.example/b:1")
    assert not refusals.recent("registry.example/c:1")
    noted = json.loads((tmp_path / "refusals.json").read_text())
    assert noted["registry.example/a:1"] == {"time": 1000.0, "why": "no such host"}
    now += REFUSAL_SECONDS
    assert not refusals.recent("registry.example/a:1")


def test_a_torn_record_of_refusals_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "refusals.json").write_text('{"registry.exa')
    assert not Refusals(tmp_path / "refusals.json").recent("registry.example/a:1")
