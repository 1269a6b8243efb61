"""Branches without endpoints: refused before the write, and awaited after it."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from dynamic.dtab import DtabProvider
from tests.engine.tables import V1, V2, WORLD, dtab
from tests.harness.apiserver import ApiServer
from tests.harness.faults import FaultProxy, fault_proxy, forged
from tests.harness.namerd import Namerd, namerd
from tests.harness.waiting import wait_until
from tests.provider_host import CallError, ProviderHost, Stack

APPS = "guarded-apps"
BASE = [f"/srv => /#/io.l5d.k8s/{APPS}/http", "/host => /srv", "/svc => /host"]


@dataclass
class Apps:
    """Services of a real API server, and the namerd that finds their endpoints there."""

    api: ApiServer
    namerd: Namerd

    def serve(self, **addresses: int) -> None:
        """How many addresses each service has: `world_v1=3`."""
        for name, count in addresses.items():
            ready = [{"ip": f"203.0.113.{i + 1}"} for i in range(count)]
            ports = [{"name": "http", "port": 7778}]
            self.api.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Endpoints",
                    "metadata": {"name": name.replace("_", "-"), "namespace": APPS},
                    "subsets": [{"addresses": ready, "ports": ports}] if ready else [],
                }
            )
            self.wait_until_seen(name.replace("_", "-"), count)

    def remove(self, service: str) -> None:
        self.api.kubectl("delete", "endpoints", service, "--namespace", APPS)
        self.wait_until_seen(service, 0)

    def wait_until_seen(self, service: str, count: int) -> None:
        """namerd follows Kubernetes by a watch, and so a moment later."""
        path = f"/#/io.l5d.k8s/{APPS}/http/{service}"
        wait_until(
            lambda: len(self.namerd.addresses(path)) == count,
            f"namerd sees {count} addresses of {service}",
        )


@pytest.fixture(scope="module")
def cluster(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    api_server.kubectl("create", "namespace", APPS)
    with api_server.proxy() as url:
        where = urlsplit(url)
        namer = {"kind": "io.l5d.k8s", "host": where.hostname, "port": where.port}
        with namerd(tmp_path_factory.mktemp("guard"), namers=[namer]) as found:
            yield Apps(api_server, found)


@pytest.fixture
def apps(cluster: Apps) -> Apps:
    """Both versions of world with endpoints, and no table."""
    cluster.serve(world_v1=3, world_v2=3)
    if cluster.namerd.get("internal") is not None:
        cluster.namerd.delete("internal")
    return cluster


@pytest.fixture
def proxy(apps: Apps) -> Iterator[FaultProxy]:
    with fault_proxy(apps.namerd.url) as found:
        yield found


def world(url: str, weight: int, **changed: Any) -> dict[str, Any]:
    return dtab(url, weight, dentries=BASE, **changed)


def refused(stack: Stack, inputs: dict[str, Any], branch: str) -> None:
    with pytest.raises(CallError) as error:
        stack.up(inputs)
    assert str(error.value) == (
        f"{branch} has no endpoints, so it cannot take more traffic: no pod is ready behind it, or "
        "no such service or port; waited 30 s, nothing was changed"
    )


def gone(apps: Apps) -> None:
    apps.serve(world_v2=0)


def never_there(apps: Apps) -> None:
    apps.remove("world-v2")


@pytest.mark.parametrize("lacking", [gone, never_there])
@pytest.mark.parametrize("weight", [1, 30, 100])
def test_an_update_to_a_branch_without_endpoints_is_refused_before_the_write(
    stack: Stack, apps: Apps, proxy: FaultProxy, lacking: Callable[[Apps], None], weight: int
) -> None:
    stack.up(world(proxy.url, 0))
    before = apps.namerd.get("internal")
    lacking(apps)
    refused(stack, world(proxy.url, weight), V2)
    assert apps.namerd.get("internal") == before
    assert [seen.method for seen in proxy.writes] == ["POST"]


@pytest.mark.parametrize(
    ("weight", "lacking"), [(0, "world-v1"), (100, "world-v2"), (50, "world-v1"), (50, "world-v2")]
)
def test_a_create_with_a_branch_without_endpoints_is_refused(
    stack: Stack, apps: Apps, proxy: FaultProxy, weight: int, lacking: str
) -> None:
    apps.remove(lacking)
    refused(stack, world(proxy.url, weight), f"/srv/{lacking}")
    assert apps.namerd.get("internal") is None
    assert proxy.writes == []


def test_adopting_is_guarded_too(stack: Stack, apps: Apps, proxy: FaultProxy) -> None:
    apps.namerd.put("internal", "/theirs=>/x")
    apps.serve(world_v2=0)
    refused(stack, world(proxy.url, 10, adopt=True), V2)
    assert apps.namerd.get("internal") == "/theirs=>/x"


def test_going_back_to_a_baseline_without_endpoints_is_refused(
    stack: Stack, apps: Apps, proxy: FaultProxy
) -> None:
    stack.up(world(proxy.url, 30))
    apps.serve(world_v1=0)
    refused(stack, world(proxy.url, 0), V1)


@pytest.mark.parametrize("weight", [0, 10])
def test_a_canary_without_endpoints_can_always_be_taken_back(
    stack: Stack, apps: Apps, proxy: FaultProxy, weight: int
) -> None:
    stack.up(world(proxy.url, 30))
    apps.serve(world_v2=0)
    assert stack.up(world(proxy.url, weight)) == "update"
    expected = V1 if weight == 0 else f"90.00*{V1} & 10.00*{V2}"
    assert str(apps.namerd.get("internal")).endswith(f"{WORLD}=>{expected}")


def test_endpoints_that_come_late_are_waited_for(
    new_host: Callable[..., ProviderHost], apps: Apps, proxy: FaultProxy
) -> None:
    """They come once namerd has been asked for them twice in vain."""
    stack = Stack(new_host(LINKERD_CANARY_PATIENCE="10"), DtabProvider())
    stack.up(world(proxy.url, 0))
    apps.serve(world_v2=0)
    del proxy.requests[:]

    def asked_in_vain() -> bool:
        return len([seen for seen in proxy.requests if "/delegate/" in seen.path]) > 2

    with ThreadPoolExecutor(1) as pool:
        update = pool.submit(stack.up, world(proxy.url, 10))
        wait_until(asked_in_vain, "namerd is asked again")
        assert proxy.writes == []
        apps.serve(world_v2=1)
        assert update.result() == "update"


def test_an_address_that_is_not_ready_is_no_endpoint(
    stack: Stack, apps: Apps, proxy: FaultProxy
) -> None:
    stack.up(world(proxy.url, 0))
    ports = [{"name": "http", "port": 7778}]
    apps.api.apply(
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "world-v2", "namespace": APPS},
            "subsets": [{"notReadyAddresses": [{"ip": "203.0.113.9"}], "ports": ports}],
        }
    )
    apps.wait_until_seen("world-v2", 0)
    refused(stack, world(proxy.url, 10), V2)


def test_a_service_without_the_named_port_is_no_endpoint(
    stack: Stack, apps: Apps, proxy: FaultProxy
) -> None:
    base = [f"/srv => /#/io.l5d.k8s/{APPS}/metrics", "/host => /srv", "/svc => /host"]
    refused(stack, dtab(proxy.url, 0, dentries=base), V1)


def test_branches_with_alternatives_need_one_that_serves(
    stack: Stack, apps: Apps, proxy: FaultProxy
) -> None:
    apps.serve(world_v2=0)
    either = "/srv/world => /srv/world-v2 | /srv/world-v1"
    inputs = world(proxy.url, 0)
    inputs = {**inputs, "dentries": [*BASE, either], "splits": {WORLD: {"/srv/world": 100}}}
    assert stack.up(inputs) == "create"


@pytest.mark.parametrize(
    "alternatives",
    [
        ["/srv/world => /srv/world-v2 | /srv/world-v1"],
        ["/srv/world => /srv/world-v1", "/srv/world => /srv/world-v2"],  # the last one goes first
    ],
)
def test_of_alternatives_that_serve_the_first_is_what_is_bound(
    stack: Stack, apps: Apps, proxy: FaultProxy, alternatives: list[str]
) -> None:
    either = {**world(proxy.url, 0), "dentries": [*BASE, *alternatives]}
    assert stack.up({**either, "splits": {WORLD: {V1: 50, "/srv/world": 50}}}) == "create"
    assert len(proxy.writes) == 1
    apps.serve(world_v2=0)
    assert stack.up({**either, "splits": {WORLD: {V1: 40, "/srv/world": 60}}}) == "update"


@pytest.mark.parametrize("alternatives", ["! | /srv/world-v1", "$ | /srv/world-v1", "/srv/none"])
def test_what_comes_after_a_failing_alternative_does_not_count(
    stack: Stack, apps: Apps, proxy: FaultProxy, alternatives: str
) -> None:
    either = {**world(proxy.url, 0), "dentries": [*BASE, f"/srv/world => {alternatives}"]}
    refused(stack, {**either, "splits": {WORLD: {"/srv/world": 100}}}, "/srv/world")
    assert proxy.writes == []


@pytest.mark.parametrize(
    ("dentries", "branch"),
    [
        ([*BASE, "/srv/world-v1 => !"], V1),
        ([*BASE, "/srv/world-v2 => /srv/none | $"], V2),
        ([f"/srv => /#/io.l5d.k8s/{APPS}/htp", *BASE[1:]], V1),
    ],
)
def test_entries_that_take_a_branchs_endpoints_away_are_refused(
    stack: Stack, apps: Apps, proxy: FaultProxy, dentries: list[str], branch: str
) -> None:
    stack.up(world(proxy.url, 10))
    before = apps.namerd.get("internal")
    refused(stack, {**world(proxy.url, 10), "dentries": dentries}, branch)
    assert apps.namerd.get("internal") == before
    assert len(proxy.writes) == 1


def test_entries_that_take_nothing_away_are_written_whatever_is_gone(
    stack: Stack, apps: Apps, proxy: FaultProxy
) -> None:
    stack.up(world(proxy.url, 10))
    apps.serve(world_v2=0)
    other = f"/srv/other => /#/io.l5d.k8s/{APPS}/http/world-v1"
    assert stack.up({**world(proxy.url, 10), "dentries": [*BASE, other]}) == "update"


def test_what_namerd_says_of_a_path_is_told(stack: Stack, apps: Apps, proxy: FaultProxy) -> None:
    stack.up(world(proxy.url, 0))
    said = {"type": "exception", "path": V2, "message": "no namer\nof that kind"}
    proxy.on("GET", "/api/1/delegate/", forged(200, json.dumps(said)), times=1000)
    with pytest.raises(
        CallError, match=r"nothing was changed; namerd says: no namer of that kind$"
    ):
        stack.up(world(proxy.url, 10))


MALFORMED = [
    {"type": "union", "union": [{"weight": 1}]},
    {"type": "union", "union": {}},
    {"type": "union", "union": [7]},
    {"type": "alt", "alt": [None]},
    {"type": "delegate"},
    {"type": "leaf", "bound": "x"},
    {"type": 7},
    {"type": "new"},
    [],
]


@pytest.mark.parametrize("tree", MALFORMED, ids=json.dumps)
def test_a_tree_that_is_none_is_one_line(
    stack: Stack, apps: Apps, proxy: FaultProxy, tree: Any
) -> None:
    stack.up(world(proxy.url, 0))
    before = apps.namerd.get("internal")
    for asked, then in (("delegate", "$"), ("bind", "; the former table was put back$")):
        proxy.on("GET", f"/api/1/{asked}/", forged(200, json.dumps(tree)))
        with pytest.raises(CallError, match="^namerd at .* which is not a namerd response" + then):
            stack.up(world(proxy.url, 10))
        assert apps.namerd.get("internal") == before


def test_a_table_too_long_for_a_url_is_asked_by_the_entries_that_matter(
    stack: Stack, apps: Apps, proxy: FaultProxy
) -> None:
    others = [f"/srv/other-{i} => /#/io.l5d.k8s/{APPS}/http/other-{i}" for i in range(200)]
    inputs = {**world(proxy.url, 50), "dentries": [*BASE, *others]}
    assert stack.up(inputs) == "create"
    asked = [seen.path for seen in proxy.requests if "/delegate/" in seen.path]
    assert len(asked) == 2
    assert all(len(path) < 400 for path in asked)
    apps.serve(world_v2=0)
    refused(stack, {**inputs, "splits": {WORLD: {V1: 40, V2: 60}}}, V2)


def bound_to(*services: str) -> str:
    def leaf(name: str) -> dict[str, Any]:
        bound = {"addr": {"type": "bound", "addrs": [{"ip": "203.0.113.1", "port": 7778}]}}
        return {"type": "leaf", "bound": {**bound, "id": f"/#/io.l5d.k8s/{APPS}/http/{name}"}}

    trees = [{"weight": 1.0, "tree": leaf(name)} for name in services]
    return json.dumps({"type": "union", "union": trees} if len(trees) > 1 else trees[0]["tree"])


def test_success_is_said_once_all_branches_are_bound(
    stack: Stack, apps: Apps, proxy: FaultProxy
) -> None:
    stack.up(world(proxy.url, 0))
    proxy.on("GET", "/api/1/bind/", forged(200, bound_to("world-v1")), times=3)
    assert stack.up(world(proxy.url, 10)) == "update"
    asked = [seen for seen in proxy.requests if "/bind/" in seen.path]
    assert len(asked) == 1 + 4


def test_a_branch_that_is_never_bound_is_an_error_and_the_former_table_is_put_back(
    stack: Stack, apps: Apps, proxy: FaultProxy
) -> None:
    stack.up(world(proxy.url, 0))
    before = apps.namerd.get("internal")
    proxy.on("GET", "/api/1/bind/", forged(200, bound_to("world-v1")), times=1000)
    with pytest.raises(CallError) as error:
        stack.up(world(proxy.url, 10))
    assert str(error.value) == (
        f"namerd at {proxy.url} serves the new table but does not bind {WORLD} to "
        f"/#/io.l5d.k8s/{APPS}/http/world-v2, waited 10 s; the former table was put back"
    )
    assert apps.namerd.get("internal") == before


def test_the_guard_asks_with_the_whole_table_in_a_namespace_that_nobody_has(
    stack: Stack, apps: Apps, proxy: FaultProxy
) -> None:
    """On the namespace itself, entries that the new table removes would answer still."""
    apps.namerd.put("internal", f"/srv/world-v9=>/#/io.l5d.k8s/{APPS}/http/world-v1")
    changed = {"splits": {WORLD: {"/srv/world-v9": 100}}, "adopt": True}
    refused(stack, world(proxy.url, 0, **changed), "/srv/world-v9")
    table = ";".join([*(each.replace(" => ", "=>") for each in BASE), f"{WORLD}=>/srv/world-v9"])
    asked = next(seen for seen in proxy.requests if "/delegate/" in seen.path)
    assert asked.path.startswith("/api/1/delegate/linkerd-canary-asks?path=%2Fsrv%2Fworld-v9&dtab=")
    assert dict(parse_qsl(urlsplit(asked.path).query))["dtab"] == table
