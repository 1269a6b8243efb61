"""The local stack: what `pulumi up` costs, and how soon the traffic follows a new weight.

It needs the node that `make up` brings up, and leaves the stack's weight as it found it.
"""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import requests

from bench.report import Bound, Ratio, median
from kube.connection import Connection, to_cluster
from local import node, stack, toolchain, whole
from local.errors import LocalError
from local.paths import KUBECONFIG, PYTHON, ROOT, VENV

ROUNDS = 5
"""Times that each command runs; the two of a pair take turns."""

_SPLIT = "/host/world"

PAUSE = 0.01
"""Seconds between two questions: without a pause they take half of the machine from `up`."""

FLIPS = 10
"""Changes of the weight by a bare PUT."""

_EMPTY = "import pulumi\n"
_PEER = """\
import os
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class Nothing(ResourceProvider):
    def create(self, props):
        return CreateResult("nothing", props)

class Bare(Resource):
    pass

cluster = k8s.Provider("cluster", kubeconfig=Path(os.environ["KUBECONFIG"]).read_text())
for number in range(int(os.environ["OBJECTS"])):
    k8s.core.v1.ConfigMap(
        f"object-{number}",
        metadata={"namespace": "default"},
        data={"number": str(number)},
        opts=pulumi.ResourceOptions(provider=cluster),
    )
for number in range(int(os.environ["DYNAMIC"])):
    Bare(Nothing(), f"dynamic-{number}", {"value": "x"})
"""
"""As many resources of the same plugins, with nothing in them: what no program can go below."""

_FAILING = """\
from pulumi.dynamic import Resource, ResourceProvider

class Failing(ResourceProvider):
    def create(self, props):
        raise ValueError("it fails")

class Bare(Resource):
    pass

Bare(Failing(), "failing", {})
"""


def main() -> None:
    """Measure, and print each figure against its peer or bound."""
    whole.up()
    weight = int(stack.config().get("canaryWeight", 0))
    url = str(stack.outputs()["url"])
    try:
        for line in (*_commands(url), *_status(), *_first_up(), *_node()):
            print(line, flush=True)
    finally:
        _set_weight(weight)
        _up()


def _commands(url: str) -> list[Ratio]:
    """A no-change `up` against bare programs', and a new weight's against a no-change one's."""
    unchanged, peer, empty, failed, until_answered = [], [], [], [], []
    with (
        _program("peer", _PEER, **_sizes()) as run_peer,
        _program("empty", _EMPTY) as run_empty,
        _program("failing", _FAILING) as run_failing,
    ):
        run_peer()
        for _ in range(ROUNDS):
            _set_weight(0)
            _up()
            unchanged.append(_seconds(_up))
            peer.append(_seconds(run_peer))
            empty.append(_seconds(run_empty))
            failed.append(_seconds(partial(run_failing, fails=True)))
            _set_weight(100)
            until_answered.append(_seconds_to_answer(url, "worldv2", _up))
    puts = bare_puts(url)
    return [
        Ratio("no-change up / one of as many bare resources", median(unchanged), median(peer), 1.5),
        Ratio("no-change up / an empty program's", median(unchanged), median(empty)),
        Ratio("up that fails / an empty program's", median(failed), median(empty), 3),
        Ratio(
            "up with a new weight, to its first answer / no-change up",
            median(until_answered),
            median(unchanged),
            1.25,
        ),
        Ratio(
            "bare PUT of the table, to its first answer / no-change up",
            median(puts),
            median(unchanged),
        ),
    ]


def _sizes() -> dict[str, str]:
    """How many resources the stack has, by their plugins, as the peer takes it."""
    state = json.loads(stack.ask("stack", "export"))
    types = [each["type"] for each in state["deployment"]["resources"]]
    objects = sum(each.startswith("kubernetes:") for each in types)
    dynamic = sum(each.startswith("pulumi-python:dynamic") for each in types)
    return {"OBJECTS": str(objects), "DYNAMIC": str(dynamic), "KUBECONFIG": str(KUBECONFIG)}


