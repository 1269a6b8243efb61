"""namerd's HTTP API that reads and writes tables, with each storage."""

import base64
import json

import pytest

from tests.contract.namerd_api import DTAB, NamerdApi, until

TABLE = "/svc => /host ; /host/world => 30 * /srv/v2 & 70 * /srv/v1"
CANONICAL = "/svc=>/host;/host/world=>30.00*/srv/v2 & 70.00*/srv/v1"
DENTRIES = [
    {"prefix": "/svc", "dst": "/host"},
    {"prefix": "/host/world", "dst": "30.00*/srv/v2 & 70.00*/srv/v1"},
]


@pytest.fixture
def saved(namerd: NamerdApi, unused: str) -> str:
    """The name of a dtab namespace that holds TABLE."""
    namerd.must("POST", unused, 204, TABLE)
    namerd.read_until(unused, lambda answer: answer.status == 200)
    return unused


def test_list_names_every_namespace(namerd: NamerdApi, saved: str) -> None:
    answer = namerd.talker.get("/api/1/dtabs")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert saved in answer.json


def test_get_gives_json_by_default_and_an_unquoted_etag(namerd: NamerdApi, saved: str) -> None:
    answer = namerd.ask("GET", saved)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == DENTRIES
    assert '"' not in answer.headers["etag"]
    assert base64.b64decode(answer.headers["etag"], validate=True)


@pytest.mark.parametrize("accept", ["application/dtab", "text/plain"])
def test_get_gives_text_where_it_is_accepted(namerd: NamerdApi, saved: str, accept: str) -> None:
    answer = namerd.ask("GET", saved, Accept=accept)
    assert answer.status == 200
    assert answer.headers["content-type"] == accept
    assert answer.text.strip() == CANONICAL


def test_get_unknown_namespace_is_404_with_an_empty_body(namerd: NamerdApi, unused: str) -> None:
    answer = namerd.ask("GET", unused)
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/dtab", TABLE),
        ("text/plain", TABLE),
        ("application/json", json.dumps(DENTRIES)),
    ],
)
def test_post_creates_from_each_content_type(
    namerd: NamerdApi, unused: str, content_type: str, body: str
) -> None:
    answer = namerd.ask("POST", unused, body, content_type)
    assert (answer.status, answer.body) == (204, b"")
    assert "etag" not in answer.headers
    created = namerd.read_until(unused, lambda answer: answer.status == 200)
    assert created.text.strip() == CANONICAL


def test_post_to_an_existing_namespace_is_409(namerd: NamerdApi, saved: str) -> None:
    assert namerd.ask("POST", saved, "/other => /table").status == 409
    assert namerd.read(saved) == CANONICAL


