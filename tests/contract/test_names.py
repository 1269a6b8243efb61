"""namerd's HTTP API that follows names: delegate, bind, addr."""

from typing import Any

import pytest

from mesh import routes
from tests.contract.namerd_api import until, weights
from tests.contract.pair import Mesh


def table(mesh: Mesh, world: str) -> str:
    """A whole routing table in which `world` leads to a destination."""
    return (
        f"/srv => /#/io.l5d.k8s/{mesh.apps}/http ; /host => /srv ; /svc => /host ; "
        f"/host/world => {world}"
    )


@pytest.fixture
def saved(mesh: Mesh, unused: str) -> str:
    """A dtab namespace in which world is split 30 to 70."""
    mesh.namerd.write(unused, table(mesh, "30 * /srv/world-v2 & 70 * /srv/world-v1"))
    return unused


def leaf_of(tree: Any) -> Any:
    """Where a delegation without branches ends."""
    while tree["type"] == "delegate":
        tree = tree["delegate"]
    return tree


def types_of(tree: Any) -> set[str]:
    below = [tree[key] for key in ("delegate",) if key in tree]
    below += tree.get("alt", []) + [branch["tree"] for branch in tree.get("union", [])]
    return {tree["type"]}.union(*(types_of(each) for each in below))


# Delegations


def test_delegate_shows_every_step_and_every_branch(mesh: Mesh, saved: str) -> None:
    answer = mesh.namerd.delegate(saved, "/svc/world")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert types_of(answer.json) == {"delegate", "alt", "union", "leaf", "neg"}
    union, plain = answer.json["delegate"]["alt"]
    assert [branch["weight"] for branch in union["union"]] == [30, 70]
    assert [leaf_of(branch["tree"])["type"] for branch in union["union"]] == ["leaf", "leaf"]
    assert leaf_of(plain)["type"] == "neg"  # there is no service `world`


def test_delegate_names_the_entry_that_led_to_a_step(mesh: Mesh, saved: str) -> None:
    step = mesh.namerd.delegate(saved, "/svc/hello").json["delegate"]
    assert step["path"] == "/host/hello"
    assert step["dentry"] == {"prefix": "/svc", "dst": "/host"}


def test_delegate_ends_in_a_leaf_with_its_endpoints(mesh: Mesh, saved: str) -> None:
    leaf = leaf_of(mesh.namerd.delegate(saved, "/srv/world-v1").json)
    assert leaf["bound"]["id"] == f"/#/io.l5d.k8s/{mesh.apps}/http/world-v1"
    assert leaf["bound"]["addr"]["type"] == "bound"
    assert {address["port"] for address in leaf["bound"]["addr"]["addrs"]} == {7778}


def test_delegate_ends_in_neg_where_there_is_no_service(mesh: Mesh, saved: str) -> None:
    assert leaf_of(mesh.namerd.delegate(saved, "/srv/no-such-service").json)["type"] == "neg"


def test_delegate_takes_entries_that_are_not_saved(mesh: Mesh, saved: str) -> None:
    tried = mesh.namerd.delegate(saved, "/svc/world", dtab="/host/world => /srv/world-v2")
    first = tried.json["delegate"]["alt"][0]
    assert leaf_of(first)["bound"]["id"].endswith("/world-v2")
    assert "world-v1" in mesh.namerd.read(saved)


def test_delegate_is_a_guard_in_a_namespace_that_does_not_exist(mesh: Mesh, unused: str) -> None:
    """Each branch by itself, by the whole table that is to be written."""
    whole = table(mesh, "1 * /srv/world-v2 & 1 * /srv/no-such-service")
    there = leaf_of(mesh.namerd.delegate(unused, "/srv/world-v2", dtab=whole).json)
    gone = leaf_of(mesh.namerd.delegate(unused, "/srv/no-such-service", dtab=whole).json)
    assert there["bound"]["addr"]["addrs"]
    assert gone["type"] == "neg"
    assert mesh.namerd.ask("GET", unused).status == 404


def test_saved_entries_still_answer_below_those_of_the_parameter(mesh: Mesh, saved: str) -> None:
    """So a table that is to be written must be tried where nothing is saved."""
    tried = mesh.namerd.bound(saved, "/svc/hello", dtab="/svc => /gone")
    assert tried["bound"]["id"].endswith("/hello")


# Bindings


