"""How soon a canary that fails gets no requests any more, on the local nodes.

From the decision, whose time the rollout's journal has, to the last request that the canary
answers; against what that takes at least: a `pulumi up` of the tables that changes nothing, and a
bare PUT of the table.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from bench.report import Ratio, median
from bench.stack import bare_puts, canary
from canary.changes import DTAB
from canary.rollout import journal
from local import node, stack, whole
from local.errors import LocalError
from local.paths import ROOT
from tests.e2e import told
from tests.e2e.cluster import Cluster

ROUNDS = 3
PAUSE = 0.03
"""Seconds between two requests of each caller."""

CALLERS = 4

LIMIT = 1.2

ANALYSIS = {"interval": "10m", "scrape": "1s"}

OTHERS = """\
Flagger, by its documentation: metrics are looked at each `interval` (1 min in its examples), and
the canary goes back at the look at which `threshold` of them (5 to 10 there) have failed.
Argo Rollouts: the controller writes the weight once more measurements than `failureLimit` have
failed, of which its examples take one each 5 min; it does not look whether requests follow."""


def main() -> None:
    """Measure, and print the figure against its peer."""
    whole.up()
    former = stack.SETTINGS.read_text()
    with told.image():  # which the nodes need until its pods are gone
        try:
            _measure(yaml.safe_load(former))
        finally:
            stack.SETTINGS.write_text(former)
            stack.ask("up", "--yes", "--skip-preview", "--refresh")


def _measure(settings: dict[str, Any]) -> None:
    """With a world-v2 that does as it is told."""
    url = told.up(settings, "v2", canaryWeight=0, canaryAnalysis=ANALYSIS)
    cluster = Cluster()
    told.settled(cluster)
    took = [_round(cluster, url) for _ in range(ROUNDS)]
    unchanged = median([_seconds_of_no_change() for _ in range(ROUNDS)])
    put = median(bare_puts(url))
    name = "decision to the canary's last request / no-change up + PUT"
    print(Ratio(name, median(took), unchanged + put, LIMIT))
    print(OTHERS)


def _round(cluster: Cluster, url: str) -> float:
    """Seconds, of one rollout whose canary fails each fifth request."""
    with told.told(cluster, "fifth"), _callers(url) as last:
        done = canary("run", "--steps", "30,100")
    if "Back at 0 % in" not in done.stdout:
        raise LocalError(f"the rollout did not go back: {done.stdout}{done.stderr}")
    return last[0] - journal.find(ROOT, None).rollout.decided


@contextmanager
def _callers(url: str) -> Iterator[list[float]]:
    """Requests until the end; the time of the last one that the canary answered."""
    ended, last = threading.Event(), [0.0]

    def call() -> None:
        with node.session() as session:
            while not ended.wait(PAUSE):
                if " worldv2 (" in session.get(url, timeout=30).text:
                    last[0] = max(last[0], time.time())

    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield last
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _seconds_of_no_change() -> float:
    """Of an update of the tables alone, as a rollout runs it."""
    tables = json.loads(stack.ask("stack", "export"))["deployment"]["resources"]
    urns = [each["urn"] for each in tables if each["type"] == DTAB]
    targets = [word for urn in urns for word in ("--target", urn)]
    began = time.perf_counter()
    stack.ask("up", "--yes", "--skip-preview", *targets)
    return time.perf_counter() - began
