"""A stack's claim on namespaces, by its provider on a real API server."""

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from mesh.claim import STACK, ClaimProvider
from tests.harness.apiserver import ApiServer
from tests.harness.processes import free_port
from tests.provider_host import CallError, ProviderHost, Stack
from tests.provider_host.host import UNKNOWN

DEV, STAGING = "organization/linkerd-canary/dev", "organization/linkerd-canary/staging"


@dataclass
class Place:
    """A cluster, and two namespaces of it that no other test knows."""

    api_server: ApiServer
    mesh: str
    apps: str

    def claim(self, stack: str = STAGING, **more: Any) -> dict[str, Any]:
        return {
            "stack": stack,
            "namespaces": {"meshNamespace": self.mesh, "appsNamespace": self.apps},
            "makes_namespaces": True,
            "cluster": "here",
            "kubeconfig": self.api_server.kubeconfig.read_text(),
            **more,
        }

    def make(self, namespace: str, stack: str | None = None) -> None:
        self.api_server.kubectl("create", "namespace", namespace)
        if stack:
            self.api_server.kubectl("annotate", "namespace", namespace, f"{STACK}={stack}")


@pytest.fixture
def place(api_server: ApiServer) -> Place:
    number = uuid.uuid4().hex[:8]
    return Place(api_server, f"mesh-{number}", f"apps-{number}")


@pytest.fixture
def stack(host: ProviderHost) -> Stack:
    return Stack(host, ClaimProvider())


def refused(stack: Stack, claim: dict[str, Any]) -> str:
    with pytest.raises(CallError) as raised:
        stack.preview(claim)
    return str(raised.value)


def test_what_is_free_is_claimed_and_nothing_is_written(stack: Stack, place: Place) -> None:
    place.make(place.apps)
    before = len(place.api_server.requests())
    assert stack.up(place.claim()) == "create"
    assert stack.state
    assert stack.state.outputs["stack"] == STAGING
    assert "kubeconfig" not in stack.state.outputs
    asked = place.api_server.requests()[before:]
    assert {request.verb for request in asked} == {"get"}

    before = len(place.api_server.requests())
    renewed = place.api_server.kubeconfig_for("renewed", ["system:masters"]).read_text()
    assert stack.up(place.claim(kubeconfig=renewed)) == "same"
    assert stack.refresh() == "read"
    assert stack.up(place.claim()) == "same"
    stack.destroy()
    assert place.api_server.requests()[before:] == [], "what has not changed is not asked for"


@pytest.mark.parametrize("key", ["meshNamespace", "appsNamespace"])
def test_a_namespace_of_another_stack_is_refused(stack: Stack, place: Place, key: str) -> None:
    namespace = place.mesh if key == "meshNamespace" else place.apps
    place.make(namespace, DEV)
    assert refused(stack, place.claim()) == (
        f"config {key} is {namespace!r}, which the stack {DEV} has on the cluster at "
        f"{place.api_server.url}: give each stack namespaces of its own, with `pulumi config set`; "
        f"once that stack is gone for good, `kubectl annotate namespace {namespace} {STACK}-` "
        "frees what it had"
    )
    place.api_server.kubectl("annotate", "namespace", namespace, f"{STACK}-")
    assert stack.up(place.claim()) == "create"


def test_both_namespaces_of_another_stack_are_named_at_once(stack: Stack, place: Place) -> None:
    place.make(place.mesh, DEV)
    place.make(place.apps, DEV)
    said = refused(stack, place.claim())
    keys = f"appsNamespace is {place.apps!r} and meshNamespace is {place.mesh!r}"
    assert said.startswith(f"config {keys}, which the stack {DEV} has on the cluster at ")
    way_out = said.partition("`kubectl ")[2].partition("`")[0]
    place.api_server.kubectl(*way_out.split())
    assert stack.up(place.claim()) == "create"


def test_a_stack_whose_state_is_lost_has_its_namespaces_still(stack: Stack, place: Place) -> None:
    place.make(place.mesh, STAGING)
    assert stack.up(place.claim()) == "create"


