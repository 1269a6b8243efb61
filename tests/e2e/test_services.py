"""Twenty services of one's own on the node: each asks the next one through the mesh.

They spell the next one's name in turn in each of the ways that docs/services.md lists.
"""

from typing import Any

import pytest
import yaml

from local import stack
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster
from tests.e2e.local_stack import command
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.long

COUNT = 20
PREFIX = "linkerd-canary"


SPELLINGS = (
    "{}",
    "{}:{}",
    "{}.hello-world",
    "{}.hello-world:{}",
    "{}.hello-world.svc",
    "{}.hello-world.svc.cluster.local",
    "{}.hello-world.svc.cluster.local:{}",
)


def services() -> dict[str, Any]:
    """A chain whose last link has two versions."""
    return {f"link-{number:02}": _link(number) for number in range(1, COUNT + 1)}


def _link(number: int) -> dict[str, Any]:
    port = 7000 + number
    link: dict[str, Any] = {"port": port, "replicas": 1, "args": [f"-addr=:{port}"]}
    if number == COUNT:
        link["versions"] = {name: {"env": {"TARGET_WORLD": name}} for name in ("v1", "v2")}
        return link
    target = SPELLINGS[number % len(SPELLINGS)].format(f"link-{number + 1:02}", port + 1)
    link["args"] += [f"-text=link-{number:02}", f"-target={target}"]
    return link


def test_a_request_goes_through_all_twenty(settings: dict[str, Any], cluster: Cluster) -> None:
    own = {"services": services(), "entryService": "link-01", "canaryWeight": 50}
    config = {**settings["config"], **{f"{PREFIX}:{key}": value for key, value in own.items()}}
    stack.SETTINGS.write_text(yaml.safe_dump({**settings, "config": config}))
    command("pulumi", "up", "--yes", "--skip-preview")

    url = str(local_stack.outputs()["url"])
    # linkerd is told of the outside's new table a moment later.
    wait_until(lambda: local_stack.ask(url).startswith("link-01"), "linkerd leads to link-01")
    last = []
    for _ in range(40):
        words = local_stack.ask(url).rstrip("!").split()
        assert words[:-2:2] == list(services())[:-1], words
        last.append(words[-2])
    assert set(last) == {"v1", "v2"}, "an even split gives neither all of 40"

    running = cluster.get("deployments", "-n", "hello-world")["items"]
    assert len(running) == COUNT + 1, "and none of what was there before"
