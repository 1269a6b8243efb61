"""Tables as objects: whose they are, what a kill leaves, and what somebody else writes."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from dynamic import marks
from dynamic.dtab import DtabProvider
from tests.engine.cluster import MESH, OBJECTS, RESOURCE, Cluster, refusal
from tests.engine.tables import V1, V2, WORLD, text
from tests.harness import scripted
from tests.harness.faults import (
    Exchange,
    Fault,
    FaultProxy,
    Reply,
    altered,
    fault_proxy,
    lost_answer,
    meanwhile,
)
from tests.harness.processes import free_port
from tests.harness.scripted import scripted_server
from tests.harness.waiting import wait_until
from tests.provider_host import CallError, ProviderHost, Stack, State

NewHost = Callable[..., ProviderHost]
OTHER = RESOURCE.replace(":dev::", ":staging::")
RENAMED = f"{RESOURCE}-by-another-name"
ANOTHER_BACKENDS = f"{RESOURCE}#another"
BELOW = RESOURCE.replace("::pulumi-python", "::shop:Component$pulumi-python")
THEIRS = [("/theirs", "/x")]


def entries(weight: int) -> list[tuple[str, str]]:
    return [
        (prefix, dst) for prefix, _, dst in (e.partition("=>") for e in text(weight).split(";"))
    ]


def mark(cluster: Cluster) -> dict[str, str]:
    found = cluster.object()
    assert found is not None
    annotations: dict[str, str] = found["metadata"].get("annotations", {})
    return annotations


@pytest.fixture
def up(cluster: Cluster) -> Callable[..., str]:
    def step(stack: Stack, weight: int, resource: str = RESOURCE, **more: Any) -> str:
        return stack.up(cluster.inputs(cluster.admin, weight, {"resource": resource, **more}))

    return step


Up = Callable[..., str]


def test_an_object_says_who_wrote_it_and_stays_readable(
    stack: Stack, cluster: Cluster, up: Up
) -> None:
    up(stack, 10)
    assert mark(cluster)[marks.RESOURCE] == RESOURCE
    assert cluster.table() == text(10)
    shown = cluster.api.kubectl("get", "dtabs", "internal", "-n", MESH, "-o", "yaml")
    assert "dst: 90.00*/srv/world-v1 & 10.00*/srv/world-v2" in shown
    managed = cluster.api.kubectl(
        *("get", "dtabs.l5d.io", "internal", "-n", MESH, "--show-managed-fields"),
        *("-o", "jsonpath={.metadata.managedFields[*].manager}"),
    )
    assert managed == "linkerd-canary"


def test_what_others_put_on_the_object_stays(stack: Stack, cluster: Cluster, up: Up) -> None:
    up(stack, 10)
    cluster.api.kubectl("label", "dtabs.l5d.io", "internal", "-n", MESH, "team=routes")
    cluster.api.kubectl("annotate", "dtabs.l5d.io", "internal", "-n", MESH, "note=ours")
    assert up(stack, 20) == "update"
    found = cluster.object()
    assert found is not None
    assert found["metadata"]["labels"] == {"team": "routes"}
    assert found["metadata"]["annotations"]["note"] == "ours"


# Whose


@pytest.mark.parametrize("adopts", [False, True])
@pytest.mark.parametrize("resource", [RENAMED, OTHER, BELOW, ANOTHER_BACKENDS])
def test_a_table_that_another_resource_keeps_is_refused_or_adopted_and_never_deleted_by_it(
    host: ProviderHost, stack: Stack, cluster: Cluster, up: Up, resource: str, adopts: bool
) -> None:
    """Renamed without `aliases`, in another stack, moved below a component; the same content."""
    up(stack, 10)
    other = Stack(host, DtabProvider())
    if not adopts:
        said = refusal(lambda: up(other, 10, resource))
        assert said.startswith(
            "the table 'internal' exists already and is kept by the resource 'internal' of the "
            "stack organization/shop/dev, with the same content; if that is this resource by a "
            "former name, declare it with `aliases=`; to take the table over, set the resource's "
            "`adopt`"
        )
        stack.destroy()
        assert cluster.table() is None
        return
    assert up(other, 10, resource, adopt=True) == "create"
    assert mark(cluster)[marks.RESOURCE] == resource
    stack.destroy()  # as Pulumi does with what is no longer declared
    assert cluster.table() == text(10)
    said = "the table 'internal' stays: the resource "
    wait_until(lambda: any(line.startswith(said) for line in host.said), "the host says why")
    other.destroy()
    assert cluster.table() is None


def test_a_table_that_nobody_has_marked_is_refused_with_the_lines_that_differ(
    stack: Stack, cluster: Cluster, up: Up
) -> None:
    cluster.make(entries(30))
    said = refusal(lambda: up(stack, 10))
    assert re.match(
        r"the table 'internal' exists already, last changed by kubectl-create at \S+Z, with other "
        rf"content: theirs '{WORLD} => 70\.00\*{V1} & 30\.00\*{V2}', gone ",
        said,
    )
    assert "with the same content" in refusal(lambda: up(stack, 30))
    assert cluster.table() == text(30)
    assert up(stack, 10, adopt=True) == "create"
    assert cluster.table() == text(10)


def test_adopt_is_spent_once_used(
    host: ProviderHost, stack: Stack, cluster: Cluster, up: Up
) -> None:
    """Two stacks that both leave it set do not take the table from one another for ever."""
    up(stack, 10, adopt=True)
    other = Stack(host, DtabProvider())
    assert up(other, 20, OTHER, adopt=True) == "create"
    said = refusal(lambda: up(stack, 30, adopt=True))
    assert said.startswith(
        "the table 'internal' is kept by the resource 'internal' of the stack "
        "organization/shop/staging now; nothing was written"
    )
    stack.refresh()
    assert stack.state is not None
    kept_by = stack.state.inputs["kept_by"]
    assert kept_by == "resource 'internal' of the stack organization/shop/staging"
    assert said == refusal(lambda: up(stack, 20, adopt=True))
    assert cluster.table() == text(20)
    assert "is kept by" in refusal(lambda: up(stack, 20))  # nor without, though it says the same
    assert up(other, 25, OTHER, adopt=True) == "update"


def test_adopt_set_anew_takes_the_table_back(
    host: ProviderHost, stack: Stack, cluster: Cluster, up: Up
) -> None:
    up(stack, 10)
    other = Stack(host, DtabProvider())
    up(other, 20, OTHER, adopt=True)
    assert up(stack, 30, adopt=True) == "update"
    assert mark(cluster)[marks.RESOURCE] == RESOURCE
    assert "is kept by" in refusal(lambda: up(other, 40, OTHER, adopt=True))
    other.destroy()
    assert cluster.table() == text(30)


def test_a_replaced_resource_leaves_the_table_to_its_successor(
    host: ProviderHost, stack: Stack, cluster: Cluster, up: Up
) -> None:
    """`pulumi up --replace`, and a resource that moved: create comes first, then delete."""
    up(stack, 10)
    successor = Stack(host, DtabProvider())
    assert up(successor, 10) == "create"
    stack.destroy()
    assert cluster.table() == text(10)
    assert up(successor, 20) == "update"
    successor.destroy()
    assert cluster.table() is None


def test_an_alias_and_a_renamed_stack_change_nothing(
    stack: Stack, cluster: Cluster, up: Up
) -> None:
    up(stack, 10)
    before = cluster.object()
    assert up(stack, 10, RENAMED) == "same"
    assert cluster.object() == before
    assert up(stack, 20, RENAMED) == "update"
    assert mark(cluster)[marks.RESOURCE] == RENAMED
    stack.destroy()
    assert cluster.table() is None


def test_of_two_that_create_at_once_one_wins(
    host: ProviderHost, stack: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    other = Stack(host, DtabProvider())
    inputs = cluster.inputs(cluster.admin, 20, {"resource": OTHER})
    through.on("POST", OBJECTS, meanwhile(lambda: other.up(inputs)))
    assert "is kept by the resource" in refusal(lambda: stack.up(behind(cluster, through, 10)))
    assert cluster.table() == text(20)


# Two updates of one stack, after a `pulumi cancel`


def test_a_way_back_by_another_update_of_the_same_stack_is_not_overwritten(
    host: ProviderHost, stack: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    stack.up(behind(cluster, through, 10))
    other = Stack(host, DtabProvider(), stack.state)
    through.on("PUT", OBJECTS, meanwhile(lambda: other.up(cluster.inputs(cluster.admin, 0))))
    assert re.fullmatch(
        r"the table 'internal' was changed by another `pulumi up` of this stack at \S+Z: "
        rf"theirs '{WORLD} => [^;]*', gone '{WORLD} => 90\.00\*{V1} & 10\.00\*{V2}'; "
        r"nothing was written, run `pulumi up --refresh` to see the change and decide",
        refusal(lambda: stack.up(behind(cluster, through, 40))),
    )
    assert cluster.table() == text(0)
    stack.refresh()
    assert stack.up(behind(cluster, through, 40)) == "update"
    assert cluster.table() == text(40)


def test_a_way_back_that_overtakes_a_write_without_an_answer_is_not_overwritten(
    host: ProviderHost, stack: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    stack.up(behind(cluster, through, 10))
    other = Stack(host, DtabProvider(), stack.state)

    def overtaken(exchange: Exchange) -> None:
        exchange.forward()
        other.up(cluster.inputs(cluster.admin, 0))
        exchange.hang_up()

    through.on("PUT", OBJECTS, overtaken)
    said = refusal(lambda: stack.up(behind(cluster, through, 40)))
    assert "by another `pulumi up` of this stack" in said
    assert "; a write before that got no answer, run " in said
    assert cluster.table() == text(0)


@pytest.mark.parametrize("adopts", [False, True])
def test_of_two_creations_of_one_stack_at_once_one_wins(
    host: ProviderHost, stack: Stack, cluster: Cluster, through: FaultProxy, adopts: bool
) -> None:
    other = Stack(host, DtabProvider())
    through.on("POST", OBJECTS, meanwhile(lambda: other.up(cluster.inputs(cluster.admin, 0))))
    said = refusal(lambda: stack.up(behind(cluster, through, 40, adopt=adopts)))
    assert "was changed by another `pulumi up` of this stack" in said
    assert cluster.table() == text(0)


def test_a_table_made_again_by_another_update_of_the_same_stack_is_not_overwritten(
    host: ProviderHost, stack: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    stack.up(behind(cluster, through, 10))
    cluster.clear()
    other = Stack(host, DtabProvider(), stack.state)
    through.on("POST", OBJECTS, meanwhile(lambda: other.up(cluster.inputs(cluster.admin, 0))))
    said = refusal(lambda: stack.up(behind(cluster, through, 40)))
    assert "was changed by another `pulumi up` of this stack" in said
    assert cluster.table() == text(0)


def test_the_same_change_by_another_update_of_the_same_stack_is_success(
    host: ProviderHost, stack: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    stack.up(behind(cluster, through, 10))
    other = Stack(host, DtabProvider(), stack.state)
    through.on("PUT", OBJECTS, meanwhile(lambda: other.up(cluster.inputs(cluster.admin, 40))))
    assert stack.up(behind(cluster, through, 40)) == "update"
    assert cluster.table() == text(40)


def test_a_label_between_read_and_write_is_no_conflict(
    stack: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    stack.up(behind(cluster, through, 10))
    label = ("label", "dtabs.l5d.io", "internal", "-n", MESH, "team=routes")
    through.on("PUT", OBJECTS, meanwhile(lambda: cluster.api.kubectl(*label)))
    assert stack.up(behind(cluster, through, 40)) == "update"
    assert cluster.table() == text(40)
    found = cluster.object()
    assert found is not None
    assert found["metadata"]["labels"] == {"team": "routes"}


# What a kill leaves


@pytest.fixture
def through(cluster: Cluster) -> Any:
    """The cluster's API server by a way on which faults can happen."""
    with cluster.api.proxy() as url, fault_proxy(url) as found:
        yield found