def _status() -> list[Ratio | Bound]:
    """Everything that is known of a canary, against the slowest question that it asks Pulumi."""
    took = median([_seconds(partial(canary, "status")) for _ in range(ROUNDS)])
    export = partial(stack.ask, "stack", "export", "--show-secrets")
    floor = median([_seconds(export) for _ in range(ROUNDS)])
    return [
        Ratio("canary status / pulumi stack export", took, floor, 3),
        Bound("canary status", took, 1.5),
    ]


def canary(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """One of the operator's commands, whose exit code says what it has found."""
    return subprocess.run(
        [PYTHON, "-m", "canary", *arguments],
        cwd=ROOT,
        env={**toolchain.subprocess_environment(), "KUBECONFIG": str(KUBECONFIG)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _first_up() -> list[Bound]:
    """Everything on a node that has the images and nothing else."""
    stack.ask("destroy", "--yes", "--skip-preview")
    return [Bound("first up of everything", _seconds(_up), 60)]


def _node() -> list[Bound]:
    """Ending the node and bringing it up again, with everything built."""
    down = _seconds(node.down)
    node_up = _seconds(node.up)
    node.down()
    return [
        Bound("make down", down, 2),
        Bound("the node up again", node_up, 15),
        Bound("make up with everything built and the node down", _seconds(whole.up), 90),
    ]


def _set_weight(weight: int) -> None:
    stack.ask("config", "set", "canaryWeight", str(weight))


def _up() -> None:
    stack.ask("up", "--yes", "--skip-preview")


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _seconds_to_answer(url: str, world: str, run: Callable[[], object]) -> float:
    """From the start of `run`, which goes on beside, to hello's first answer that names `world`."""
    started = time.perf_counter()
    running = threading.Thread(target=run)
    running.start()
    deadline = started + 120
    with node.session() as session:
        while f" {world} (" not in session.get(url, timeout=30).text:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"no answer of {world} within 120 s")
            time.sleep(PAUSE)
    seconds = time.perf_counter() - started
    running.join()
    return seconds


def bare_puts(url: str) -> list[float]:
    """The same change by a PUT of the table's object alone."""
    found = []
    with to_cluster(KUBECONFIG.read_text()) as api_server:
        for flip in range(FLIPS):
            world, branch = (("world", "world-v1"), ("worldv2", "world-v2"))[flip % 2]
            found.append(_seconds_to_answer(url, world, partial(_put, api_server, branch)))
    return found


def _put(api_server: Connection, branch: str) -> None:
    path = "/apis/l5d.io/v1alpha1/namespaces/linkerd/dtabs/internal"
    table = json.loads(api_server.send("GET", path).text)
    for entry in table["dentries"]:
        if entry["prefix"] == _SPLIT:
            entry["dst"] = f"/srv/{branch}"
    headers = {"Content-Type": "application/json"}
    answer = api_server.send("PUT", path, headers=headers, body=json.dumps(table))
    if answer.status != requests.codes.ok:
        raise LocalError(f"PUT of the table: {answer.status} {answer.text}")


@contextmanager
def _program(name: str, source: str, **environment: str) -> Iterator[Callable[..., None]]:
    """The `up` of a program on the same backend, by the same Python."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "Pulumi.yaml").write_text(
            f"name: {name}\nruntime:\n  name: python\n  options:\n"
            f"    toolchain: pip\n    virtualenv: {VENV}\n"
        )
        (folder / "__main__.py").write_text(source)

        def run(*arguments: str, fails: bool = False) -> None:
            done = subprocess.run(
                [toolchain.pulumi() / "pulumi", *arguments, "--stack", "bench"],
                cwd=folder,
                env={**toolchain.subprocess_environment(), **environment},
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            if (done.returncode != 0) != fails:
                raise LocalError(f"the program {name} ended unexpectedly: {done.stdout.decode()}")

        run("stack", "init")
        try:
            yield partial(run, "up", "--yes", "--skip-preview")
        finally:
            run("destroy", "--yes", "--skip-preview")
            run("stack", "rm", "--yes", "--force")