def test_bind_gives_the_bound_tree_with_endpoints_and_weights(mesh: Mesh, saved: str) -> None:
    tree = until(
        lambda: mesh.namerd.bound(saved, "/svc/world"), lambda tree: tree["type"] == "union"
    )
    prefix = f"/#/io.l5d.k8s/{mesh.apps}/http"
    assert weights(tree) == {f"{prefix}/world-v2": 0.3, f"{prefix}/world-v1": 0.7}
    assert [branch["weight"] for branch in tree["union"]] == [30, 70]
    for branch in tree["union"]:
        assert branch["tree"]["bound"]["addr"]["addrs"]


@pytest.mark.parametrize("missing", ["/srv/no-such-service", "~", "!", "/nowhere"])
def test_bind_leaves_out_branches_that_do_not_resolve(
    mesh: Mesh, unused: str, missing: str
) -> None:
    whole = table(mesh, f"90 * {missing} & 10 * /srv/world-v2")
    tree = mesh.namerd.bound(unused, "/svc/world", dtab=whole)
    assert tree["type"] == "leaf"
    assert tree["bound"]["id"].endswith("/world-v2")


def test_bind_keeps_a_branch_that_is_empty(mesh: Mesh, unused: str) -> None:
    whole = table(mesh, "1 * $ & 1 * /srv/world-v2")
    tree = mesh.namerd.bound(unused, "/svc/world", dtab=whole)
    assert [branch["tree"]["type"] for branch in tree["union"]] == ["empty", "leaf"]


def test_bind_takes_the_first_alternative_that_is_not_neg(mesh: Mesh, unused: str) -> None:
    whole = table(mesh, "/srv/no-such-service | /srv/world-v2 | /srv/world-v1")
    assert mesh.namerd.bound(unused, "/svc/world", dtab=whole)["bound"]["id"].endswith("/world-v2")


def test_bind_of_an_alternative_stops_at_a_failure(mesh: Mesh, unused: str) -> None:
    whole = table(mesh, "! | /srv/world-v1")
    assert mesh.namerd.bound(unused, "/svc/world", dtab=whole)["type"] == "fail"


def test_later_entries_win(mesh: Mesh, unused: str) -> None:
    whole = table(mesh, "/srv/world-v1") + " ; /host/world => /srv/world-v2"
    assert mesh.namerd.bound(unused, "/svc/world", dtab=whole)["bound"]["id"].endswith("/world-v2")


def test_a_wildcard_stands_for_one_element_of_a_prefix(mesh: Mesh, unused: str) -> None:
    whole = f"/srv => /#/io.l5d.k8s/{mesh.apps}/http ; /svc/*/two => /srv/hello"
    assert mesh.namerd.bound(unused, "/svc/any/two", dtab=whole)["bound"]["path"] == "/"
    assert mesh.namerd.bound(unused, "/svc/any/three", dtab=whole)["type"] == "neg"


def test_what_follows_the_service_is_left_over(mesh: Mesh, unused: str) -> None:
    tree = mesh.namerd.bound(unused, "/svc/hello/and/more", dtab=table(mesh, "~"))
    assert tree["bound"]["id"] == f"/#/io.l5d.k8s/{mesh.apps}/http/hello"
    assert tree["bound"]["path"] == "/and/more"


def test_a_name_that_leads_to_itself_is_an_error(mesh: Mesh, unused: str) -> None:
    loop = "/a => /b ; /b => /a"
    assert mesh.namerd.bind(unused, "/a", dtab=loop).status == 500
    assert mesh.namerd.delegate(unused, "/a", dtab=loop).status == 500


@pytest.mark.parametrize(
    ("path", "addresses"),
    [
        ("/$/inet/127.0.0.1/4180", [("127.0.0.1", 4180)]),
        ("/$/io.buoyant.rinet/4180/127.0.0.1", [("127.0.0.1", 4180)]),
    ],
)
def test_addresses_are_names_too(
    mesh: Mesh, unused: str, path: str, addresses: list[tuple[str, int]]
) -> None:
    bound = mesh.namerd.bound(unused, "/svc/x", dtab=f"/svc/x => {path}")["bound"]
    assert bound["id"] == path
    assert [(each["ip"], each["port"]) for each in bound["addr"]["addrs"]] == addresses


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/$/io.buoyant.porthostPfx/portless/world-v1:7778", "world-v1"),
        ("/$/io.buoyant.porthostPfx/portless/world-v1:http", "world-v1"),
        ("/$/io.buoyant.hostportPfx/srv/world-v1:7778", "world-v1"),
        ("/$/io.buoyant.http.subdomainOfPfx/a.b/srv/world-v1.a.b", "world-v1"),
        ("/$/io.buoyant.http.subdomainOfPfx/a.b/srv/world-v1.a.b:7778", "world-v1"),
        ("/$/io.buoyant.porthostPfx/portless/world-v1", None),
        ("/$/io.buoyant.porthostPfx/portless/world-v1:7778:7778", None),
        ("/$/io.buoyant.http.subdomainOfPfx/a.b/srv/world-v1.b", None),
        ("/$/io.buoyant.http.subdomainOfPfx/a.b/srv/a.b", None),
    ],
)
def test_namers_rewrite_names(mesh: Mesh, unused: str, path: str, service: str | None) -> None:
    """As linkerd's documentation has it ("Rewriting namers"); namerd's image holds them too."""
    whole = f"{table(mesh, '~')} ; /portless/* => /srv"
    tree = mesh.namerd.bound(unused, path, dtab=whole)
    bound = tree.get("bound", {}).get("id")
    assert bound == (service and f"/#/io.l5d.k8s/{mesh.apps}/http/{service}")