def test_a_renamed_stack_keeps_its_name_of_old(stack: Stack, place: Place) -> None:
    stack.up(place.claim(DEV))
    place.make(place.mesh, DEV)
    assert stack.up(place.claim("organization/linkerd-canary/production")) == "same"
    assert stack.up(place.claim("organization/linkerd-canary/production", cluster="c")) == "update"
    assert stack.state
    assert stack.state.inputs["stack"] == stack.state.outputs["stack"] == DEV


def test_a_state_of_a_release_with_a_port_of_the_nodes_is_read(stack: Stack, place: Place) -> None:
    assert stack.up(place.claim()) == "create"
    assert stack.state
    stack.state.inputs["host_port"] = stack.state.outputs["host_port"] = 4140
    before = len(place.api_server.requests())
    assert stack.refresh() == "read"
    assert stack.up(place.claim()) == "same"
    assert place.api_server.requests()[before:] == []
    assert stack.up(place.claim(cluster="c")) == "update"
    assert "host_port" not in stack.state.outputs


def test_a_stack_can_move_its_linkerd_to_another_namespace(stack: Stack, place: Place) -> None:
    place.make(place.mesh, STAGING)
    assert stack.up(place.claim()) == "create"
    moved = {"meshNamespace": f"moved-{place.mesh}", "appsNamespace": place.apps}
    assert stack.up(place.claim(namespaces=moved)) == "update"


def test_whatever_the_cluster_does_not_tell_stops_nobody(stack: Stack, place: Place) -> None:
    place.make(place.mesh, DEV)
    nobody = place.api_server.kubeconfig_for("nobody").read_text()
    nowhere = place.claim()["kubeconfig"].replace(
        place.api_server.url, f"https://127.0.0.1:{free_port()}"
    )
    for kubeconfig in (nobody, nowhere, UNKNOWN):
        stack.preview(place.claim(kubeconfig=kubeconfig))


def test_namespaces_that_an_administrator_gives(stack: Stack, place: Place) -> None:
    given = place.claim(makes_namespaces=False)
    for key, name in sorted(given["namespaces"].items()):
        assert refused(stack, given) == (
            f"config createNamespaces is false, and the cluster at {place.api_server.url} has no "
            f"namespace {name!r} ({key}): have an administrator make it (docs/rights.md), or set "
            "createNamespaces to true"
        )
        place.make(name)
        said = refused(stack, given)
        assert f"the namespace {name!r} ({key})" in said
        way_out = said.partition("`kubectl ")[2].partition("`")[0]
        place.api_server.kubectl(*way_out.split())
    assert stack.up(given) == "create"
    assert stack.up(given) == "same"


def test_given_namespaces_are_still_refused_to_another_stack(stack: Stack, place: Place) -> None:
    place.make(place.mesh, DEV)
    place.make(place.apps, STAGING)
    said = refused(stack, place.claim(makes_namespaces=False))
    assert said.startswith(f"config meshNamespace is {place.mesh!r}, which the stack {DEV} has on")


@pytest.mark.parametrize("makes", [True, False])
def test_namespaces_in_use_do_not_change_hands(stack: Stack, place: Place, makes: bool) -> None:
    """Pulumi would delete those that the stack has made, with all that runs there."""
    place.make(place.mesh, STAGING)
    place.make(place.apps, STAGING)
    stack.up(place.claim(makes_namespaces=makes))
    names = ", ".join(sorted((place.mesh, place.apps)))
    assert refused(stack, place.claim(makes_namespaces=not makes)) == (
        f"config createNamespaces is {str(not makes).lower()}, and this stack "
        f"{'made' if makes else 'was given'} its namespaces ({names}), which cannot change: set "
        f"it to {str(makes).lower()}, or move to other namespaces"
    )
    others = {"meshNamespace": f"to-{place.mesh}", "appsNamespace": f"to-{place.apps}"}
    for name in others.values():
        place.make(name, STAGING)
    moved = place.claim(makes_namespaces=not makes, namespaces=others)
    assert stack.up(moved) == "update"


def test_a_state_that_does_not_say_who_made_the_namespaces(stack: Stack, place: Place) -> None:
    place.make(place.mesh, STAGING)
    stack.up(place.claim())
    assert stack.state
    del stack.state.inputs["makes_namespaces"]
    del stack.state.outputs["makes_namespaces"]
    assert stack.up(place.claim()) == "same"
    assert "createNamespaces is false" in refused(stack, place.claim(makes_namespaces=False))
