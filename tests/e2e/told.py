"""A stack whose world-v2 does as tests tell it: it fails, hangs or is slow, and stays ready."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from local import node, stack
from tests.e2e import local_stack
from tests.e2e.cluster import PATIENCE, Cluster, eventually, server_image
from tests.e2e.local_stack import command

MESH, APPS = "linkerd", "hello-world"
DEPLOYED = ("hello", "world-v1", "world-v2")
CONTROL = 8080
"""The port at which a version is told what to do."""

ROLLED_OUT = f"--timeout={3 * PATIENCE:.0f}s"


@contextmanager
def image() -> Iterator[None]:
    """Its image, on the nodes until the end."""
    before = node.image_names()
    node.load(server_image().archive())
    yield
    for name in {server_image().name} & (node.image_names() - before):
        node.forget(name)


def up(settings: dict[str, Any], *versions: str, **config: Any) -> str:
    """Have these versions of world, such as `v2`, do as they are told; where hello answers."""
    services = stack.default("services")
    for version in versions:
        services["world"]["versions"][version] |= {
            "image": server_image().name,
            "args": ["trouble", f":{services['world']['port']}", f":{CONTROL}"],
        }
    own = {f"linkerd-canary:{key}": value for key, value in config.items()}
    own["linkerd-canary:services"] = services
    stack.SETTINGS.write_text(yaml.safe_dump({**settings, "config": {**settings["config"], **own}}))
    command("pulumi", "up", "--yes", "--skip-preview")
    found = str(local_stack.outputs()["url"])
    local_stack.first_answer(found)
    return found


def pods(cluster: Cluster, namespace: str, app: str) -> list[dict[str, Any]]:
    """All pods of an app, those that are about to go included."""
    found: list[dict[str, Any]] = cluster.get("pods", "-n", namespace, "-l", f"app={app}")["items"]
    return found


def settled(cluster: Cluster) -> None:
    """Wait until everything runs as it is declared, and what it took the place of is gone."""
    workloads = [(MESH, "daemonset/l5d"), (MESH, "deployment/namerd")]
    for namespace, each in [*workloads, *((APPS, f"deployment/{name}") for name in DEPLOYED)]:
        cluster.kubectl("rollout", "status", each, "-n", namespace, ROLLED_OUT)

    eventually(lambda: cluster.none_terminates(MESH, APPS))


@contextmanager
def told(cluster: Cluster, mode: str, *apps: str) -> Iterator[None]:
    """Have every pod of these apps, by default world-v2, misbehave, and answer again at the end."""
    apps = apps or ("world-v2",)
    addresses = [pod["status"]["podIP"] for app in apps for pod in pods(cluster, APPS, app)]

    def tell(what: str) -> None:
        with node.session() as session:
            for each in addresses:
                url = f"http://{each}:{CONTROL}/as/{what}"
                assert session.post(url, timeout=PATIENCE).ok, url

    tell(mode)
    try:
        yield
    finally:
        tell("answer")
        ready = ("--for=condition=Ready", ROLLED_OUT)
        for app in apps:
            cluster.kubectl("wait", "pods", "-n", APPS, "-l", f"app={app}", *ready)
