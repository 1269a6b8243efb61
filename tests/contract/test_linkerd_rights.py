"""linkerd on a node with its own rights: they are enough, and none is too many.

Which rights the real linkerd uses was measured; here the stand-in asks what that one asks.
"""

import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import pytest

from mesh.discovery import LINKERD
from mesh.routers import INCOMING, OUTGOING, PEERS
from tests.contract.namerd_api import until
from tests.contract.stand_ins import MESH_NAMESPACE, StandIns, linkerd_config
from tests.contract.talk import Talker
from tests.harness.apiserver import Request
from tests.unit.test_program import run_program

pytestmark = pytest.mark.stand_ins

LONG_ENOUGH = 3.0
"""Seconds after which what is allowed has happened: it takes a fraction of one."""


@dataclass
class Limited:
    """A linkerd whose proxy to the API server has some of the rights of the program's Role."""

    world: StandIns
    namespace: str
    """Its own one, with the endpoints that tell the linkerds of all nodes."""
    user: str
    address: str
    talker: Talker

    def peers(self, address: str) -> None:
        """Say where the linkerd of its node is."""
        self.world.endpoints(PEERS, [address], INCOMING, "incoming", self.namespace)

    def status(self) -> int:
        """Of a request for world; 0 where none comes."""
        with self.talker.keep(LONG_ENOUGH) as conversation:
            try:
                return conversation.ask("GET", "/", {"Host": "world"}, None).status
            except (OSError, HTTPException):
                return 0


def role() -> dict[str, Any]:
    return dict(run_program({"meshNamespace": MESH_NAMESPACE}).get("Role", LINKERD))


@contextmanager
def limited(world: StandIns, verbs: Collection[str]) -> Iterator[Limited]:
    """With these verbs of the Role; at first the linkerd of its node is said to be elsewhere."""
    namespace = f"rights-{uuid.uuid4().hex[:8]}"
    user, address = f"{namespace}-linkerd", world.address()
    world.api.kubectl("create", "namespace", namespace)
    given = role()
    rules = [{**rule, "verbs": [*verbs]} for rule in given["rules"]]
    world.api.apply(
        {**given, "metadata": {"name": LINKERD, "namespace": namespace}, "rules": rules}
    )
    bound = ("create", "rolebinding", LINKERD, "-n", namespace, f"--role={LINKERD}")
    world.api.kubectl(*bound, f"--user={user}")
    for verb in verbs:
        world.api.wait_until_allowed(user, verb, "endpoints", namespace)
    with world.api.proxy(world.api.kubeconfig_for(user)) as proxy:
        outside, port = urlsplit(proxy), world.port()
        assert outside.hostname
        assert outside.port
        world.network.bring_in(("127.0.0.1", port), (outside.hostname, outside.port))
        found = Limited(world, namespace, user, address, world.talker(address, OUTGOING))
        found.peers(world.address())
        process = world.start_linkerd(address, config=asking(address, namespace, port))
        yield found
        process.end()
    world.api.kubectl("delete", "namespace", namespace, "--wait=false")


def asking(address: str, namespace: str, port: int) -> dict[str, Any]:
    """The program's config of linkerd, with another port for its proxy to the API server."""
    config = linkerd_config(address, namespace=namespace)
    for router in config["routers"]:
        for transformer in router["interpreter"]["transformers"]:
            if "k8sPort" in transformer:
                transformer["k8sPort"] = port
    return config


def test_it_uses_its_rights_and_is_refused_nothing(world: StandIns) -> None:
    (rule,) = role()["rules"]
    before = len(world.api.requests())
    with limited(world, rule["verbs"]) as linkerd:
        assert linkerd.status() == 502, "the linkerd of the node is not there"
        linkerd.peers(linkerd.address)
        assert until(linkerd.status, lambda status: status == 200) == 200

    def asked() -> list[Request]:
        return [each for each in world.api.requests()[before:] if each.user == linkerd.user]

    # A watch is in the log once it has ended.
    until(asked, lambda found: {each.verb for each in found} == set(rule["verbs"]))
    assert [each for each in asked() if each.status == 403] == []
    peers = f"/namespaces/{linkerd.namespace}/endpoints/{PEERS}"
    assert {each.path.partition("?")[0].partition("/namespaces")[2] for each in asked()} == {
        peers.removeprefix("/namespaces")
    }
    assert {each.verb for each in asked()} == set(rule["verbs"])


@pytest.mark.parametrize("verb", ["get", "watch"])
def test_without_a_verb_it_does_not_find_its_peers(world: StandIns, verb: str) -> None:
    (rule,) = role()["rules"]
    with limited(world, set(rule["verbs"]) - {verb}) as linkerd:
        assert linkerd.status() != 200
        linkerd.peers(linkerd.address)
        assert until(linkerd.status, lambda status: status == 200, LONG_ENOUGH) != 200