def behind(cluster: Cluster, proxy: FaultProxy, weight: int, **more: Any) -> dict[str, Any]:
    kubeconfig = cluster.kubeconfig({}, server=proxy.url, certificate_authority_data=None)
    return cluster.inputs(kubeconfig, weight, more)


@pytest.fixture(params=["POST", "PUT"])
def killed(
    request: pytest.FixtureRequest,
    new_host: NewHost,
    host: ProviderHost,
    cluster: Cluster,
    through: FaultProxy,
) -> Stack:
    """A stack whose host was killed after it had written weight 30, on another machine by now."""
    stack = Stack(new_host(), DtabProvider())
    if request.param == "PUT":
        stack.up(behind(cluster, through, 10))

    def kill(exchange: Exchange) -> None:
        exchange.forward()
        stack.host.process.kill()
        exchange.hang_up()

    through.on(request.param, OBJECTS, kill)
    with pytest.raises(CallError):
        stack.up(behind(cluster, through, 30))
    assert cluster.table() == text(30)
    return Stack(host, DtabProvider(), stack.state)


@pytest.mark.parametrize("weight", [30, 10, 50])
def test_ones_own_write_that_a_kill_kept_out_of_the_state_is_known_on_any_machine(
    killed: Stack, cluster: Cluster, through: FaultProxy, weight: int
) -> None:
    """Also where the weight is set back: to the state nothing would be left to do."""
    assert killed.up(behind(cluster, through, weight)) in ("create", "update")
    assert cluster.table() == text(weight)
    assert killed.up(behind(cluster, through, weight)) == "same"
    killed.destroy()
    assert cluster.table() is None


