"""A pod that is to go: its own linkerd may hear of it before those who still send to it."""

import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mesh import routers
from mesh.routers import App, Routing
from tests.contract import sidecars, stand_ins
from tests.contract.namerd_api import until
from tests.contract.pair import Mesh
from tests.contract.sidecars import EXTERNAL, INCOMING, Sidecar
from tests.contract.stand_ins import APPS_NAMESPACE, MESH_NAMESPACE, StandIns
from tests.contract.talk import Answer

pytestmark = pytest.mark.stand_ins

PORT = 7781
"""Of an app that listens on every address, as in a pod."""

TURNS = 20
"""How often the endpoints change from one pod to another."""


@pytest.fixture(scope="module", autouse=True)
def app(world: StandIns) -> None:
    world.start_pod("0.0.0.0", PORT, TARGET_WORLD="still here")


def own_config(address: str, service: str) -> list[Mapping[str, Any]]:
    """The program's routers of the linkerd beside a service's app, in the pod of an address."""
    config = routers.sidecar_config(Routing(MESH_NAMESPACE), App(APPS_NAMESPACE, service, PORT))
    return list(stand_ins.on_address(config, address)["routers"])


def enter(linkerd: Sidecar, service: str, method: str = "GET", dtab: str = "") -> Answer:
    """A request of one who has drawn a pod of a service, and means this one."""
    chosen = f"/%/io.l5d.port/{INCOMING}/#/io.l5d.k8s/{APPS_NAMESPACE}/http/{service}"
    headers = {"Host": "any", "l5d-dst-client": chosen, **({"l5d-dtab": dtab} if dtab else {})}
    return linkerd.talker(INCOMING).ask(method, "/", headers)


def test_one_that_looks_for_its_pod_among_the_endpoints_refuses_at_once(world: StandIns) -> None:
    """With io.l5d.localhost; as the real one does where that leaves no address."""
    pod = world.address()
    world.endpoints("looking", [pod], PORT)
    linkerd = sidecars.start(world, pod, sidecars.incoming(pod))
    assert enter(linkerd, "looking").text.startswith("still here")
    world.endpoints("looking", [], PORT)
    refused = until(lambda: enter(linkerd, "looking"), lambda answer: answer.status == 502)
    assert refused.text.startswith("Unable to route request!")
    assert "l5d-retryable" not in refused.headers, "or the sender would send it again"
    linkerd.process.end()


def test_the_edge_tells_of_that_with_an_empty_502(world: StandIns) -> None:
    """It does not send again what a linkerd has refused, and shows no text of linkerd's."""
    pod, edge = world.address(), world.address()
    linkerd = sidecars.start(world, pod, *own_config(pod, "another"))
    to_pod = f"/svc => /$/inet/{pod}/{PORT} ;"
    sender = sidecars.start(world, edge, {**sidecars.external(edge), "dtab": to_pod})
    answer = sender.talker(EXTERNAL).get("/", {"Host": "any"})
    assert (answer.status, answer.body) == (502, b"")
    for each in (linkerd, sender):
        each.process.end()


def test_the_programs_goes_on_as_long_as_it_lives(world: StandIns, mesh: Mesh) -> None:
    pod = world.address()
    world.endpoints("leaving", [pod], PORT)
    linkerd = sidecars.start(world, pod, *own_config(pod, "leaving"))
    assert enter(linkerd, "leaving").text.startswith("still here")
    world.endpoints("leaving", [], PORT)
    path = f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http/leaving"
    told = until(
        lambda: mesh.namerd.addr("internal", path).json, lambda addr: addr["type"] == "neg"
    )
    assert told == {"type": "neg"}
    for method in ("GET", "POST"):
        assert [enter(linkerd, "leaving", method).status for _ in range(20)] == [200] * 20
    linkerd.process.end()


def test_a_new_pod_answers_before_its_own_linkerd_could_have_heard_of_it(world: StandIns) -> None:
    pod = world.address()
    world.endpoints("coming", [], PORT)
    linkerd = sidecars.start(world, pod, *own_config(pod, "coming"))
    assert enter(linkerd, "coming").text.startswith("still here")
    linkerd.process.end()


def test_the_programs_answers_for_its_own_app_alone(world: StandIns) -> None:
    """Another pod may have had its address a moment ago."""
    pod = world.address()
    for each in ("mine", "theirs"):
        world.endpoints(each, [pod], PORT)
    linkerd = sidecars.start(world, pod, *own_config(pod, "mine"))
    assert enter(linkerd, "mine").status == 200
    client = f'{{rt="incoming", client="%/io.l5d.replace/$/inet/127.0.0.1/{PORT}"}}'
    assert linkerd.metrics()[f"rt:client:requests{client}"] == 1
    other = enter(linkerd, "theirs")
    assert other.status == 502
    assert other.text.startswith("Unable to route request!")
    linkerd.process.end()


def test_an_override_leads_nowhere_else(world: StandIns) -> None:
    """Not to what only this pod can reach, such as a port of its loopback."""
    pod = world.address()
    linkerd = sidecars.start(world, pod, *own_config(pod, "overridden"))
    for to in (f"/$/inet/{stand_ins.NAMERD}/9991", f"/$/inet/{pod}/{sidecars.ADMIN}"):
        answer = enter(linkerd, "overridden", "GET", f"/svc => {to}")
        assert answer.text.startswith("still here"), to
    linkerd.process.end()


def test_no_request_from_outside_fails_while_pods_take_turns(world: StandIns) -> None:
    """With io.l5d.localhost 5 of 7,541 got a 502."""
    edge, *pods = (world.address() for _ in range(3))
    world.endpoints("turns", [pods[0]], PORT)
    linkerds = [sidecars.start(world, pod, *own_config(pod, "turns")) for pod in pods]
    to_turns = f"/svc => /#/io.l5d.k8s/{APPS_NAMESPACE}/http/turns ;"
    linkerds.append(sidecars.start(world, edge, {**sidecars.external(edge), "dtab": to_turns}))
    answers: Counter[int] = Counter()
    turning = threading.Event()

    def ask() -> None:
        while not turning.is_set():
            answers[linkerds[-1].talker(EXTERNAL).get("/", {"Host": "any"}).status] += 1

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        for turn in range(TURNS):
            world.endpoints("turns", [pods[turn % 2]], PORT)
        turning.set()
    for each in asking:
        each.result()
    assert set(answers) == {200}
    assert answers[200] > TURNS
    for linkerd in linkerds:
        linkerd.process.end()
