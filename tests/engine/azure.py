"""The Azure that the tests' programs run against, as a test changes it and looks at it."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.standins.azure_native import moves
from tests.standins.azure_native.cloud import Cloud

COMMAND = [sys.executable, "-u", "-m", "tests.standins.azure_native"]
KUBELOGIN = Path(__file__).parents[1] / "standins" / "kubelogin"


@dataclass(frozen=True)
class Azure:
    """A folder of the stand-in's; see tests/standins/azure_native/cloud.py."""

    folder: Path

    def resources(self) -> dict[str, dict[str, Any]]:
        """What exists, by resource id."""
        file = self.folder / "cloud.json"
        found: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def only(self, provider: str) -> dict[str, Any]:
        """The one resource of a type such as managedClusters."""
        (found,) = [
            made for id_, made in self.resources().items() if id_.split("/")[-2] == provider
        ]
        return found

    def change(self, provider: str, **properties: Any) -> None:
        """Change outputs of the one resource of a type, as somebody else does."""
        found = self.resources()
        (id_,) = [each for each in found if each.split("/")[-2] == provider]
        found[id_].update(properties)
        (self.folder / "cloud.json").write_text(json.dumps(found))

    def upgrade(self, version: str) -> None:
        """Move the cluster and its nodes on to a version, as the channel does by itself."""
        moves.upgrade(self.cloud, version)

    def scale(self, count: int) -> None:
        """Have the autoscaler make nodes, or leave them."""
        moves.scale(self.cloud, count)

    @property
    def cloud(self) -> Cloud:
        """What the stand-in itself reads and writes."""
        return Cloud(self.folder)

    def fail(self, *faults: tuple[str, str, str]) -> None:
        """Have the next requests of some kinds fail: type, verb and fault of each."""
        planned = [dict(zip(("type", "on", "fault"), each, strict=True)) for each in faults]
        (self.folder / "faults.json").write_text(json.dumps(planned))

    def requests(self, *verbs: str) -> list[dict[str, Any]]:
        """What was asked of Azure, by its verb: PUT, GET, DELETE, POST."""
        file = self.folder / "requests.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [each for each in map(json.loads, lines) if not verbs or each["verb"] in verbs]
