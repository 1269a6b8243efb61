"""What is read off linkerd's page of counters."""

import pytest

from canary.analysis.strata import Version
from canary.counters import page
from canary.counters.page import Expression, MalformedPageError
from mesh import linkerd
from tests.harness import counters
from tests.harness.counters import DAEMONSET, SIDECAR, WORLD, steady, version
from tests.harness.versions import Totals

V1, V2 = f"/{WORLD}-v1", f"/{WORLD}-v2"


def read(text: str, *routers: str) -> dict[str, Version]:
    through = Expression(routers or ("outgoing",), (V1, V2), lambda _, name: name == "svc/world")
    return through.versions(text)


def found(text: str, *routers: str) -> dict[str, Totals]:
    return {name: Totals.of(each) for name, each in read(text, *routers).items()}


def test_requests_and_failures_by_version() -> None:
    text = counters.page(
        version(f"{DAEMONSET}{WORLD}-v1", 934, 3), version(f"{DAEMONSET}{WORLD}-v2", 104, 21)
    )
    assert found(text) == {V1: Totals(934, 3), V2: Totals(104, 21)}


def test_in_a_sidecar_the_clients_have_another_prefix_and_without_transformers_none() -> None:
    for prefix in (SIDECAR, "%/io.l5d.k8s.daemonset/linkerd/incoming-tls/l5d/", ""):
        assert found(counters.page(version(f"{prefix}{WORLD}-v1", 5))) == {V1: Totals(5, 0)}


def test_failures_are_none_until_the_first() -> None:
    assert found(counters.page(version(WORLD + "-v1", 7)))[V1].failures == 0
    assert found(counters.page(version(WORLD + "-v1", 7, 0)))[V1].failures == 0


def test_a_failure_is_not_counted_once_more_for_its_exception() -> None:
    text = counters.page(version(f"{DAEMONSET}{WORLD}-v2", 10, 4, refused=3))
    assert text.count("} 4\n") == 4
    assert found(text)[V2] == Totals(10, 4, refused=3)


def test_other_versions_services_and_routers_do_not_count() -> None:
    client = f"{DAEMONSET}{WORLD}-v1"
    text = counters.page(
        version(client, 10),
        version(client, 100, service="svc/world-v1"),
        version(client, 1000, router="incoming"),
        version(f"{DAEMONSET}{WORLD}-v10", 10_000),
        version(f"{DAEMONSET}{WORLD.replace('hello-world', 'other')}-v1", 100_000),
    )
    assert found(text) == {V1: Totals(10, 0)}


def test_several_routers_add_up() -> None:
    text = counters.page(
        version(f"{DAEMONSET}{WORLD}-v1", 10, 1, pending=2),
        version(f"{WORLD}-v1", 5, 2, pending=1, router="external"),
    )
    assert found(text, "outgoing", "external") == {V1: Totals(15, 3, pending=3)}


def noting() -> tuple[list[str], Expression]:
    """An expression for which every service counts, and what it has asked of."""
    asked: list[str] = []

    def is_counted(_: str, name: str) -> bool:
        asked.append(name)
        return True

    return asked, Expression(("outgoing",), (V1,), is_counted)


def test_a_label_with_quotes_and_backslashes_is_read_as_what_it_stands_for() -> None:
    asked, expression = noting()
    client = f"{DAEMONSET}{WORLD}-v1"
    odd = version(client, 3, service=r"svc/a\"b\\c")
    assert Totals.of(expression.versions(counters.page(odd))[V1]) == Totals(3, 0)
    assert asked == ['svc/a"b\\c']
    fake = version(rf"a\", client=\"{WORLD}-v1", 8)
    assert expression.versions(counters.page(fake)) == {}


def test_whether_a_service_counts_is_asked_once() -> None:
    asked, expression = noting()
    for _ in range(3):
        expression.versions(counters.page(version(f"{WORLD}-v1", 3, 1)))
    assert asked == ["svc/world"]


