"""Bad answers and lost ones: one clear line each, and repeats only where they are safe."""

import json
from collections.abc import Callable

import pytest

from dynamic.dtab import DtabProvider
from kube import connection
from kube.errors import UnexpectedAnswerError
from tests.engine.tables import V1, V2, WORLD, dtab, text
from tests.harness.faults import (
    Exchange,
    Fault,
    FaultProxy,
    Reply,
    altered,
    cut,
    forged,
    lost_answer,
    lost_request,
    passed_on,
)
from tests.harness.namerd import Namerd
from tests.harness.processes import refusing_port
from tests.provider_host import CallError, ProviderHost, Stack

API = "/api/1/"
DTABS = "/api/1/dtabs/internal"
HTML = "<html><title>Sign in</title></html>"


def status(code: int, message: str) -> Fault:
    """What a Kubernetes API server answers for itself."""
    body = {"kind": "Status", "status": "Failure", "message": message, "code": code}
    return forged(code, json.dumps(body), "application/json")


def typed(content_type: str | None) -> Fault:
    kept = {"Content-Type": content_type} if content_type else {}
    return altered(
        lambda reply: Reply(reply.status, {"Etag": reply.headers["Etag"], **kept}, reply.body)
    )


def without_etag(reply: Reply) -> Reply:
    return Reply(reply.status, {"Content-Type": "application/dtab"}, reply.body)


def no_dtab(reply: Reply) -> Reply:
    return Reply(reply.status, reply.headers, b"/a => b")


FORBIDDEN = (
    'services "namerd:http" is forbidden: User "ci" cannot get resource "services/proxy" in API '
    'group "" in the namespace "linkerd"'
)

READ_ERRORS: dict[str, tuple[Fault, str]] = {
    "400": (
        forged(400, "Bad Request"),
        (
            "{where}, asked for a table, answered 400 with no content type (Bad Request), "
            "which is not a namerd response"
        ),
    ),
    "401": (
        status(401, "Unauthorized"),
        (
            "{where} answers 401, not authorised: the credential is wrong or has expired; "
            "renew it, then run `pulumi up`"
        ),
    ),
    "403": (
        status(403, FORBIDDEN),
        f"{{where}} answers 403, forbidden: {FORBIDDEN}",
    ),
    "404 of the service": (
        status(404, 'services "namerd" not found'),
        (
            '{where} is not there: 404, services "namerd" not found; '
            "check the address, the service's name and its namespace"
        ),
    ),
    "404 of another server": (
        forged(404, HTML, "text/html; charset=utf-8"),
        (
            "{where} is not there: 404, an HTML page; "
            "check the address, the service's name and its namespace"
        ),
    ),
    "409": (
        forged(409),
        (
            "{where}, asked for a table, answered 409 with no content type (an empty body), "
            "which is not a namerd response"
        ),
    ),
    "412": (
        forged(412),
        (
            "{where}, asked for a table, answered 412 with no content type (an empty body), "
            "which is not a namerd response"
        ),
    ),
    "500": (
        forged(500, "java.lang.NullPointerException"),
        (
            "{where}, asked for a table, answered 500 with no content type "
            "(java.lang.NullPointerException), which is not a namerd response"
        ),
    ),
    "503": (
        status(503, 'no endpoints available for service "namerd"'),
        (
            '{where} is not up: 503, no endpoints available for service "namerd"; '
            "look at its pods and their log; gave up after {up} s"
        ),
    ),
    "502": (
        forged(502, HTML, "text/html"),
        (
            "{where} is not up: 502, an HTML page; look at its pods and their log; "
            "gave up after {up} s"
        ),
    ),
    "a redirect": (
        forged(302, Location="https://user:s3cret@sso.example/login?token=s3cret#s3cret"),
        (
            "{where} answered with a redirect to https://sso.example/login, which it never "
            "does: give the address of the program itself"
        ),
    ),
    "HTML": (
        forged(200, HTML, "text/html"),
        (
            "{where}, asked for a table, answered 200 with text/html (an HTML page), "
            "which is not a namerd response"
        ),
    ),
    "JSON": (
        typed("application/json"),
        (
            f"{{where}}, asked for a table, answered 200 with application/json ({text(10)}), "
            "which is not a namerd response"
        ),
    ),
    "no content type": (
        typed(None),
        (
            f"{{where}}, asked for a table, answered 200 with no content type ({text(10)}), "
            "which is not a namerd response"
        ),
    ),
    "no Etag": (
        altered(without_etag),
        "{where} gave a table without an Etag: is it a namerd?",
    ),
    "no dtab": (
        altered(no_dtab),
        "{where} gave what is no dtab: simple expected but 'b' found at '/a => [b]'",
    ),
    "a cut body": (cut, "{where} cut its answer short; gave up after {up} s"),
    "no answer at all": (
        lost_request,
        (
            "{where} cannot be reached: Remote end closed connection without response; "
            "gave up after {up} s"
        ),
    ),
}


