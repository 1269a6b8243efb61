"""The NetworkPolicies: which pairs of pods they let speak, by what Kubernetes says they mean.

tests/engine/test_network_policies.py asks a policy engine the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pytest

import settings
from mesh import policies
from mesh.policies import EDGE, NODES, Shape
from tests.unit.test_program import Recorder, run_program
from tests.unit.test_settings import defaults

PLAIN = {"incoming": 4141}
BY_NODE = Shape("linkerd", "hello-world", PLAIN)
SIDECARS = Shape("linkerd", "hello-world", PLAIN, on_nodes=False, beside_apps=True)
BOTH = Shape("linkerd", "hello-world", PLAIN, beside_apps=True)


@dataclass(frozen=True)
class End:
    """One end of a connection."""

    namespace: str = ""
    """Empty for what is no pod: a node, the API server, the outside."""
    labels: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, int] = field(default_factory=dict)
    """Its ports by their names."""


NAMERD = End("linkerd", {"app": "namerd"})
LINKERD = End("linkerd", NODES)
AT_THE_EDGE = End("linkerd", EDGE)
HELLO = End("hello-world", {"app": "hello"}, {"http": 7777})
WORLD = End("hello-world", {"app": "world-v1"}, {"http": 7778})
STRANGER = End("other", {"app": "l5d"})
PROMETHEUS = End("monitoring", {"app": "prometheus"})
OUTSIDE = End()


def admits(shape: Shape, source: End, target: End, port: int) -> bool:
    """Whether a connection is let in: Kubernetes' rules for `Ingress`.

    A pod that no policy selects takes everything; one that some select takes what any of them
    allows. Within a pod nothing is restricted.
    """
    selecting = [
        flow.spec()
        for flow in policies.flows(shape)
        if flow.namespace == target.namespace
        and _selects(flow.spec()["podSelector"], target.labels)
    ]
    if not selecting or source is target:
        return True
    rules = [rule for spec in selecting for rule in spec["ingress"]]
    return any(_has_port(rule, target, port) and _has_source(rule, source) for rule in rules)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def _has_port(rule: Mapping[str, Any], target: End, port: int) -> bool:
    numbers = [target.named.get(each["port"], each["port"]) for each in rule["ports"]]
    return port in numbers and all(each["protocol"] == "TCP" for each in rule["ports"])


def _has_source(rule: Mapping[str, Any], source: End) -> bool:
    if "from" not in rule:
        return True
    its_own = {"kubernetes.io/metadata.name": source.namespace}
    return any(
        source.namespace
        and _selects(peer["namespaceSelector"], its_own)
        and _selects(peer.get("podSelector", {}), source.labels)
        for peer in rule["from"]
    )


EVERYONE = (NAMERD, LINKERD, AT_THE_EDGE, HELLO, WORLD, STRANGER, PROMETHEUS, OUTSIDE)


Row: TypeAlias = tuple[Shape, End, int, Sequence[End]]

WHO_MAY_SPEAK_TO_WHOM: list[Row] = [
    # By node.
    (BY_NODE, NAMERD, 4100, [LINKERD]),
    (BY_NODE, NAMERD, 9991, EVERYONE),
    (BY_NODE, NAMERD, 4180, []),
    (BY_NODE, NAMERD, 4321, []),
    (BY_NODE, LINKERD, 4140, [HELLO, WORLD]),
    (BY_NODE, LINKERD, 4141, [LINKERD]),
    (BY_NODE, LINKERD, 4142, EVERYONE),
    (BY_NODE, LINKERD, 9990, EVERYONE),
    (BY_NODE, LINKERD, 8001, []),
    (BY_NODE, WORLD, 7778, [LINKERD]),
    (BY_NODE, WORLD, 7777, []),
    (BY_NODE, HELLO, 7777, [LINKERD]),
    # Beside each app.
    (SIDECARS, NAMERD, 4100, [HELLO, WORLD, AT_THE_EDGE]),
    (SIDECARS, NAMERD, 9991, EVERYONE),
    (SIDECARS, AT_THE_EDGE, 4142, EVERYONE),
    (SIDECARS, AT_THE_EDGE, 4141, []),
    (SIDECARS, WORLD, 4141, [HELLO, WORLD, AT_THE_EDGE]),
    (SIDECARS, WORLD, 7778, []),
    (SIDECARS, WORLD, 4140, []),
    (SIDECARS, WORLD, 9990, EVERYONE),
    # On the way from one to the other: what either needs.
    (BOTH, NAMERD, 4100, [LINKERD, HELLO, WORLD, AT_THE_EDGE]),
    (BOTH, LINKERD, 4140, [HELLO, WORLD]),
    (BOTH, LINKERD, 4141, [LINKERD]),
    (BOTH, WORLD, 4141, [HELLO, WORLD, AT_THE_EDGE]),
    (BOTH, WORLD, 7778, [LINKERD]),
]
"""How a stack's linkerds are placed, who takes connections, on which port, and from whom."""