def test_a_version_that_hangs_is_pending() -> None:
    assert found(counters.page(version(f"{WORLD}-v2", 0, pending=34)))[V2] == Totals(
        0, 0, pending=34
    )


def test_the_last_window_of_latencies() -> None:
    window = {**steady(3), "0.99": 12, "1": 20}
    text = counters.page(version(f"{WORLD}-v1", 200, window=window, window_count=200))
    [latency] = read(text)[V1].latencies.values()
    assert (latency.count, latency.sum) == (200, 600.0)
    assert latency.quantiles == {float(q): float(value) for q, value in window.items()}


def test_no_window_before_the_first() -> None:
    assert read(counters.page(version(f"{WORLD}-v1", 200)))[V1].latencies == {}


def test_each_name_of_a_service_has_series_of_its_own() -> None:
    """Of each router, and each prefix: a client that is made anew with another one begins at 0."""
    expression = Expression(("outgoing", "external"), (V1,), lambda _, __: True)
    client = f"{DAEMONSET}{WORLD}-v1"
    few = version(client, 5, 2, service="svc/a", window=steady(90), window_count=5)
    many = version(client, 50, 1, service="svc/b", window=steady(3), window_count=50)
    other = version(client, 7, router="external", pending=1)
    sidecar = version(f"{SIDECAR}{WORLD}-v1", 9, service="svc/a")
    text = counters.page(few, many, other, sidecar)
    series = expression.versions(text)[V1].series
    assert {key: (each.requests, each.failures, each.pending) for key, each in series.items()} == {
        ("outgoing", DAEMONSET, "svc/a"): (5, 2, 0),
        ("outgoing", DAEMONSET, "svc/b"): (50, 1, 0),
        ("external", DAEMONSET, "svc/world"): (7, 0, 1),
        ("outgoing", SIDECAR, "svc/a"): (9, 0, 0),
    }
    windows = expression.versions(text)[V1].latencies
    assert {key[2]: (each.count, each.quantiles[0.5]) for key, each in windows.items()} == {
        "svc/a": (5, 90.0),
        "svc/b": (50, 3.0),
    }


def test_a_version_without_series_is_missing() -> None:
    assert found(counters.page()) == {}
    refused_only = (
        f"rt:client:service_creation:failures{{{counters.labels(WORLD + '-v2', None)}}} 2"
    )
    assert found(counters.page(refused_only)) == {V2: Totals(0, 0, refused=2)}


def test_when_linkerd_started() -> None:
    assert page.started(counters.page(started=1764143000123.0)) == 1764143000123.0
    assert page.started("") == 0.0


@pytest.mark.parametrize("value", ["many", "xmany", "x", "+Inf", "Infinity", "1e400", "NaN", "-1"])
def test_what_is_no_number_of_things_is_malformed(value: str) -> None:
    line = f"rt:client:service:requests{{{counters.labels(WORLD + '-v1')}}} {value}\n"
    with pytest.raises(MalformedPageError):
        found(line)
    with pytest.raises(MalformedPageError):
        page.started(f"jvm:start_time {value}\n")


def test_a_gauge_that_is_below_0_for_a_moment_is_0() -> None:
    assert found(counters.page(version(f"{WORLD}-v1", 3, pending=-1)))[V1] == Totals(3, 0)
    with pytest.raises(MalformedPageError):
        found(f"rt:client:service:pending{{{counters.labels(WORLD + '-v1')}}} -Inf\n")


def test_a_failure_counted_before_its_request_is_no_more_than_the_requests() -> None:
    assert found(counters.page(version(f"{WORLD}-v1", 3, 4)))[V1] == Totals(3, 3)


def test_windows_are_as_long_as_the_mesh_makes_them() -> None:
    assert linkerd.WINDOW_FLAG.endswith(
        f"histogramSnapshotInterval={page.WINDOW_SECONDS:g}.seconds"
    )
