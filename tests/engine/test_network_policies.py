"""The NetworkPolicies on a policy engine: real packets, each pair of pods in each topology."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mesh import policies
from mesh.policies import Shape
from tests.harness.apiserver import ApiServer
from tests.harness.policed import End as Reached
from tests.harness.policed import Policed, policed
from tests.unit.test_policies import BOTH, BY_NODE, EVERYONE, SIDECARS, WHO_MAY_SPEAK_TO_WHOM, End

pytestmark = pytest.mark.long

SHAPES = {"daemonset": BY_NODE, "sidecar": SIDECARS, "both": BOTH}
PORTS = sorted({port for _, _, port, _ in WHO_MAY_SPEAK_TO_WHOM})
LEARNED_SECONDS = 600.0
"""In which the engine has learned of new policies; ordinarily a fraction of a second."""
REFUSED_SECONDS = 1.5
"""Without a connection: the engine drops what it does not let in. At each try it is twice as long,
as one that is let in may take long on a busy machine."""

Table = dict[tuple[int, int], list[int]]
"""Who reaches whom on which port: kinds of pods by their place in EVERYONE."""


@dataclass
class Pods:
    """Two of each kind of the unit tests' pods, which listen on every port of their table."""

    api: ApiServer
    prefix: str
    kinds: list[tuple[Reached, Reached]]

    def enforce(self, shape: Shape) -> None:
        """Have a topology's policies and no others."""
        mine = replace(
            shape, mesh=f"{self.prefix}-{shape.mesh}", apps=f"{self.prefix}-{shape.apps}"
        )
        for namespace in (mine.mesh, mine.apps):
            self.api.kubectl("delete", "networkpolicies", "--all", "-n", namespace)
        self.api.apply(*map(_policy, policies.flows(mine)))

    def reached(self, asked: Table, seconds: float = REFUSED_SECONDS) -> Table:
        """Who does reach whom, of one kind to the other pod of another."""
        tries = [(target, port, kind) for target, port in asked for kind in range(len(self.kinds))]

        def reaches(target: int, port: int, kind: int) -> bool:
            return self.kinds[kind][0].reaches(self.kinds[target][1], port, seconds)

        with ThreadPoolExecutor(len(tries)) as pool:
            made = list(pool.map(lambda each: reaches(*each), tries))
        found: Table = {key: [] for key in asked}
        for (target, port, kind), connected in zip(tries, made, strict=True):
            if connected:
                found[target, port].append(kind)
        return found


def _policy(flow: policies.Flow) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": flow.name, "namespace": flow.namespace},
        "spec": flow.spec(),
    }


@pytest.fixture(scope="module")
def pods(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    prefix = f"policed-{uuid.uuid4().hex[:6]}"
    for namespace in sorted({end.namespace for end in EVERYONE if end.namespace}):
        api_server.kubectl("create", "namespace", f"{prefix}-{namespace}")
    with policed(api_server, tmp_path_factory.mktemp("policed")) as node:
        kinds = [
            (_made(node, prefix, end, f"pod-{kind}-1"), _made(node, prefix, end, f"pod-{kind}-2"))
            for kind, end in enumerate(EVERYONE)
        ]
        yield Pods(api_server, prefix, kinds)


def _made(node: Policed, prefix: str, end: End, name: str) -> Reached:
    if end.namespace:
        made = node.pod(f"{prefix}-{end.namespace}", name, end.labels, end.named)
    else:
        made = node.outside()
    made.listen(*PORTS)
    return made


def table(shape: Shape) -> Table:
    """What the unit tests say of a topology."""
    return {
        (EVERYONE.index(target), port): sorted(map(EVERYONE.index, admitted))
        for of, target, port, admitted in WHO_MAY_SPEAK_TO_WHOM
        if of is shape
    }


def test_without_policies_everyone_reaches_everyone(pods: Pods) -> None:
    everyone = list(range(len(EVERYONE)))
    asked = table(BY_NODE)
    assert pods.reached(asked) == dict.fromkeys(asked, everyone)


@pytest.mark.parametrize("topology", SHAPES)
def test_who_may_speak_to_whom(pods: Pods, topology: str) -> None:
    wanted = table(SHAPES[topology])
    pods.enforce(SHAPES[topology])
    deadline, seconds = time.monotonic() + LEARNED_SECONDS, REFUSED_SECONDS
    while (found := pods.reached(wanted, seconds)) != wanted and time.monotonic() < deadline:
        seconds = min(2 * seconds, 30.0)
    assert found == wanted