@pytest.mark.parametrize("name", READ_ERRORS)
def test_a_bad_answer_to_a_read_is_one_clear_line(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd, name: str
) -> None:
    fault, line = READ_ERRORS[name]
    stack.up(dtab(proxy.url, 10))
    del proxy.requests[:]
    proxy.on("GET", DTABS, fault, times=1000)
    where = f"namerd at {proxy.url}"
    with pytest.raises(CallError) as refused:
        stack.up(dtab(proxy.url, 20))
    assert str(refused.value) == line.format(where=where, up=30)
    with pytest.raises(CallError) as refused:
        stack.refresh()
    assert str(refused.value) == line.format(where=where, up=5)
    assert a_namerd.get("internal") == text(10)
    assert proxy.writes == []


REFUSED_WRITES: dict[str, tuple[Fault, str]] = {
    "400": (
        forged(400, "'>' expected but ' ' found at '/a =[ ]/d;'"),
        (
            "{where} refuses to change the table 'internal': '>' expected but ' ' found at "
            "'/a =[ ]/d;'"
        ),
    ),
    "400 without a reason": (
        forged(400),
        "{where} refuses to change the table 'internal': it does not say why",
    ),
    "401": (
        status(401, "Unauthorized"),
        (
            "{where} answers 401, not authorised: the credential is wrong or has expired; "
            "renew it, then run `pulumi up`"
        ),
    ),
    "403": (
        status(403, FORBIDDEN),
        f"{{where}} answers 403, forbidden: {FORBIDDEN}",
    ),
    "404 of the service": (
        status(404, 'services "namerd" not found'),
        (
            '{where} is not there: 404, services "namerd" not found; '
            "check the address, the service's name and its namespace"
        ),
    ),
    "500": (
        forged(500, "storage is full"),
        (
            "{where}, asked to change the table 'internal', answered 500 with no content type "
            "(storage is full), which is not a namerd response"
        ),
    ),
    "a redirect": (
        forged(307, Location="http://elsewhere/"),
        (
            "{where} answered with a redirect to http://elsewhere/, which it never does: "
            "give the address of the program itself"
        ),
    ),
    "HTML": (
        forged(200, HTML, "text/html"),
        (
            "{where}, asked to change the table 'internal', answered 200 with text/html "
            "(an HTML page), which is not a namerd response"
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED_WRITES)
def test_a_bad_answer_to_a_write_is_one_clear_line_and_not_tried_again(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd, name: str
) -> None:
    fault, line = REFUSED_WRITES[name]
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", DTABS, fault)
    with pytest.raises(CallError) as refused:
        stack.up(dtab(proxy.url, 20))
    assert str(refused.value) == line.format(where=f"namerd at {proxy.url}")
    assert a_namerd.get("internal") == text(10)
    assert [seen.method for seen in proxy.writes] == ["POST", "PUT"]
    assert stack.up(dtab(proxy.url, 20)) == "update"


def test_nothing_listens_there(stack: Stack) -> None:
    with refusing_port() as port, pytest.raises(CallError) as refused:
        stack.up(dtab(f"http://127.0.0.1:{port}", 10))
    assert str(refused.value) == (
        f"namerd at http://127.0.0.1:{port} cannot be reached: Connection refused; "
        "gave up after 30 s"
    )


def test_a_name_that_does_not_resolve(new_host: Callable[..., ProviderHost]) -> None:
    """By real time: a resolver may take seconds to say so."""
    stack = Stack(new_host(LINKERD_CANARY_PATIENCE="0.1"), DtabProvider())
    with pytest.raises(CallError) as refused:
        stack.up(dtab("http://namerd.invalid:4180", 10))
    assert str(refused.value).startswith("namerd at http://namerd.invalid:4180 cannot be reached: ")
    assert str(refused.value).endswith("; gave up after 3 s")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "fault",
    [
        lost_request,
        cut,
        status(503, "no endpoints available for service"),
        forged(502, HTML, "text/html"),
        forged(504),
    ],
    ids=["lost", "cut", "503", "502", "504"],
)
@pytest.mark.parametrize("path", ["dtabs", "delegate", "bind"])
def test_a_read_is_tried_again_while_namerd_is_not_up(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd, fault: Fault, path: str
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.on("GET", API + path, fault, times=3)
    assert stack.up(dtab(proxy.url, 20)) == "update"
    assert a_namerd.get("internal") == text(20)
    assert len([seen for seen in proxy.writes if seen.method == "PUT"]) == 1


def applied_then(code: int) -> Fault:
    """The server does what is asked, and something on the way answers for it."""

    def fault(exchange: Exchange) -> None:
        exchange.forward()
        exchange.reply(Reply(code, {}, b""))

    return fault


UNANSWERED = {
    "the request is lost": lost_request,
    "the answer is lost": lost_answer,
    "503 instead of the request": forged(503),
    "503 instead of the answer": applied_then(503),
    "504 instead of the answer": applied_then(504),
    "500 instead of the answer": applied_then(500),
}


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("name", UNANSWERED)
def test_a_write_without_an_answer_is_looked_up_and_repeated_if_need_be(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd, name: str, times: int
) -> None:
    proxy.on("POST", DTABS, UNANSWERED[name], times)
    assert stack.up(dtab(proxy.url, 10)) == "create"
    assert a_namerd.get("internal") == text(10)
    proxy.on("PUT", DTABS, UNANSWERED[name], times)
    assert stack.up(dtab(proxy.url, 20)) == "update"
    assert a_namerd.get("internal") == text(20)
    assert stack.up(dtab(proxy.url, 20)) == "same"
    proxy.on("DELETE", DTABS, UNANSWERED[name], times)
    stack.destroy()
    assert a_namerd.get("internal") is None


@pytest.mark.parametrize("name", [each for each in UNANSWERED if each.endswith("answer")])
def test_a_write_without_an_answer_is_looked_up_by_reads_that_lag(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd, name: str
) -> None:
    """Going back to the former weight is then no `same`: the state knows what is in force."""
    stack.up(dtab(proxy.url, 10))
    behind = forged(200, text(10), "application/dtab", Etag=a_namerd.version("internal"))
    proxy.on("PUT", DTABS, UNANSWERED[name])
    proxy.on("GET", DTABS, behind, times=6)
    assert stack.up(dtab(proxy.url, 20)) == "update"
    assert a_namerd.get("internal") == text(20)
    assert stack.state is not None
    assert stack.state.outputs["version"] == a_namerd.version("internal")
    assert stack.up(dtab(proxy.url, 10)) == "update"
    assert a_namerd.get("internal") == text(10)


def test_a_lost_answer_does_not_hide_somebody_elses_change(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack.up(dtab(proxy.url, 10))

    def overtaken(exchange: Exchange) -> None:
        a_namerd.put("internal", "/theirs=>/x")
        exchange.hang_up()

    proxy.on("PUT", DTABS, overtaken)
    with pytest.raises(CallError, match=r"changed by somebody else, .*: theirs '/theirs => /x'"):
        stack.up(dtab(proxy.url, 20))
    assert a_namerd.get("internal") == "/theirs=>/x"
    proxy.on("DELETE", DTABS, overtaken)
    a_namerd.put("internal", text(10))
    stack.refresh()
    with pytest.raises(CallError, match=r"changed by somebody else, .*, and is not deleted"):
        stack.destroy()
    assert a_namerd.get("internal") == "/theirs=>/x"


def test_a_table_that_is_always_out_of_date_is_given_up(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", DTABS, forged(412), times=1000)
    with pytest.raises(CallError) as refused:
        stack.up(dtab(proxy.url, 20))
    assert str(refused.value) == (
        f"namerd at {proxy.url} keeps refusing the table 'internal' as out of date, tried for 30 s"
    )
    assert a_namerd.get("internal") == text(10)


def test_an_answer_without_end_is_cut_off(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_ANSWER_BYTES", 1000)
    proxy.on("GET", DTABS, forged(200, "x" * 1001, "application/dtab"))
    with connection.to_url(proxy.url, f"namerd at {proxy.url}") as namerd_:
        with pytest.raises(UnexpectedAnswerError) as refused:
            namerd_.send("GET", "/api/1/dtabs/internal")
        assert str(refused.value) == f"namerd at {proxy.url} sent more than 1000 bytes"
        proxy.on("GET", DTABS, forged(200, "x" * 1000, "application/dtab"))
        assert len(namerd_.send("GET", "/api/1/dtabs/internal").body) == 1000


def test_repeats_end_with_a_deadline_that_the_error_names(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", DTABS, lost_request, times=1000)
    with pytest.raises(CallError) as refused:
        stack.up(dtab(proxy.url, 20))
    assert str(refused.value) == (
        f"namerd at {proxy.url} cannot be reached: Remote end closed connection without response; "
        "the write was tried for 30 s; which table is in force is not known, "
        "run `pulumi up --refresh`"
    )
    assert a_namerd.get("internal") == text(10)
    puts = len([seen for seen in proxy.writes if seen.method == "PUT"])
    assert 60 < puts < 80, "pauses grow to half a second"


def test_a_storage_that_answers_500_for_a_table_that_is_gone(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    """With Kubernetes storage a PUT to an unknown namespace is a 500."""
    stack.up(dtab(proxy.url, 10))

    def vanished(exchange: Exchange) -> None:
        a_namerd.delete("internal")
        exchange.reply(Reply(500, {}, b""))

    proxy.on("PUT", DTABS, vanished)
    assert stack.up(dtab(proxy.url, 20)) == "update"
    assert a_namerd.get("internal") == text(20)


def test_a_version_that_the_storage_cannot_parse_is_out_of_date(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    """With Kubernetes storage a PUT with a version that another namerd gave is a 500."""
    stack.up(dtab(proxy.url, 10))

    def replaced(exchange: Exchange) -> None:
        content = a_namerd.get("internal")
        assert content
        a_namerd.delete("internal")  # as another namerd would have it: equal, with another version
        a_namerd.put("internal", "/a=>/b")
        a_namerd.put("internal", content)
        exchange.reply(Reply(500, {}, b""))

    proxy.on("PUT", DTABS, replaced)
    assert stack.up(dtab(proxy.url, 20)) == "update"
    assert a_namerd.get("internal") == text(20)


def test_a_right_that_namerd_lacks_is_said(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    """namerd is ready and reads without it, and answers 500 with an empty body."""
    stack.up(dtab(proxy.url, 10))
    proxy.on("PUT", DTABS, forged(500), times=100)
    with pytest.raises(CallError) as refused:
        stack.up(dtab(proxy.url, 20))
    assert str(refused.value) == (
        f"namerd at {proxy.url} could not change the table 'internal': 500 with an empty body, as "
        "where the API server refuses it; look at its log, and grant its service account get, "
        "list, watch, create, update and delete on dtabs.l5d.io"
    )
    assert a_namerd.get("internal") == text(10)


@pytest.mark.parametrize(
    ("path", "fault", "line"),
    [
        (
            "delegate",
            forged(500, "boom"),
            (
                "{where}, asked to delegate a path, answered 500 with no content type (boom), "
                "which is not a namerd response"
            ),
        ),
        (
            "delegate",
            forged(200, HTML, "text/html"),
            (
                "{where}, asked to delegate a path, answered 200 with text/html (an HTML page), "
                "which is not a namerd response"
            ),
        ),
        (
            "delegate",
            forged(200, "[]", "application/json"),
            (
                "{where}, asked to delegate a path, answered 200 with application/json ([]), "
                "which is not a namerd response"
            ),
        ),
    ],
    ids=["500", "HTML", "another shape"],
)
def test_a_guard_that_cannot_be_asked_lets_nothing_through(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd, path: str, fault: Fault, line: str
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.on("GET", API + path, fault, times=100)
    with pytest.raises(CallError) as refused:
        stack.up(dtab(proxy.url, 20))
    assert str(refused.value) == line.format(where=f"namerd at {proxy.url}")
    assert a_namerd.get("internal") == text(10)


def after_the_first(fault: Fault) -> Callable[[FaultProxy], None]:
    """Let the read before the write through, and the fault befall those after it."""

    def plan(proxy: FaultProxy) -> None:
        proxy.on("GET", DTABS, passed_on)
        proxy.on("GET", DTABS, fault, times=1)

    return plan


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (forged(500), "answered 500"),
        (status(403, FORBIDDEN), "answers 403"),
        (forged(200, HTML, "text/html"), "an HTML page"),
    ],
    ids=["500", "403", "HTML"],
)
def test_an_error_after_the_write_puts_the_former_table_back(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd, fault: Fault, said: str
) -> None:
    stack.up(dtab(proxy.url, 10))
    after_the_first(fault)(proxy)
    with pytest.raises(CallError, match=f"{said}.*; the former table was put back$"):
        stack.up(dtab(proxy.url, 20))
    assert a_namerd.get("internal") == text(10)
    assert proxy.writes[-1].headers["If-Match"]


def test_an_error_after_a_way_back_leaves_it_and_says_how_to_go_on(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack.up(dtab(proxy.url, 20))
    after_the_first(forged(500))(proxy)
    stays = r"; the new table is written and stays: run `pulumi up --refresh` to go on from it$"
    with pytest.raises(CallError, match=stays):
        stack.up(dtab(proxy.url, 0))
    assert a_namerd.get("internal") == text(0)
    stack.refresh()
    assert stack.up(dtab(proxy.url, 0)) == "same"
    assert a_namerd.get("internal") == text(0)


def test_a_table_that_was_put_back_is_deleted_once_it_is_seen(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    """It has another version than the state's, as it would have by somebody else."""
    stack.up(dtab(proxy.url, 10))
    after_the_first(forged(500))(proxy)
    with pytest.raises(CallError, match="the former table was put back"):
        stack.up(dtab(proxy.url, 20))
    stack.refresh()
    stack.destroy()
    assert a_namerd.get("internal") is None


def test_an_error_after_adopting_puts_the_adopted_table_back(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    a_namerd.put("internal", "/theirs=>/x")
    after_the_first(forged(500))(proxy)
    with pytest.raises(CallError, match=r"; the former table was put back$"):
        stack.up(dtab(proxy.url, 20, adopt=True))
    assert a_namerd.get("internal") == "/theirs=>/x"


@pytest.mark.parametrize("name", [*UNANSWERED])
def test_adopting_an_equal_table_goes_on_without_an_answer(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd, name: str
) -> None:
    a_namerd.put("internal", text(20))
    version = a_namerd.version("internal")
    proxy.on("PUT", DTABS, UNANSWERED[name], times=2)
    assert stack.up(dtab(proxy.url, 20, adopt=True)) == "create"
    assert a_namerd.get("internal") == text(20)
    assert stack.state is not None
    assert stack.state.outputs["version"] == a_namerd.version("internal") != version


def test_an_error_after_creating_deletes_again(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    after_the_first(forged(500))(proxy)
    with pytest.raises(CallError, match=r"; the table was deleted again$"):
        stack.up(dtab(proxy.url, 20))
    assert a_namerd.get("internal") is None


def test_what_somebody_else_wrote_over_ours_is_not_put_back(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack.up(dtab(proxy.url, 10))

    def theirs(exchange: Exchange) -> None:
        a_namerd.put("internal", "/theirs=>/x")
        exchange.reply(Reply(500, {}, b""))

    after_the_first(theirs)(proxy)
    with pytest.raises(CallError, match="which table is in force is not known"):
        stack.up(dtab(proxy.url, 20))
    assert a_namerd.get("internal") == "/theirs=>/x"
    shown = f"{WORLD} => 90.00*{V1} & 10.00*{V2}"
    with pytest.raises(CallError, match="changed by somebody else") as refused:
        stack.up(dtab(proxy.url, 10, splits={WORLD: {V1: 95, V2: 5}}))
    assert shown in str(refused.value)


def test_a_namerd_that_dies_after_the_write_is_said_to_be_unknown(
    stack: Stack, proxy: FaultProxy, a_namerd: Namerd
) -> None:
    stack.up(dtab(proxy.url, 10))
    proxy.on("GET", DTABS, passed_on)
    proxy.on("GET", DTABS, lost_request, times=1000)
    with pytest.raises(CallError) as refused:
        stack.up(dtab(proxy.url, 20))
    lost = f"namerd at {proxy.url} cannot be reached: Remote end closed connection without response"
    assert str(refused.value) == (
        f"{lost}; gave up after 30 s; putting the former table back failed too ({lost}; gave up "
        "after 30 s), which table is in force is not known, run `pulumi up --refresh`"
    )
