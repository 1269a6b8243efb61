"""What linkerd changes in requests and answers on their way, and what it answers itself."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.contract import stand_ins
from tests.contract.echo import echo
from tests.contract.namerd_api import until
from tests.contract.pair import Mesh, outcomes
from tests.contract.stand_ins import APPS_NAMESPACE, MESH_NAMESPACE, StandIns
from tests.contract.talk import Answer, Talker

pytestmark = pytest.mark.stand_ins

ECHO = f"{stand_ins.NODE}.50"
CLIENT_ID = f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http/echo"


@pytest.fixture(scope="module", autouse=True)
def _echo(world: StandIns) -> Iterator[None]:
    with echo(world.network, ECHO, 7779):
        world.endpoints("echo", [ECHO], 7779)
        yield


def told(answer: Answer) -> dict[str, list[str]]:
    """The headers that the pod was asked with."""
    assert answer.status == 200, answer
    headers: dict[str, list[str]] = {}
    for name, value in answer.json["headers"]:
        headers.setdefault(name, []).append(value)
    return headers


def test_the_pod_is_told_what_it_was_called_and_bound_to(mesh: Mesh) -> None:
    """The linkerd before the pod was called by what the first one had chosen."""
    headers = told(mesh.linkerd.get("/", {"Host": "echo"}))
    assert headers["l5d-dst-service"] == [f"/svc/{mesh.client('echo')}"]
    local = f"/%/io.l5d.k8s.localnode/{stand_ins.L5D}"
    assert headers["l5d-dst-client"] == [local + CLIENT_ID]
    assert "l5d-dst-residual" not in headers


def test_the_pod_is_told_what_its_name_had_left_over(mesh: Mesh, incoming: Talker) -> None:
    headers = told(incoming.get("/", mesh.chosen("echo/and/more")))
    assert headers["l5d-dst-residual"] == ["/and/more"]


def test_method_path_query_host_and_body_arrive_unchanged(mesh: Mesh) -> None:
    answer = mesh.linkerd.ask(
        "POST", "/a%2Fb/c", {"Host": "echo", "Content-Type": "text/x"}, "a body", q="1 ;2"
    )
    said = answer.json
    assert (said["method"], said["path"], said["body"]) == ("POST", "/a%2Fb/c?q=1+%3B2", "a body")
    assert told(answer)["host"] == ["echo"]
    assert told(answer)["content-type"] == ["text/x"]


def test_a_chunked_body_arrives(mesh: Mesh) -> None:
    connection = mesh.linkerd.connection(30)
    connection.request("POST", "/", iter([b"one ", b"two"]), {"Host": "echo"}, encode_chunked=True)
    assert json.loads(connection.getresponse().read())["body"] == "one two"
    connection.close()


def test_a_request_by_way_of_http_proxy_is_for_the_host_in_its_url(mesh: Mesh) -> None:
    """The Host header of such a request does not count."""
    connection = mesh.linkerd.connection(30)
    connection.putrequest("GET", "http://echo/path?x=1", skip_host=True)
    connection.putheader("Host", "no-such-service")
    connection.endheaders()
    said = json.loads(connection.getresponse().read())
    connection.close()
    assert said["path"] == "/path?x=1"
    assert ["host", "echo"] in said["headers"]


def test_a_port_is_part_of_the_name(mesh: Mesh) -> None:
    """The Host header is the name as it is, so `world:7778` is no `world`."""
    assert mesh.linkerd.get("/", {"Host": "echo:7779"}).status == 502
    override = {"l5d-dtab": "/svc/echo:7779 => /srv/echo"}
    assert mesh.linkerd.get("/", {"Host": "echo:7779", **override}).status == 200


def test_no_header_is_added_that_the_caller_did_not_send(mesh: Mesh) -> None:
    headers = told(mesh.linkerd.get("/", {"Host": "echo"}))
    ours = {name for name in headers if name.startswith("l5d-")}
    assert set(headers) - ours == {"host", "via"}


def test_both_linkerds_on_the_way_sign_in_via(mesh: Mesh) -> None:
    answer = mesh.linkerd.get("/", {"Host": "echo"})
    assert told(answer)["via"] == ["1.1 linkerd, 1.1 linkerd"]
    assert answer.headers["via"] == "1.1 linkerd, 1.1 linkerd"


def test_headers_of_one_hop_go_no_further(mesh: Mesh) -> None:
    hop = {"Connection": "X-Mine, keep-alive", "X-Mine": "1", "Proxy-Authorization": "Basic x"}
    answer = mesh.linkerd.get("/", {"Host": "echo", "X-App": "2", **hop})
    headers = told(answer)
    assert headers["x-app"] == ["2"]
    assert not {"connection", "x-mine", "proxy-authorization", "keep-alive"} & set(headers)
    assert answer.headers["x-app"] == "kept"
    assert "x-hop" not in answer.headers


def test_forwarding_headers_of_others_are_kept(mesh: Mesh) -> None:
    headers = told(mesh.linkerd.get("/", {"Host": "echo", "X-Forwarded-For": "192.0.2.1"}))
    assert headers["x-forwarded-for"] == ["192.0.2.1"]


def test_an_override_becomes_context_for_the_next_hop(mesh: Mesh) -> None:
    override = {"l5d-dtab": "/host/other => /srv/x"}
    headers = told(mesh.linkerd.get("/", {"Host": "echo", **override}))
    assert headers["l5d-ctx-dtab"] == ["/host/other=>/srv/x"]
    assert "l5d-dtab" not in headers


def trace(headers: dict[str, list[str]]) -> tuple[bytes, bytes, bytes]:
    """The ids of a request: its own, its parent's, the root's."""
    ids = base64.b64decode(headers["l5d-ctx-trace"][0])
    assert len(ids) == 32
    return ids[:8], ids[8:16], ids[16:24]


def test_ids_lead_from_a_request_to_what_it_causes(mesh: Mesh) -> None:
    first = told(mesh.linkerd.get("/", {"Host": "echo"}))
    context = {"l5d-ctx-trace": first["l5d-ctx-trace"][0]}
    second = told(mesh.linkerd.get("/", {"Host": "echo", **context}))
    assert trace(second)[2] == trace(first)[2]
    assert trace(second)[0] != trace(first)[0]
    assert second["l5d-reqid"] == first["l5d-reqid"] == [trace(first)[2].hex()]


@pytest.mark.parametrize(("status", "success"), [(200, "1.0"), (404, "1.0"), (503, "0.0")])
def test_answers_are_classified_by_their_status(
    mesh: Mesh, incoming: Talker, status: int, success: str
) -> None:
    answer = incoming.get(f"/status/{status}", mesh.chosen("echo"))
    assert (answer.status, answer.headers["l5d-success-class"]) == (status, success)
    assert "l5d-err" not in answer.headers


# Linkerd's own answers


def test_a_request_without_a_host_is_400(mesh: Mesh) -> None:
    connection = mesh.linkerd.connection(30)
    connection._http_vsn_str, connection._http_vsn = "HTTP/1.0", 10  # type: ignore[attr-defined]
    connection.putrequest("GET", "/", skip_host=True)
    connection.endheaders()
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert response.status == 400
    assert text.endswith("/ Host header is absent")


def test_a_dead_endpoint_is_502_and_named(world: StandIns, mesh: Mesh, incoming: Talker) -> None:
    world.endpoints("dead", [f"{stand_ins.NODE}.99"], 7778)
    answer = incoming.get("/", mesh.chosen("dead"))
    assert answer.status == 502
    assert answer.text.startswith(
        f"Unable to establish connection to {stand_ins.NODE}.99:7778.\n\n"
        f"service name: /svc/{mesh.client('dead')}\n"
    )


def test_a_dead_endpoint_is_passed_over_while_another_lives(
    world: StandIns, mesh: Mesh, incoming: Talker
) -> None:
    world.endpoints("half-dead", [f"{stand_ins.NODE}.99", ECHO], 7779)
    with incoming.keep() as conversation:
        for _ in range(50):
            assert conversation.ask("GET", "/", mesh.chosen("half-dead")).status == 200


def test_a_choice_that_is_gone_is_refused_at_once(
    world: StandIns, mesh: Mesh, incoming: Talker
) -> None:
    """By the program's `/svc => !`.

    Without it the name is held for 10 s: namerd's table leads it to a service called %, of which
    Kubernetes does not tell.
    """
    world.endpoints("gone", [], 7778)
    answer = incoming.get("/", mesh.chosen("gone"))
    assert answer.status == 502
    assert answer.text.startswith("Unable to route request!")


def test_an_endpoint_that_hangs_up_is_502(world: StandIns, mesh: Mesh, incoming: Talker) -> None:
    address = f"{stand_ins.NODE}.98"
    listener = world.network.run(lambda: socket.create_server((address, 7778)))
    threading.Thread(target=_hang_up, args=(listener,), daemon=True).start()
    world.endpoints("hangs-up", [address], 7778)
    assert incoming.ask("POST", "/", mesh.chosen("hangs-up"), "x").status == 502
    listener.close()


def _hang_up(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            accepted, _ = listener.accept()
            accepted.recv(1 << 16)
            accepted.close()


# The entrance from outside


def test_outside_hello_answers_whatever_host_is_asked_for(external: Talker) -> None:
    for host in ("hello", "example.com"):
        answer = external.get("/", {"Host": host})
        assert answer.status == 200
        assert answer.text.startswith("Hello (")


def test_outside_nobody_chooses_his_own_route(external: Talker) -> None:
    for name in ("l5d-dtab", "l5d-ctx-dtab"):
        answer = external.get("/", {"Host": "hello", name: "/host/world => /srv/world-v2"})
        assert answer.text.split()[2] == "world"
    ignored = {"l5d-dtab": "no dtab at all"}
    assert external.get("/", {"Host": "hello", **ignored}).status == 200


def test_outside_nobody_is_told_of_the_inside(external: Talker) -> None:
    answer = external.get("/", {"Host": "hello"})
    assert not [name for name in answer.headers if name.startswith("l5d-")]


def test_outside_an_error_has_no_text(mesh: Mesh, external: Talker) -> None:
    """What the linkerds on the way say of a failure stays inside."""
    before = mesh.namerd.read("external")
    mesh.namerd.write("external", f"{before};/svc/gone=>!")
    try:
        answer = external.get("/", {"Host": "gone"})
    finally:
        mesh.namerd.write("external", before)
    assert (answer.status, answer.body) == (502, b"")
    assert "l5d-err" not in answer.headers


# From node to node


def test_a_request_goes_to_the_linkerd_of_the_pods_node(world: StandIns, mesh: Mesh) -> None:
    """A node is a /24: the other node's linkerd passes the request on to the pod there."""
    pod = f"{stand_ins.OTHER_NODE}.31"
    world.start_pod(pod, 7778, TARGET_WORLD="elsewhere")
    world.start_linkerd(stand_ins.OTHER_L5D)
    world.endpoints("elsewhere", [pod], 7778)
    nodes = [stand_ins.L5D, stand_ins.OTHER_L5D]
    world.endpoints("l5d", nodes, 4141, "incoming", MESH_NAMESPACE)
    try:
        # The daemon set's pods are followed by a watch, so the new one may take a moment.
        answer = until(
            lambda: mesh.linkerd.get("/", {"Host": "elsewhere"}), lambda a: a.status == 200
        )
        assert answer.text == f"elsewhere ({pod})!"
        there = world.talker(stand_ins.OTHER_L5D, 9990).get("/admin/metrics.json").json
        server = f"rt/incoming/server/{stand_ins.OTHER_L5D}/4141/requests"
        assert there[server] == 1
    finally:
        world.endpoints("l5d", nodes[:1], 4141, "incoming", MESH_NAMESPACE)