@pytest.mark.parametrize(("shape", "target", "port", "admitted"), WHO_MAY_SPEAK_TO_WHOM)
def test_who_may_speak_to_whom(shape: Shape, target: End, port: int, admitted: Any) -> None:
    # Of the pods of one kind another one is meant: within a pod nothing is restricted.
    others = [End(each.namespace, each.labels, each.named) for each in EVERYONE]
    let_in = [each for each in others if admits(shape, each, target, port)]
    assert let_in == [each for each in EVERYONE if each in admitted]


@pytest.mark.parametrize(
    ("incoming", "ports"),
    [
        ({"incoming": 4141}, {4141}),
        ({"incoming": 4141, "incoming-tls": 4143}, {4141, 4143}),
        ({"incoming-tls": 4143}, {4143}),
    ],
)
def test_the_ports_that_are_open_between_linkerds(
    incoming: dict[str, int], ports: set[int]
) -> None:
    for shape, source, target in (
        (Shape("linkerd", "hello-world", incoming), End("linkerd", NODES), LINKERD),
        (Shape("linkerd", "hello-world", incoming, False, True), HELLO, WORLD),
    ):
        assert {port for port in (4141, 4143) if admits(shape, source, target, port)} == ports


@pytest.mark.parametrize(("former", "new"), [(BY_NODE, BOTH), (BOTH, SIDECARS), (BOTH, BY_NODE)])
def test_a_change_of_topology_changes_no_policy_that_stays(former: Shape, new: Shape) -> None:
    """So what either side needs is there from before its pods until after them."""
    before = {flow.name: flow for flow in policies.flows(former)}
    after = {flow.name: flow for flow in policies.flows(new)}
    assert before.keys() <= after.keys() or after.keys() <= before.keys()
    assert all(before[name] == after[name] for name in before.keys() & after.keys())


def names(program: Recorder) -> list[str]:
    return [one.name for one in program.made if one.typ.endswith(":NetworkPolicy")]


@pytest.mark.parametrize(
    ("config", "are_made"),
    [
        ({}, False),
        ({"networkPolicies": "true"}, True),
        ({"networkPolicies": "auto"}, False),
        ({"networkPolicies": "false"}, False),
    ],
)
def test_the_program_makes_them_where_they_are_wanted(
    config: dict[str, str], are_made: bool
) -> None:
    made = names(run_program(config))
    wanted = [flow.name for flow in policies.flows(BY_NODE)] if are_made else []
    assert sorted(made) == sorted(wanted)


@pytest.mark.parametrize(("platform", "are_made"), [("aks", True), ("kubeconfig", False)])
def test_auto_goes_by_whether_the_platform_has_an_engine(platform: str, are_made: bool) -> None:
    found = replace(settings.parse(defaults()), platform=platform, network_policies="auto")
    assert found.has_network_policies is are_made


def test_they_come_before_the_pods() -> None:
    program = run_program({"networkPolicies": "true"})
    kinds = [one.typ.rpartition(":")[2] for one in program.made]
    last = len(kinds) - 1 - kinds[::-1].index("NetworkPolicy")
    assert last < min(kinds.index(kind) for kind in ("Deployment", "DaemonSet"))
