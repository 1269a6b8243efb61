"""Which images `make up` looks for."""

from pathlib import Path
from typing import Any

import pytest

from local import images, stack, whole

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
