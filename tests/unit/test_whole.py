"""Which images `make up` looks for."""

import json
from pathlib import Path
from typing import Any

import pytest

from local import images, stack, whole
from local.errors import LocalError

OWN = "mirror.example.com/linkerd:1.7.5"


def test_a_stand_in_takes_no_name_away_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "CHOSEN", tmp_path / "images.json")
    monkeypatch.setattr(images, "is_standin", lambda name: name.startswith("standin/"))
    config: dict[str, Any] = {"linkerdImage": OWN}
    monkeypatch.setattr(stack, "config", lambda: config)
    default = str(stack.default("linkerdImage"))
    assert whole._configured()["linkerdImage"] == OWN
    config["linkerdImage"] = "standin/linkerd:1"
    assert whole._configured()["linkerdImage"] == OWN
    del config["linkerdImage"]
    assert whole._configured()["linkerdImage"] == default
    config["linkerdImage"] = "standin/linkerd:1"
    assert whole._configured()["linkerdImage"] == default


@pytest.mark.parametrize("kept", ["", '{"linkerdImage": "mir', "null", "[]"])
def test_a_damaged_note_of_images_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    monkeypatch.setattr(whole, "CHOSEN", tmp_path / "images.json")
    whole.CHOSEN.write_text(kept)
    monkeypatch.setattr(stack, "config", lambda: {"linkerdImage": OWN})
    assert whole._configured()["linkerdImage"] == OWN
    assert json.loads(whole.CHOSEN.read_text())["linkerdImage"] == OWN


@pytest.mark.parametrize("content", ["config: [", "text", "config: text", "\0\0\0"])
def test_settings_that_cannot_be_read_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    settings = tmp_path / "Pulumi.local.yaml"
    settings.write_text(content)
    monkeypatch.setattr(stack, "SETTINGS", settings)
    with pytest.raises(
        LocalError, match=r"^.*Pulumi.local.yaml is not a stack's settings \(.*\): "
    ) as e:
        stack.config()
    assert "\n" not in str(e.value)
