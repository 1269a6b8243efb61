"""Success means that traffic follows: what each linkerd routes by, after a write and later."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dynamic.dtab import DtabProvider
from tests.engine.cluster import MESH, Cluster, refusal
from tests.engine.tables import V1, V2, text
from tests.harness.faults import FaultProxy, forged
from tests.harness.linkerds import StandInLinkerds, stand_in_linkerds, tree
from tests.harness.waiting import wait_until
from tests.provider_host import ProviderHost, Stack

NewHost = Callable[..., ProviderHost]
WORLD = "/svc/world"
AT_V1 = "/$/inet/127.0.0.1/7001"
AT_V2 = "/$/inet/127.0.0.1/7002"


def shares(weight: float) -> dict[str, float]:
    return {AT_V1: 100.0 - weight, AT_V2: weight} if weight else {AT_V1: 1.0}


@pytest.fixture
def linkerds(cluster: Cluster) -> Iterator[StandInLinkerds]:
    with stand_in_linkerds(cluster.api, MESH) as found:
        yield found


@pytest.fixture
def three(linkerds: StandInLinkerds) -> StandInLinkerds:
    """Three that follow weight 10."""
    linkerds.start(3)
    for i in range(3):
        linkerds.follow(f"l5d-{i}", WORLD, shares(10))
    return linkerds


def inputs(
    cluster: Cluster, linkerds: StandInLinkerds, weight: float, **more: Any
) -> dict[str, Any]:
    splits = {"/host/world": {V1: 100 - weight, V2: weight}}
    given = {"linkerds": linkerds.inputs, "splits": splits, **more}
    return cluster.inputs(cluster.admin, 0, given)


def test_linkerds_that_have_bound_nothing_hold_nothing_up(
    stack: Stack, cluster: Cluster, linkerds: StandInLinkerds
) -> None:
    linkerds.start(2)
    assert stack.up(inputs(cluster, linkerds, 10)) == "create"
    assert stack.up(inputs(cluster, linkerds, 20)) == "update"
    assert set(linkerds.asked) == {"l5d-0", "l5d-1"}


def test_a_selector_that_finds_no_linkerd_is_told(
    stack: Stack, cluster: Cluster, linkerds: StandInLinkerds
) -> None:
    line = f"no pod app=l5d in {MESH} is ready: no linkerd follows"
    before = stack.host.said.count(line)
    stack.up(inputs(cluster, linkerds, 10))
    wait_until(lambda: stack.host.said.count(line) == before + 1, "it says that there is none")
    linkerds.start(1)
    stack.up(inputs(cluster, linkerds, 20))
    assert stack.host.said.count(line) == before + 1


def test_success_comes_once_the_last_linkerd_follows(
    new_host: NewHost, cluster: Cluster, three: StandInLinkerds
) -> None:
    stack = Stack(new_host(LINKERD_CANARY_PATIENCE="10"), DtabProvider())
    stack.up(inputs(cluster, three, 10))
    for pod in ("l5d-0", "l5d-1"):
        three.follow(pod, WORLD, shares(20))
    done = threading.Event()

    def up() -> None:
        stack.up(inputs(cluster, three, 20))
        done.set()

    running = threading.Thread(target=up)
    before = three.asked.count("l5d-2")
    running.start()
    wait_until(lambda: three.asked.count("l5d-2") > before + 3, "the last one is asked again")
    assert not done.is_set()
    three.follow("l5d-2", WORLD, shares(20))
    running.join()
    assert done.is_set()


def test_a_linkerd_that_does_not_follow_is_named_and_the_table_stays(
    stack: Stack, cluster: Cluster, three: StandInLinkerds
) -> None:
    stack.up(inputs(cluster, three, 10))
    for pod in ("l5d-0", "l5d-2"):
        three.follow(pod, WORLD, shares(20))
    assert refusal(lambda: stack.up(inputs(cluster, three, 20))) == (
        "the table 'internal' is not followed everywhere, after 30 s: linkerd l5d-1 on node node-1 "
        "sends /svc/world to 90 % 7001, 10 % 7002, not to 80 % 7001, 20 % 7002; look at namerd and "
        "at these linkerds' log, or restart them (`kubectl delete pod l5d-1`); the new table is "
        "written and stays: once that is fixed run `pulumi up` again, or set the weights back and "
        "run it"
    )
    assert cluster.table() == text(20)
    three.follow("l5d-1", WORLD, shares(20))
    assert stack.up(inputs(cluster, three, 20)) == "update"
    assert stack.up(inputs(cluster, three, 20)) == "same"


def test_a_creation_that_failed_is_no_success_the_second_time(
    stack: Stack, cluster: Cluster, three: StandInLinkerds
) -> None:
    for _ in range(2):
        assert "not followed everywhere" in refusal(lambda: stack.up(inputs(cluster, three, 20)))
    for pod in three.pods:
        three.follow(pod, WORLD, shares(20))
    assert stack.up(inputs(cluster, three, 20)) == "create"


def test_another_split_does_not_hide_a_linkerd_that_lags(
    stack: Stack, cluster: Cluster, three: StandInLinkerds
) -> None:
    def given(world: int, other: int) -> dict[str, Any]:
        weights = {"/host/world": world, "/host/zoo": other}
        splits = {prefix: {V1: 100 - v2, V2: v2} for prefix, v2 in weights.items()}
        return inputs(cluster, three, world, splits=splits)

    stack.up(given(10, 10))
    assert "not followed everywhere" in refusal(lambda: stack.up(given(20, 10)))
    assert "sends /svc/world to" in refusal(lambda: stack.up(given(20, 30)))
    for pod in three.pods:
        three.follow(pod, WORLD, shares(20))
    assert stack.up(given(20, 30)) == "update"
    three.follow("l5d-0", WORLD, shares(50))
    stack.refresh()
    assert "sends /svc/world to" in refusal(lambda: stack.up(given(20, 40)))


def test_the_weights_set_back_after_a_failure_are_written_and_proved(
    stack: Stack, cluster: Cluster, three: StandInLinkerds
) -> None:
    stack.up(inputs(cluster, three, 10))
    assert "not followed" in refusal(lambda: stack.up(inputs(cluster, three, 20)))
    assert stack.up(inputs(cluster, three, 10)) == "update"
    assert cluster.table() == text(10)


def test_a_way_back_is_never_undone(stack: Stack, cluster: Cluster, three: StandInLinkerds) -> None:
    stack.up(inputs(cluster, three, 10))
    assert "sends /svc/world to 90 % 7001, 10 % 7002, not to 100 % 7001" in refusal(
        lambda: stack.up(inputs(cluster, three, 0))
    )
    assert cluster.table() == text(0)


def test_half_a_percent_is_told_from_none_and_a_hundredth_from_two(
    stack: Stack, cluster: Cluster, three: StandInLinkerds
) -> None:
    stack.up(inputs(cluster, three, 10))
    for before, after in ((0.5, 0.5), (0.02, 0.02)):
        for i in range(3):
            three.follow(f"l5d-{i}", WORLD, shares(before))
        assert stack.up(inputs(cluster, three, after)) == "update"
    assert "99.98 % 7001, 0.02 % 7002, not to 99.99 % 7001, 0.01 % 7002" in refusal(
        lambda: stack.up(inputs(cluster, three, 0.01))
    )


def test_names_that_do_not_lead_through_what_changed_are_not_looked_at(
    stack: Stack, cluster: Cluster, three: StandInLinkerds, namerd_admin: FaultProxy
) -> None:
    stack.up(inputs(cluster, three, 10))
    three.pages["l5d-0"]["bind"]["/svc/other"] = {
        "": {"state": {"running": True, "value": {"value": {"id": "/nonsense", "path": "/"}}}}
    }
    for pod in ("l5d-1", "l5d-2"):
        three.follow(pod, WORLD, shares(20))
    three.pages["l5d-0"]["bind"][WORLD] = {
        "": {"state": {"running": True, "value": tree(shares(20))}},
        "/host=>/other": {"state": {"running": True, "value": {}}},  # a request's own l5d-dtab
    }
    three.pages["l5d-0"]["bind"]["/svc/world-v9"] = {"": {"state": {"running": False, "value": {}}}}
    before = len(namerd_admin.requests)
    assert stack.up(inputs(cluster, three, 20)) == "update"
    asked = [seen.path for seen in namerd_admin.requests[before:]]
    assert not [path for path in asked if "other" in path]


def test_who_is_not_ready_is_not_waited_for(
    stack: Stack, cluster: Cluster, three: StandInLinkerds
) -> None:
    stack.up(inputs(cluster, three, 10))
    three.set_ready("l5d-1", ready=False)
    for pod in ("l5d-0", "l5d-2"):
        three.follow(pod, WORLD, shares(20))
    assert stack.up(inputs(cluster, three, 20)) == "update"


def test_a_ready_linkerd_that_cannot_be_asked_is_named(
    stack: Stack, cluster: Cluster, three: StandInLinkerds
) -> None:
    stack.up(inputs(cluster, three, 10))
    for pod in ("l5d-0", "l5d-2"):
        three.follow(pod, WORLD, shares(20))
    three.pages["l5d-1"] = 500
    said = refusal(lambda: stack.up(inputs(cluster, three, 20)))
    assert "linkerd l5d-1 on node node-1 cannot be asked what it follows" in said


def test_a_refresh_tells_a_linkerd_that_lags_and_the_next_up_waits_for_it(
    stack: Stack, cluster: Cluster, three: StandInLinkerds
) -> None:
    stack.up(inputs(cluster, three, 10))
    three.follow("l5d-2", WORLD, shares(50))
    stack.refresh()
    assert stack.state is not None
    (line,) = stack.state.inputs["lagging"]
    assert line == (
        "linkerd l5d-2 on node node-2 sends /svc/world to 50 % 7001, 50 % 7002, not to 90 % 7001, "
        "10 % 7002"
    )
    _, diff = stack.preview(inputs(cluster, three, 10))
    assert diff is not None
    assert diff.changes
    assert "not followed everywhere" in refusal(lambda: stack.up(inputs(cluster, three, 10)))
    three.follow("l5d-2", WORLD, shares(10))
    assert stack.up(inputs(cluster, three, 10)) == "update"
    assert "lagging" not in stack.state.outputs
    assert stack.up(inputs(cluster, three, 10)) == "same"


def test_a_branch_that_loses_its_endpoints_after_the_write_is_told(
    stack: Stack, cluster: Cluster, linkerds: StandInLinkerds, namerd_admin: FaultProxy
) -> None:
    stack.up(inputs(cluster, linkerds, 10))
    asked = iter([True])

    def once(exchange: Any) -> None:
        """The first question about v2 is before the write."""
        if "world-v2" in exchange.request.path and not next(asked, False):
            forged(200, '{"type": "neg"}', "application/json")(exchange)
        else:
            exchange.reply(exchange.forward())

    namerd_admin.on("GET", "/dtab/delegator.json", once, times=1000)
    said = refusal(lambda: stack.up(inputs(cluster, linkerds, 20)))
    namerd_admin.clear()
    assert said.startswith("/srv/world-v2 has lost its endpoints since it was written, so it gets")
    assert cluster.table() == text(20)


def test_a_hundred_linkerds_are_asked_in_one_round(
    new_host: NewHost, cluster: Cluster, linkerds: StandInLinkerds
) -> None:
    linkerds.start(100)
    for i in range(100):
        linkerds.follow(f"l5d-{i}", WORLD, shares(10))
    stack = Stack(new_host(LINKERD_CANARY_PATIENCE="10"), DtabProvider())
    assert stack.up(inputs(cluster, linkerds, 10)) == "create"
    assert set(linkerds.asked) == {f"l5d-{i}" for i in range(100)}


def test_whoever_may_not_ask_the_linkerds_writes_nothing(
    stack: Stack, cluster: Cluster, three: StandInLinkerds
) -> None:
    user = "asks-nobody"
    allow(cluster, user, "get,create,update", "dtabs.l5d.io", MESH)
    allow(cluster, user, "get", "services/proxy", MESH)
    allow(cluster, user, "get", "namespaces", "kube-system")
    kubeconfig = cluster.api.kubeconfig_for(user).read_text()
    given = cluster.inputs(kubeconfig, 10, {"linkerds": three.inputs})
    assert refusal(lambda: stack.up(given)).endswith("grant list on pods in dtab-mesh")
    allow(cluster, user, "list", "pods", MESH)
    assert refusal(lambda: stack.up(given)).endswith("; grant get on pods/proxy in dtab-mesh")
    assert cluster.table() is None
    allow(cluster, user, "get", "pods/proxy", MESH)
    assert stack.up(given) == "create"


def test_a_way_back_waits_for_no_right_to_ask_the_linkerds(
    stack: Stack, cluster: Cluster, three: StandInLinkerds
) -> None:
    stack.up(inputs(cluster, three, 10))
    user = "only-writes"
    allow(cluster, user, "get,update", "dtabs.l5d.io", MESH)
    allow(cluster, user, "get", "namespaces", "kube-system")
    kubeconfig = cluster.api.kubeconfig_for(user).read_text()
    given = cluster.inputs(kubeconfig, 0, {"linkerds": three.inputs})
    said = refusal(lambda: stack.up(given))
    assert "grant list on pods in dtab-mesh; the new table is written and stays" in said
    assert cluster.table() == text(0)


def allow(cluster: Cluster, user: str, verbs: str, resource: str, where: str) -> None:
    role = f"{user}-{verbs}-{resource}".replace(",", "-").replace("/", "-")
    given = [f"--verb={verb}" for verb in verbs.split(",")]
    cluster.api.kubectl("create", "role", role, "-n", where, f"--resource={resource}", *given)
    cluster.api.kubectl(
        "create", "rolebinding", role, "-n", where, f"--role={role}", f"--user={user}"
    )
    cluster.api.wait_until_allowed(user, verbs.partition(",")[0], resource, where)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("all", "linkerds: a namespace, selector and router, not 'all'"),
        ({"namespace": "m", "selector": "a=b"}, "linkerds: 'router' must be a string, not None"),
        (
            {"namespace": "m", "selector": "a=b", "router": "r", "x": "y"},
            "linkerds: no such key 'x'; there are namespace, selector, router, port",
        ),
        (
            {"namespace": "m", "selector": "a=b", "router": "r", "port": 9990},
            "linkerds: 'port' must be a string, not 9990",
        ),
    ],
)
def test_bad_input_is_one_line(stack: Stack, cluster: Cluster, given: Any, line: str) -> None:
    checked = stack.host.check(
        stack.provider, {}, cluster.inputs(cluster.admin, 10, {"linkerds": given})
    )
    assert [reason for _, reason in checked.failures] == [line]