def test_what_a_kill_left_can_be_destroyed_and_refreshed(
    killed: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    if killed.state is None:
        return  # no state, no resource
    assert killed.refresh() == "read"
    unsaved = killed.state.inputs["unsaved"]
    assert re.fullmatch(r"written by an update of this stack at \S+Z", unsaved)
    assert "unsaved" not in killed.state.outputs
    assert killed.up(behind(cluster, through, 30)) == "same"
    killed.refresh()
    assert "unsaved" not in killed.state.inputs
    killed.destroy()
    assert cluster.table() is None


def test_what_somebody_wrote_over_it_is_not_lost(
    killed: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    cluster.edit(THEIRS)
    said = refusal(lambda: killed.up(behind(cluster, through, 40)))
    assert "kubectl-edit at " in said
    assert cluster.table() == "/theirs=>/x"


# Somebody else's changes


WAYS: dict[str, tuple[Callable[[Cluster], None], str]] = {
    "kubectl edit": (lambda cluster: cluster.edit(THEIRS), r"kubectl-edit at \S+Z"),
    "namerd's API": (
        lambda cluster: cluster.replace(THEIRS),
        r"namerd's own API \(its kubectl proxy\) at \S+Z",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_change_names_who_made_it_when_and_with_what(
    stack: Stack, cluster: Cluster, up: Up, way: str
) -> None:
    change, who = WAYS[way]
    up(stack, 10)
    change(cluster)
    for act in (lambda: up(stack, 20), lambda: up(stack, 20, adopt=False)):
        assert re.match(
            rf"the table 'internal' was changed by {who}: theirs '/theirs => /x', gone '.*'; "
            r"nothing was written, run `pulumi up --refresh` to see the change and decide$",
            refusal(act),
        )
    assert re.match(
        rf"the table 'internal' was changed by {who}, and is not deleted: ", refusal(stack.destroy)
    )
    assert cluster.table() == "/theirs=>/x"
    stack.refresh()
    assert stack.state is not None
    assert "unsaved" not in stack.state.inputs
    assert up(stack, 20) == "update"
    assert cluster.table() == text(20)
    stack.destroy()
    assert cluster.table() is None


def test_a_change_between_read_and_write_is_never_overwritten(
    stack: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    stack.up(behind(cluster, through, 10))
    through.on("PUT", OBJECTS, meanwhile(lambda: cluster.edit(THEIRS)))
    assert "changed by kubectl-edit" in refusal(lambda: stack.up(behind(cluster, through, 20)))
    assert cluster.table() == "/theirs=>/x"


def test_a_change_between_read_and_delete_is_never_lost(
    stack: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    stack.up(behind(cluster, through, 10))
    through.on("DELETE", OBJECTS, meanwhile(lambda: cluster.edit(THEIRS)))
    assert "and is not deleted" in refusal(stack.destroy)
    assert cluster.table() == "/theirs=>/x"


def test_a_table_that_vanishes_under_a_write_is_made_again(
    stack: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    stack.up(behind(cluster, through, 10))
    through.on("PUT", OBJECTS, meanwhile(cluster.clear))
    assert stack.up(behind(cluster, through, 20)) == "update"
    assert cluster.table() == text(20)


def done_but(status: int) -> Fault:
    """The server does what is asked, and says that it could not."""
    return altered(lambda _: Reply(status, {"Content-Type": "text/plain"}, b"boom"))


def test_an_answer_that_never_comes_or_is_an_error_never_hides_what_is_in_force(
    stack: Stack, cluster: Cluster, through: FaultProxy
) -> None:
    stack.up(behind(cluster, through, 10))
    for weight, fault in ((20, lost_answer), (30, done_but(500)), (40, done_but(504))):
        through.on("PUT", OBJECTS, fault)
        assert stack.up(behind(cluster, through, weight)) == "update"
        assert cluster.table() == text(weight)
        assert stack.up(behind(cluster, through, weight)) == "same"


# What is no table


GARBAGE = [("/svc", "/host"), ("no prefix", "/x"), (WORLD, "1 * 2 * /b ("), ("/a", "")]


def test_garbage_shows_as_it_is_and_is_mended_by_an_up(
    stack: Stack, cluster: Cluster, up: Up
) -> None:
    up(stack, 10)
    cluster.edit(GARBAGE)
    assert "changed by kubectl-edit" in refusal(lambda: up(stack, 20))
    assert stack.refresh() == "read"
    assert stack.state is not None
    shown = stack.state.inputs["dentries"]
    assert "no prefix => /x" in shown
    assert f"{WORLD} => 1 * 2 * /b (" in shown
    _, diff = stack.preview(cluster.inputs(cluster.admin, 10))
    assert diff is not None
    assert diff.changes
    assert up(stack, 10) == "update"
    assert cluster.table() == text(10)
    assert up(stack, 10) == "same"


@pytest.mark.parametrize("dst", ["/b # theirs", "/b;/c=>/d"])
def test_an_entry_that_holds_a_comment_or_another_hides_no_other(
    stack: Stack, cluster: Cluster, up: Up, dst: str
) -> None:
    up(stack, 10)
    cluster.edit([("/theirs", dst), *entries(10)])
    shown = dst.partition(" #")[0].replace(";", r"\u003b")
    assert f"theirs '/theirs => {shown}'; nothing was written" in refusal(lambda: up(stack, 20))
    stack.refresh()
    assert stack.state is not None
    assert stack.state.inputs["dentries"][0] == f"/theirs => {shown}"
    assert stack.state.inputs["splits"] == {WORLD: {V1: 90, V2: 10}}
    assert up(stack, 20) == "update"
    assert cluster.table() == text(20)


def test_garbage_that_was_refreshed_can_be_destroyed(
    stack: Stack, cluster: Cluster, up: Up
) -> None:
    up(stack, 10)
    cluster.edit(GARBAGE)
    stack.refresh()
    stack.destroy()
    assert cluster.table() is None


def test_a_table_that_is_missing_is_never_unchanged(stack: Stack, cluster: Cluster, up: Up) -> None:
    up(stack, 10)
    cluster.clear()
    assert up(stack, 10) == "update"
    assert cluster.table() == text(10)
    assert up(stack, 10) == "same"


def test_a_table_that_a_finalizer_holds_is_not_gone(stack: Stack, cluster: Cluster, up: Up) -> None:
    up(stack, 10)

    def hold(finalizers: list[str]) -> None:
        patch = json.dumps({"metadata": {"finalizers": finalizers}})
        where = ("dtabs.l5d.io", "internal", "-n", MESH, "--type=merge", "-p", patch)
        cluster.api.kubectl("patch", *where)

    hold(["example.com/audit"])
    try:
        said = refusal(stack.destroy)
        assert "took the deletion of 'internal' but serves it after 8 s" in said
    finally:
        hold([])
    stack.destroy()
    assert cluster.table() is None


# Which cluster


def test_another_cluster_is_refused_before_anything_is_written(
    stack: Stack, cluster: Cluster, up: Up
) -> None:
    up(stack, 10)
    assert stack.state is not None
    uid = stack.state.outputs["cluster_uid"]
    stack.state.outputs["cluster_uid"] = "another"
    line = (
        f"{cluster.where} is another cluster than the one that keeps the table: its namespace "
        f"kube-system has the UID {uid}, and that one's has another; "
    )
    renewed = cluster.kubeconfig({"token": cluster.service_account("elsewhere")})
    for act in (
        lambda: up(stack, 20),
        lambda: up(stack, 10),
        lambda: stack.preview(cluster.inputs(renewed, 10)),
        stack.refresh,
        stack.destroy,
    ):
        assert refusal(act).startswith(line)
    assert cluster.table() == text(10)


def test_another_name_for_the_same_cluster_updates_in_place(stack: Stack, cluster: Cluster) -> None:
    stack.up(cluster.inputs(cluster.admin, 10))
    _, diff = stack.preview(cluster.inputs(cluster.admin, 10, cluster="renamed"))
    assert diff is not None
    assert diff.replaces == []
    assert stack.up(cluster.inputs(cluster.admin, 10, cluster="renamed")) == "update"
    assert cluster.table() == text(10)


# The state of an older release


@pytest.mark.parametrize("weight", [10, 20])
def test_a_state_without_a_claim_goes_over_by_itself(
    stack: Stack, cluster: Cluster, up: Up, weight: int
) -> None:
    stack.state = of_an_older_release(cluster)
    assert stack.refresh() == "read"
    assert up(stack, weight) == "update"
    assert mark(cluster)[marks.RESOURCE] == RESOURCE
    assert up(stack, weight) == "same"
    stack.destroy()
    assert cluster.table() is None


def test_a_state_without_a_claim_keeps_to_its_cluster_while_its_kubeconfig_leads_there(
    stack: Stack, cluster: Cluster
) -> None:
    stack.state = of_an_older_release(cluster)
    kube_system = {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "elsewhere"}}
    with scripted_server(lambda _: scripted.Reply(200, json.dumps(kube_system))) as (url, asked):
        moved = cluster.inputs(cluster.kubeconfig(server=url, certificate_authority_data=None), 20)
        assert "namespace kube-system has the UID elsewhere" in refusal(
            lambda: stack.preview(moved)
        )
        stack.state.outputs["namerd"]["kubeconfig"] = yaml.safe_dump(
            cluster.kubeconfig(server=f"https://127.0.0.1:{free_port()}")
        )
        _, diff = stack.preview(moved)  # it cannot be asked any more
        assert diff is not None
        assert diff.changes
    assert {each.path for each in asked} == {"/api/v1/namespaces/kube-system"}
    assert cluster.table() == text(10)


def test_a_state_without_a_claim_can_be_destroyed(stack: Stack, cluster: Cluster, up: Up) -> None:
    stack.state = of_an_older_release(cluster)
    stack.destroy()
    assert cluster.table() is None


def test_a_state_without_a_claim_does_not_delete_what_another_stack_keeps(
    host: ProviderHost, stack: Stack, cluster: Cluster, up: Up
) -> None:
    stack.state = of_an_older_release(cluster)
    other = Stack(host, DtabProvider())
    up(other, 10, OTHER, adopt=True)
    stack.destroy()
    assert cluster.table() == text(10)


def of_an_older_release(cluster: Cluster) -> State:
    """The table and the state that the release before the objects' left, by namerd's API."""
    cluster.make(entries(10))
    cluster.replace(entries(10))
    found = cluster.object()
    assert found is not None
    inputs = cluster.inputs(cluster.admin, 10)
    del inputs["resource"]
    outputs = {**inputs, "dtab": text(10), "version": found["metadata"]["resourceVersion"]}
    state = json.loads(
        json.dumps(State("here/dtab-mesh/namerd/internal", inputs, outputs).__dict__)
    )
    return State(**state)