@pytest.mark.parametrize("content_type", [None, "application/xml"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_write_without_a_known_content_type_is_400(
    namerd: NamerdApi, unused: str, method: str, content_type: str | None
) -> None:
    assert namerd.ask(method, unused, TABLE, content_type).status == 400
    assert namerd.ask("GET", unused).status == 404


def test_put_without_if_match_replaces(namerd: NamerdApi, saved: str) -> None:
    answer = namerd.ask("PUT", saved, "/a => /b")
    assert (answer.status, answer.body) == (204, b"")
    namerd.read_until(saved, lambda answer: answer.text.strip() == "/a=>/b")
    assert namerd.read(saved) == "/a=>/b"


def test_put_without_if_match_creates_an_unknown_namespace(namerd: NamerdApi, unused: str) -> None:
    assert namerd.ask("PUT", unused, TABLE).status == 204
    assert namerd.read_until(unused, lambda answer: answer.status == 200).status == 200


def test_put_with_the_current_tag_replaces_and_tells_no_new_tag(
    namerd: NamerdApi, saved: str
) -> None:
    before = namerd.version(saved)
    answer = namerd.ask("PUT", saved, "/a => /b", If_Match=before)
    assert answer.status == 204
    assert "etag" not in answer.headers
    namerd.read_until(saved, lambda answer: answer.text.strip() == "/a=>/b")
    assert namerd.version(saved) != before


def test_put_with_a_stale_tag_is_412(namerd: NamerdApi, saved: str) -> None:
    stale = namerd.version(saved)
    namerd.write(saved, "/a => /b")
    assert namerd.ask("PUT", saved, TABLE, If_Match=stale).status == 412
    assert namerd.read(saved) == "/a=>/b"


@pytest.mark.parametrize("garbage", ["garbage", "AAAAAAAAAAE=", "!"])
def test_put_with_a_tag_that_was_never_given_tells_the_storages_apart(
    namerd: NamerdApi, saved: str, garbage: str
) -> None:
    """412 from memory; the API server cannot parse it, which the Kubernetes storage makes a 500.

    `AAAAAAAAAAE=` is a tag as the storage in memory gives it.
    """
    in_kubernetes = base64.b64decode(namerd.version(saved)).isdigit()
    if not in_kubernetes:  # there the tag of the test would be the current one
        namerd.write(saved, f"{TABLE} ; /x => /y")
    before = namerd.read(saved)
    answer = namerd.ask("PUT", saved, "/a => /b", If_Match=garbage)
    assert answer.status == (500 if in_kubernetes else 412)
    assert namerd.read(saved) == before


def test_put_with_a_tag_of_an_unknown_namespace_tells_the_storages_apart(
    namerd: NamerdApi, saved: str, unused: str
) -> None:
    """404 from memory; the Kubernetes storage calls it an error of its own."""
    tag = namerd.version(saved)
    in_kubernetes = base64.b64decode(tag).isdigit()
    answer = namerd.ask("PUT", f"{unused}-other", "/a => /b", If_Match=tag)
    assert answer.status == (500 if in_kubernetes else 404)


def test_put_with_a_syntax_error_is_400_and_says_where(namerd: NamerdApi, saved: str) -> None:
    answer = namerd.ask("PUT", saved, "/a => /b ; /c = /d;")
    assert answer.status == 400
    assert answer.text == "'>' expected but ' ' found at '/a => /b ; /c =[ ]/d;'"
    assert namerd.read(saved) == CANONICAL


def test_post_with_a_syntax_error_is_400_with_an_empty_body(namerd: NamerdApi, unused: str) -> None:
    answer = namerd.ask("POST", unused, "/a = /b")
    assert (answer.status, answer.body) == (400, b"")


def test_put_of_an_empty_body_wipes_the_table(namerd: NamerdApi, saved: str) -> None:
    assert namerd.ask("PUT", saved, "").status == 204
    namerd.read_until(saved, lambda answer: not answer.text.strip())
    assert namerd.ask("GET", saved).json == []


def test_delete_is_unconditional_and_404_the_second_time(namerd: NamerdApi, saved: str) -> None:
    answer = namerd.ask("DELETE", saved)
    assert (answer.status, answer.body) == (204, b"")
    assert namerd.ask("DELETE", saved).status == 404
    assert namerd.read_until(saved, lambda answer: answer.status == 404).status == 404


def test_watch_streams_each_new_table_as_a_line_of_json(namerd: NamerdApi, saved: str) -> None:
    with namerd.watch("dtabs", saved) as stream:
        assert stream.response.getheader("Transfer-Encoding") == "chunked"
        assert stream.response.getheader("Etag") is None
        assert stream.json() == DENTRIES
        namerd.must("PUT", saved, 204, "/a => /b")
        assert stream.json() == [{"prefix": "/a", "dst": "/b"}]


def test_watch_of_the_list_streams_its_changes(namerd: NamerdApi, unused: str) -> None:
    with namerd.talker.watch("/api/1/dtabs") as stream:
        assert unused not in stream.json()
        namerd.must("POST", unused, 204, TABLE)
        assert unused in stream.json()


def test_the_stored_text_is_the_canonical_one(namerd: NamerdApi, unused: str) -> None:
    """A weight that was rounded is forgotten: 0.125 is read back, and written again, as 0.13."""
    namerd.must("PUT", unused, 204, "/a => 0.125 * /b & 1 * /c & 30 * /d")
    answer = namerd.read_until(unused, lambda answer: answer.status == 200)
    assert answer.text.strip() == "/a=>0.13*/b & /c & 30.00*/d"


def test_the_tag_counts_up_from_one_in_memory(in_memory_namerd: NamerdApi, unused: str) -> None:
    """So equal tags do not prove equal content: a namespace made anew starts again."""
    counters = []
    for table in ("/a => /b", "/a => /c"):
        in_memory_namerd.must("PUT", unused, 204, table)
        tag = in_memory_namerd.version(unused)
        counters.append(int.from_bytes(base64.b64decode(tag), "big"))
    in_memory_namerd.must("DELETE", unused, 204)
    in_memory_namerd.must("PUT", unused, 204, "/a => /d")
    tag = in_memory_namerd.version(unused)
    counters.append(int.from_bytes(base64.b64decode(tag), "big"))
    assert counters == [1, 2, 1]


def test_head_tells_the_tag_alone(namerd: NamerdApi, saved: str) -> None:
    answer = namerd.ask("HEAD", saved)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["etag"] == namerd.version(saved)


def test_a_read_after_a_write_becomes_equal(namerd: NamerdApi, saved: str) -> None:
    for number in range(20):
        namerd.must("PUT", saved, 204, f"/a => /b{number}")
    answer = until(lambda: namerd.ask("GET", saved, Accept=DTAB), lambda a: "b19" in a.text)
    assert answer.text.strip() == "/a=>/b19"
