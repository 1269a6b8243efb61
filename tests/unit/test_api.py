"""kube/api.py: what an API server's statuses mean, on a server that answers as it is told to."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from kube import api
from kube.api import Api, status_of
from kube.connection import to_url
from kube.errors import (
    DeniedError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
)
from tests.harness.scripted import Asked, Reply, scripted_server

PODS = "/api/v1/namespaces/apps/pods"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time that only pauses move."""
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    clock = SimpleNamespace(monotonic=lambda: passed[0], sleep=sleep)
    monkeypatch.setattr(api, "time", clock)


@contextmanager
def server(answer: Callable[[Asked], Reply]) -> Iterator[tuple[Api, list[Asked]]]:
    with scripted_server(answer) as (url, asked), to_url(url, "the cluster") as connection:
        yield Api(connection), asked


def status(code: int, message: str, **headers: str) -> Reply:
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}
    return Reply(code, json.dumps(body), headers=headers)


def by_path(replies: dict[str, list[Reply]]) -> Callable[[Asked], Reply]:
    """Replies for each path; one is used up at a time, and the last one stays."""

    def answer(asked: Asked) -> Reply:
        left = replies[asked.path.partition("?")[0]]
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def test_bodies_and_parameters_are_sent_and_other_statuses_are_the_callers() -> None:
    with server(lambda asked: status(409, "it exists")) as (asker, asked):
        for method in ("post", "put"):
            answer = getattr(asker, method)(PODS, {"a": [1]}, {"dryRun": "All"})
            assert answer.status == 409
        asker.delete(PODS, {"preconditions": {"uid": "u"}})
        asker.delete(PODS)
        asker.get(PODS, {"limit": "1"})
    assert [(each.method, each.path, each.body) for each in asked] == [
        ("POST", f"{PODS}?dryRun=All", '{"a": [1]}'),
        ("PUT", f"{PODS}?dryRun=All", '{"a": [1]}'),
        ("DELETE", PODS, '{"preconditions": {"uid": "u"}}'),
        ("DELETE", PODS, ""),
        ("GET", f"{PODS}?limit=1", ""),
    ]
    assert {each.headers.get("Content-Type") for each in asked} == {"application/json", None}


@pytest.mark.parametrize(
    ("reply", "error", "said"),
    [
        (status(401, "Unauthorized"), UnauthorizedError, "answers 401, not authorised"),
        (status(500, "etcd is away"), UnavailableError, "cannot do it now: 500, etcd is away"),
        (Reply(503, "<html>", content_type="text/html"), UnavailableError, "503, an HTML page"),
        (Reply(504, "", content_type="text/plain"), UnavailableError, "504, an empty body"),
    ],
)
def test_a_failure_of_the_servers_is_raised(
    reply: Reply, error: type[Exception], said: str
) -> None:
    with server(lambda _: reply) as (asker, asked), pytest.raises(error, match=said):
        asker.put(PODS, {})
    assert len(asked) == 1, "what may be in force is not sent again"


def test_a_refusal_says_what_right_it_takes() -> None:
    replies = by_path({PODS: [status(403, "may not list")], "/readyz": [Reply(200, "ok")]})
    with server(replies) as (asker, asked), pytest.raises(DeniedError) as denied:
        asker.get(PODS, right="list on pods")
    assert str(denied.value) == (
        "the cluster answers 403, forbidden: may not list; grant list on pods"
    )
    assert [each.path for each in asked] == [PODS, "/readyz", PODS]


def test_a_server_that_has_just_started_is_waited_for() -> None:
    not_ready = [status(403, "may not"), Reply(500, "not ok"), Reply(200, "ok")]
    replies = by_path(
        {PODS: [status(403, "RBAC: not found"), Reply(201, "{}")], "/readyz": not_ready}
    )
    with server(replies) as (asker, asked):
        assert asker.post(PODS, {"a": 1}).status == 201
    assert [each.path for each in asked] == [PODS, *["/readyz"] * 3, PODS]
    assert asked[0].body == asked[-1].body


def test_readiness_is_waited_for_once_and_not_for_good() -> None:
    with server(lambda _: status(403, "may not")) as (asker, asked):
        for _ in range(3):
            with pytest.raises(DeniedError):
                asker.get(PODS)
    assert [each.path for each in asked].count(PODS) == 6
    assert 10 < [each.path for each in asked].count("/readyz") < 100


def test_what_is_put_off_is_sent_again() -> None:
    busy = [status(429, "too many", **{"Retry-After": "2"}), Reply(200, "{}")]
    with server(by_path({PODS: busy})) as (asker, asked):
        assert asker.get(PODS).status == 200
    assert len(asked) == 2

    busy = [status(429, "too many")]
    with (
        server(by_path({PODS: busy})) as (asker, asked),
        pytest.raises(UnavailableError, match="cannot do it now: 429, too many"),
    ):
        asker.get(PODS)
    assert 25 < len(asked) < 40


def test_a_program_behind_the_proxy_answers_for_itself() -> None:
    path = f"{PODS}/l5d-1:9990/proxy/admin/ping"
    for its_own in (Reply(403, "no"), Reply(500, "broken", content_type="text/plain")):
        with server(by_path({path: [its_own]})) as (asker, asked):
            answer = asker.get_proxied("pods", "apps", "l5d-1", 9990, "/admin/ping")
        assert (answer.status, answer.text) == (its_own.status, its_own.body)
        assert len(asked) == 1

    with server(by_path({path: [status(404, "no such pod")]})) as (asker, _):
        answer = asker.get_proxied("pods", "apps", "l5d-1", 9990, "/admin/ping")
        assert status_of(answer) is not None

    for the_servers, error in (
        (status(503, "error trying to reach service"), UnavailableError),
        (status(403, "may not"), DeniedError),
    ):
        replies = by_path({path: [the_servers], "/readyz": [Reply(200, "ok")]})
        with server(replies) as (asker, _), pytest.raises(error):
            asker.get_proxied("pods", "apps", "l5d-1", 9990, "/admin/ping")


def test_a_namespace_may_be_called_proxy() -> None:
    path = "/api/v1/namespaces/proxy/pods"
    with server(lambda _: Reply(503, "away")) as (asker, _), pytest.raises(UnavailableError):
        asker.get(path)


@pytest.mark.parametrize(
    "reply",
    [Reply(200, "<html>", content_type="text/html"), Reply(404, "{}"), Reply(200, "{}")],
)
def test_what_is_no_cluster_has_no_uid(reply: Reply) -> None:
    with (
        server(lambda _: reply) as (asker, _),
        pytest.raises(UnexpectedAnswerError, match=r"is it (an|the) API server"),
    ):
        asker.cluster_uid()


def test_credentials_that_have_expired_are_read_again_where_that_is_asked_for() -> None:
    answers = iter([Reply(401, "{}"), Reply(200, "{}"), Reply(401, "{}"), Reply(401, "{}")])
    with (
        scripted_server(lambda _: next(answers)) as (url, asked),
        to_url(url, "the cluster") as first,
        to_url(url, "the cluster") as renewed,
    ):
        found = Api(first, lambda: renewed)
        assert found.get(PODS).status == 200
        with pytest.raises(UnauthorizedError):
            found.get(PODS)
    assert len(asked) == 4
