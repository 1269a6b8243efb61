"""How linkerd splits requests, by the weights, wildcards and alternatives of a routing table."""

import re

import pytest

from tests.contract.pair import Mesh, assert_share

IP = r"\(\d+\.\d+\.\d+\.\d+\)"
V1, V2 = "world", "worldv2"
"""What the two versions' answers begin with."""


def world(destination: str) -> str:
    return f"/host/world => {destination}"


def test_world_answers_with_its_version_and_address(mesh: Mesh) -> None:
    answer = mesh.ask("world", world("/srv/world-v1"))
    assert answer.status == 200
    assert re.fullmatch(rf"world {IP}!", answer.text)


def test_hello_asks_world_through_the_mesh(mesh: Mesh) -> None:
    answer = mesh.ask("hello", world("/srv/world-v1"))
    assert answer.status == 200
    assert re.fullmatch(rf"Hello {IP} world {IP}!!", answer.text)


def test_weights_are_drawn_for_each_request(mesh: Mesh) -> None:
    seen = mesh.outcomes(world("30 * /srv/world-v2 & 70 * /srv/world-v1"), 2000)
    assert_share(seen[V2], 2000, 0.3)
    assert seen[V1] + seen[V2] == 2000


@pytest.mark.parametrize("weights", [(10, 90), (50, 50), (1, 2)])
def test_weights_are_relative(mesh: Mesh, weights: tuple[int, int]) -> None:
    seen = mesh.outcomes(
        world(f"{weights[0]} * /srv/world-v2 & {weights[1]} * /srv/world-v1"), 1000
    )
    assert_share(seen[V2], 1000, weights[0] / sum(weights))


def test_a_branch_of_weight_0_gets_nothing(mesh: Mesh) -> None:
    seen = mesh.outcomes(world("0 * /srv/world-v2 & 1 * /srv/world-v1"), 3000)
    assert seen == {V1: 3000}


def test_where_every_weight_is_0_the_split_is_even(mesh: Mesh) -> None:
    seen = mesh.outcomes(world("0 * /srv/world-v2 & 0 * /srv/world-v1"), 1000)
    assert_share(seen[V2], 1000, 0.5)


def test_a_branch_alone_takes_all_whatever_its_weight(mesh: Mesh) -> None:
    assert mesh.outcomes(world("0 * /srv/world-v2"), 200) == {V2: 200}


def test_a_branch_without_a_service_is_dropped_and_the_rest_takes_all(mesh: Mesh) -> None:
    """So a canary without pods silently gets nothing, or everything."""
    seen = mesh.outcomes(world("99 * /srv/no-such-service & 1 * /srv/world-v2"), 300)
    assert seen == {V2: 300}


@pytest.mark.parametrize("branch", ["!", "~"])
def test_a_failing_or_negative_branch_is_ignored(mesh: Mesh, branch: str) -> None:
    assert mesh.outcomes(world(f"9 * {branch} & 1 * /srv/world-v1"), 300) == {V1: 300}


def test_the_share_of_an_empty_branch_fails(mesh: Mesh) -> None:
    seen = mesh.outcomes(world("1 * $ & 3 * /srv/world-v1"), 800)
    assert_share(seen["502"], 800, 0.25)
    assert seen["502"] + seen[V1] == 800


@pytest.mark.parametrize("prefix", ["/host/world", "/svc/world"])
def test_a_split_that_a_request_brings_along_is_drawn_once(mesh: Mesh, prefix: str) -> None:
    seen = mesh.outcomes(f"{prefix} => 20 * /srv/world-v2 & 80 * /srv/world-v1", 1000)
    assert_share(seen[V2], 1000, 0.2)
    assert seen[V1] + seen[V2] == 1000


def test_an_alternative_takes_over_for_what_is_not_there(mesh: Mesh) -> None:
    assert mesh.outcomes(world("/srv/no-such-service | /srv/world-v1"), 100) == {V1: 100}


def test_no_alternative_takes_over_for_what_is_there_and_dead(mesh: Mesh) -> None:
    dead = "/$/inet/127.0.0.1/1"
    assert mesh.outcomes(world(f"{dead} | /srv/world-v1"), 20) == {"502": 20}


def test_a_header_routes_one_request(mesh: Mesh) -> None:
    with mesh.linkerd.keep() as conversation:
        tables = {V1: world("/srv/world-v1"), V2: world("/srv/world-v2")}
        for version, override in 5 * list(tables.items()):
            answer = conversation.ask("GET", "/", {"Host": "world", "l5d-dtab": override})
            assert answer.text.split()[0] == version


def test_the_header_goes_along_with_what_a_request_causes(mesh: Mesh) -> None:
    for version in ("world-v1", "world-v2"):
        answer = mesh.ask("hello", world(f"/srv/{version}"))
        assert answer.text.split()[2] == {"world-v1": V1, "world-v2": V2}[version]


def test_a_malformed_header_is_400(mesh: Mesh) -> None:
    answer = mesh.ask("world", "/host/world = /srv/world-v1")
    assert answer.status == 400
    assert answer.text == "'>' expected but ' ' found at '/host/world =[ ]/srv/world-v1'"
    assert answer.headers["l5d-err"]


def test_a_name_that_leads_nowhere_is_502_and_says_so(mesh: Mesh) -> None:
    answer = mesh.ask("no-such-service")
    assert answer.status == 502
    assert answer.text.startswith("Unable to route request!")
    assert "service name: /svc/no-such-service" in answer.text
    assert "Unable+to+route+request" in answer.headers["l5d-err"]


def test_requests_are_spread_over_all_pods_of_a_version(mesh: Mesh) -> None:
    override = {"Host": "world", "l5d-dtab": world("/srv/world-v1")}
    with mesh.linkerd.keep() as conversation:
        pods = {conversation.ask("GET", "/", override).text for _ in range(200)}
    assert len(pods) == 3