def test_a_pod_of_another_node_is_not_reached_by_the_entrance_for_this_one(
    world: StandIns, mesh: Mesh, incoming: Talker
) -> None:
    world.endpoints("far", [f"{stand_ins.OTHER_NODE}.77"], 7778)
    answer = incoming.get("/", mesh.chosen("far"))
    assert answer.status == 502
    assert answer.text.startswith("Unable to route request!")


# What the first linkerd tells the second


def test_a_choice_that_the_caller_made_up_is_overwritten(mesh: Mesh) -> None:
    forged = {
        "Host": "world",
        "l5d-dtab": "/host/world => /srv/world-v1",
        **mesh.chosen("world-v2"),
    }
    assert outcomes(mesh.linkerd, forged, 60) == {"world": 60}


def test_without_a_choice_the_second_linkerd_refuses(incoming: Talker) -> None:
    for headers in ({"Host": "echo"}, {"Host": "echo", "l5d-dtab": "/svc/echo => /srv/echo"}):
        answer = incoming.get("/", headers)
        assert answer.status == 400
        assert answer.text.startswith("Unknown destination: Request(")
        assert answer.text.endswith(" / l5d-dst-client header is absent")


def test_whoever_reaches_the_second_linkerd_may_choose(mesh: Mesh, incoming: Talker) -> None:
    """So port 4141 is no boundary: it is kept inside the cluster."""
    for version, text in (("world-v1", "world"), ("world-v2", "worldv2")):
        assert outcomes(incoming, mesh.chosen(version), 20) == {text: 20}


def test_a_choice_without_the_transformers_prefix_leads_nowhere(
    mesh: Mesh, incoming: Talker
) -> None:
    bare = {"l5d-dst-client": f"/#/io.l5d.k8s/{mesh.apps}/http/world-v1"}
    assert incoming.get("/", bare).status == 502
    assert incoming.get("/", {"l5d-dst-client": "no path"}).status == 502
