"""What linkerd's rewriting namers make of a name, and that a table's ways go by them."""

import pytest

from dynamic import grammar, guard
from dynamic.rewriters import HOST_FIRST, PORT_FIRST, SUBDOMAIN, rewritten
from mesh import routes


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{PORT_FIRST}/pfx/a.b:80/etc", "/pfx/80/a.b/etc"),
        (f"{PORT_FIRST}/pfx/a.b:http", "/pfx/http/a.b"),
        (f"{HOST_FIRST}/pfx/a.b:80/etc", "/pfx/a.b/80/etc"),
        (f"{PORT_FIRST}/pfx/a.b", None),
        (f"{PORT_FIRST}/pfx/a:b:80", None),
        (f"{PORT_FIRST}/pfx/:80", None),
        (f"{PORT_FIRST}/pfx", None),
        (f"{SUBDOMAIN}/a.b/pfx/foo.a.b/etc", "/pfx/foo/etc"),
        (f"{SUBDOMAIN}/a.b/pfx/foo.bar.a.b", "/pfx/foo.bar"),
        (f"{SUBDOMAIN}/a.b/pfx/foo.a.b:80/etc", "/pfx/foo/etc"),
        (f"{SUBDOMAIN}/a.b/pfx/a.b", None),
        (f"{SUBDOMAIN}/a.b/pfx/a.b:80", None),
        (f"{SUBDOMAIN}/a.b/pfx/:foo.a.b", "/pfx/:foo"),
        (f"{SUBDOMAIN}/a.b/pfx/fooa.b", None),
        (f"{SUBDOMAIN}/a.b/pfx", None),
        ("/$/io.buoyant.rinet/80/a.b:80", None),
        ("/svc/a.b:80", None),
    ],
)
def test_what_a_namer_makes_of_a_path(path: str, expected: str | None) -> None:
    labels = rewritten(grammar.labels(path))
    assert (labels and "/" + "/".join(labels)) == expected


@pytest.mark.parametrize(
    "host",
    [
        "world",
        "world:7778",
        "world.hello-world",
        "world.hello-world:80",
        "world.hello-world.svc",
        "world.hello-world.svc.cluster.local",
        "world.hello-world.svc.cluster.local:7778",
    ],
)
def test_each_spelling_of_a_name_comes_by_the_names_split(host: str) -> None:
    """So a linkerd that has bound any of them is asked whether it follows a changed split."""
    split = "/host/world => 30.00*/srv/world-v2 & 70.00*/srv/world-v1"
    table = grammar.parse(" ; ".join([*routes.internal("hello-world"), split]))
    entries, paths = guard.way(table, f"/svc/{host}")
    assert table[-1] in entries
    assert "/#/io.l5d.k8s/hello-world/http/world-v2" in paths


def test_the_longest_spelling_has_the_clusters_domain() -> None:
    entries = routes.internal("hello-world", "k8s.example")
    table = grammar.parse(" ; ".join([*entries, "/host/world => /srv/v1"]))
    for host, is_split in (
        ("world.hello-world.svc.k8s.example:7778", True),
        ("world.hello-world.svc.cluster.local:7778", False),
    ):
        assert (table[-1] in guard.reached(table, f"/svc/{host}")) is is_split


@pytest.mark.parametrize("host", ["world.other", "world.hello-world.example.com", "example.com:80"])
def test_other_names_do_not(host: str) -> None:
    table = grammar.parse(" ; ".join([*routes.internal("hello-world"), "/host/world => /srv/v1"]))
    assert table[-1] not in guard.reached(table, f"/svc/{host}")


def test_a_prefix_with_a_port_goes_before_the_name_without_it() -> None:
    """It is the later entry, and the base comes by `/host` first."""
    split = "/host/api:9000 => /srv/special"
    table = grammar.parse(" ; ".join([*routes.internal("hello-world"), split]))
    _, paths = guard.way(table, "/svc/api:9000")
    assert paths.index("/host/api:9000") < paths.index("/svc/api")