@pytest.mark.parametrize(
    "spelling",
    [
        "world",
        "world:7778",
        "world.NS",
        "world.NS:80",
        "world.NS.svc",
        "world.NS.svc.cluster.local",
        "world.NS.svc.cluster.local:7778",
    ],
)
def test_a_split_holds_for_each_spelling_of_a_name(mesh: Mesh, unused: str, spelling: str) -> None:
    """By the table that the program writes."""
    host = spelling.replace("NS", mesh.apps)
    split = "/host/world => 30 * /srv/world-v2 & 70 * /srv/world-v1"
    whole = " ; ".join([*routes.internal(mesh.apps), split])
    tree = until(
        lambda: mesh.namerd.bound(unused, f"/svc/{host}", dtab=whole),
        lambda tree: tree["type"] == "union",
    )
    prefix = f"/#/io.l5d.k8s/{mesh.apps}/http"
    assert weights(tree) == {f"{prefix}/world-v2": 0.3, f"{prefix}/world-v1": 0.7}
    assert not any(branch["tree"]["bound"]["path"].strip("/") for branch in tree["union"])


def test_nil_is_empty(mesh: Mesh, unused: str) -> None:
    assert mesh.namerd.bound(unused, "/svc/x", dtab="/svc => /$/nil")["type"] == "empty"


# Endpoints


def test_addr_gives_the_endpoints_of_a_bound_name(mesh: Mesh, saved: str) -> None:
    answer = mesh.namerd.addr(saved, f"/#/io.l5d.k8s/{mesh.apps}/http/world-v1")
    assert answer.status == 200
    assert answer.json["type"] == "bound"
    assert {address["port"] for address in answer.json["addrs"]} == {7778}
    assert all(address["ip"] for address in answer.json["addrs"])


@pytest.mark.parametrize(
    "path", ["/#/io.l5d.k8s/no-such-namespace/http/x", "/#/io.l5d.k8s", "/svc/world"]
)
def test_addr_of_what_is_not_there_is_neg(mesh: Mesh, saved: str, path: str) -> None:
    answer = mesh.namerd.addr(saved, path)
    assert (answer.status, answer.json) == (200, {"type": "neg"})


def test_addr_of_a_port_that_a_service_does_not_have_is_neg(mesh: Mesh, saved: str) -> None:
    answer = mesh.namerd.addr(saved, f"/#/io.l5d.k8s/{mesh.apps}/grpc/world-v1")
    assert answer.json == {"type": "neg"}


# All of them


@pytest.mark.parametrize("kind", ["delegate", "bind", "addr"])
def test_a_malformed_path_is_400_and_says_where(mesh: Mesh, unused: str, kind: str) -> None:
    answer = mesh.namerd.talker.get(f"/api/1/{kind}/{unused}", None, path="svc/world")
    assert answer.status == 400
    assert answer.text == ("Invalid path: svc/world / '/' expected but 's' found at '[s]vc/world'")


def test_watch_of_a_binding_streams_each_new_tree(mesh: Mesh, saved: str) -> None:
    with mesh.namerd.watch("bind", saved, path="/svc/world") as stream:
        assert stream.response.getheader("Transfer-Encoding") == "chunked"
        assert stream.response.getheader("Etag") is None
        while len(weights(stream.json())) != 2:
            pass  # the branches of a name may come one after the other
        mesh.namerd.must("PUT", saved, 204, table(mesh, "/srv/world-v2"))
        assert list(weights(stream.json()).values()) == [1.0]


def test_watch_of_an_address_gives_the_endpoints_at_once(mesh: Mesh, saved: str) -> None:
    path = f"/#/io.l5d.k8s/{mesh.apps}/http/world-v1"
    with mesh.namerd.watch("addr", saved, path=path) as stream:
        assert stream.json()["type"] == "bound"
