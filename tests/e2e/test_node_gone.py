"""While the nodes are away nothing is sent to their addresses by another way, and nobody waits.

The node is another clone's, in a network namespace of the test's own whose default route counts.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local import binaries
from local.node import count, network
from tests.e2e import node_gone
from tests.e2e.cluster import server_image
from tests.harness.clone import copy_of_local

pytestmark = pytest.mark.long

AT_ONCE = 30.0
"""Seconds: a request that nobody ends waits ten minutes. It is about five on an idle machine."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What node_gone.py saw."""
    folder = copy_of_local(tmp_path_factory.mktemp("gone"))
    image = server_image()
    command: list[str | Path] = [
        *("unshare", "--net", sys.executable),
        *(node_gone.__file__, image.name, image.archive(), binaries.kube() / "kubectl"),
    ]
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        network.VARIABLE: "198.18.0.0/16",
        count.VARIABLE: "2",
    }
    down = [sys.executable, "-c", "from local import node; node.down()"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    finally:
        subprocess.run(down, cwd=folder, env=environment, timeout=120, check=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_nothing_is_sent_by_another_way(seen: dict[str, Any]) -> None:
    assert seen["left by the way out"] == 0
    assert seen["left in the end"] > 0, "the counter counts"


def test_what_is_under_way_when_a_node_is_killed_fails_at_once(seen: dict[str, Any]) -> None:
    assert seen["watch ended after"] < AT_ONCE
    assert seen["request ended after"] < AT_ONCE
    assert seen["request ended with"] != "an answer"


def test_what_is_under_way_when_the_nodes_are_ended_fails_at_once(seen: dict[str, Any]) -> None:
    assert seen["down, request ended after"] < AT_ONCE


@pytest.mark.parametrize("when", ["killed", "down"])
def test_what_comes_later_fails_at_once(seen: dict[str, Any], when: str) -> None:
    seconds, said = seen[f"{when}, kubectl"]
    assert "refused" in said
    assert seconds < AT_ONCE
    seconds, said = seen[f"{when}, a request"]
    assert said != "an answer"
    assert seconds < AT_ONCE


def test_a_question_for_the_clusters_dns_is_not_even_sent(seen: dict[str, Any]) -> None:
    assert seen["down, dns"] is False
