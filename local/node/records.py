"""What the nodes were last started with, kept beside their data."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime

from local.errors import LocalError
from local.node.identity import STATE, Node
from local.node.network import Network

FILE = STATE / "run.json"


@dataclass
class Record:
    """What is remembered of the nodes."""

    network: str | None = None
    """The /16 that the data was made for; none where there is no data."""

    count: int | None = None
    """How many nodes were asked for; none in the data of a release that knew one only."""

    started_with: dict[str, str] = field(default_factory=dict)
    """A node's name → the key of its programs and configuration."""

    since: dict[str, str] = field(default_factory=dict)
    """A node's name → when it was started (RFC 3339, UTC)."""

    def note(self, node: Node, started_with: str) -> None:
        """Remember that a node starts now."""
        self.started_with[node.name] = started_with
        self.since[node.name] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def forget(self, nodes: Iterable[Node]) -> None:
        """Remember of nodes no longer that they were started."""
        for node in nodes:
            self.started_with.pop(node.name, None)

    def write(self) -> None:
        """Keep it."""
        made = FILE.with_suffix(".part")
        with made.open("w") as file:
            file.write(json.dumps(asdict(self), indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        made.rename(FILE)


def read() -> Record:
    """The record, empty where there is none.

    One of an older release has its network only; of a later one's, what is unknown is left out.
    """
    try:
        known = json.loads(FILE.read_text())
    except (OSError, ValueError):
        return Record()
    if not isinstance(known, dict):
        return Record()
    if "started_with" not in known:
        return Record(network=known.get("network"))
    names = {each.name for each in fields(Record)}
    return Record(**{name: value for name, value in known.items() if name in names})


def own_network() -> Network:
    """The network that the nodes' data was made for; a LocalError where there is none."""
    made_for = read().network
    if made_for is None:
        raise LocalError("there are no local nodes yet: `make up` makes them")
    return Network.of(made_for)
