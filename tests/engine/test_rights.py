"""What `ci/rights` lets the pipeline's identities do, held against RBAC on a real API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from local.paths import ROOT
from tests.harness.apiserver import ApiServer, api_server
from tests.harness.waiting import wait_until
from tests.unit.test_program import Recorder, kubernetes_objects, run_program

RIGHTS = ROOT / "ci" / "rights"
NAMESPACES = ("linkerd", "hello-world")
CONFIGS: list[dict[str, str]] = [{}, {"networkPolicies": "true"}]
"""Of stacks that are deployed by these rights, in namespaces that are given to them."""


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((RIGHTS / f"{name}.yaml").read_text()))


class Place:
    """A cluster on which an administrator has applied all of `ci/rights`."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        server.apply(*manifests("namespaces"))
        self.users = {name: server.kubeconfig_for(name) for name in ("preview", "deploy")}
        for name in self.users:
            role = f"linkerd-canary-{name}"
            server.apply(*manifests(name))
            bound = ("create", "clusterrolebinding", role, f"--clusterrole={role}")
            server.kubectl(*bound, f"--user={name}")
            for namespace in NAMESPACES:
                there = ("-n", namespace, f"--role={role}", f"--user={name}")
                server.kubectl("create", "rolebinding", role, *there)
        for name, probe in (("preview", "get"), ("deploy", "patch")):
            for namespace in NAMESPACES:
                server.wait_until_allowed(name, probe, "deployments", namespace)

    def refusal(self, user: str, *arguments: str, given: Any = None) -> str:
        """What kubectl tells a user that it is refused; empty where it is not."""
        text = None if given is None else json.dumps(given)
        try:
            self.server.kubectl(*arguments, "--kubeconfig", self.users[user], given=text)
        except RuntimeError as error:
            return str(error)
        return ""

    def applied(self, user: str, objects: list[dict[str, Any]], *more: str) -> str:
        """The refusal of a server-side apply of objects, as Pulumi's plugin makes it."""
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        return self.refusal(user, "apply", "--server-side", *more, "-f", "-", given=listed)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with api_server() as server:
        yield Place(server)


def declared(config: dict[str, str]) -> list[dict[str, Any]]:
    """The objects of a stack, those that others refer to first."""
    program: Recorder = run_program({"createNamespaces": "false", **config})
    kinds = ("CustomResourceDefinition", "Role")
    objects: list[dict[str, Any]] = [dict(one.inputs) for one in kubernetes_objects(program)]
    return sorted(objects, key=lambda each: each["kind"] not in kinds)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_deployment_may_make_all_that_a_stack_declares(
    place: Place, config: dict[str, str]
) -> None:
    objects = declared(config)
    assert {"Deployment", "DaemonSet", "Role", "RoleBinding"} <= {one["kind"] for one in objects}
    assert "Namespace" not in {one["kind"] for one in objects}
    assert place.applied("deploy", objects) == ""
    assert place.applied("deploy", objects) == "", "and change"
    for one in objects:
        where = (one["metadata"].get("namespace") or "default", one["metadata"]["name"])
        kind = f"{one['kind']}.{one['apiVersion'].partition('/')[0]}"
        kind = one["kind"] if one["apiVersion"] == "v1" else kind
        asked = ("-n", where[0], kind, where[1])
        for user in ("preview", "deploy"):
            assert place.refusal(user, "get", *asked) == "", asked
        assert "orbidden" in place.refusal("preview", "delete", *asked), asked
        if one["kind"] != "CustomResourceDefinition":
            assert place.refusal("deploy", "delete", *asked) == "", asked
    assert "orbidden" in place.applied("preview", objects[:1])


TABLES = [("linkerd", "l5d.io", "dtabs", verb) for verb in ("list", "watch")]
ENDPOINTS = [
    (namespace, "", "endpoints", verb) for namespace in NAMESPACES for verb in ("get", "watch")
]


@pytest.mark.parametrize(("namespace", "group", "resource", "verb"), [*TABLES, *ENDPOINTS])
def test_each_right_of_the_meshs_own_roles_is_needed_to_give_it(
    place: Place, namespace: str, group: str, resource: str, verb: str
) -> None:
    roles = [each for each in declared({}) if each["kind"] == "Role"]
    lacking = [_without(role, group, resource, verb) for role in manifests("deploy")]
    place.server.apply(
        *[each for each in lacking if each["metadata"].get("namespace") == namespace]
    )
    try:
        _wait_until_denied(place, verb, f"{resource}.{group}".strip("."), namespace)
        assert "attempting to grant RBAC permissions not currently held" in place.applied(
            "deploy", roles, "--dry-run=server"
        )
    finally:
        place.server.apply(*manifests("deploy"))
        place.server.wait_until_allowed("deploy", verb, f"{resource}.{group}".strip("."), namespace)
    assert place.applied("deploy", roles, "--dry-run=server") == ""


def _without(role: dict[str, Any], group: str, resource: str, verb: str) -> dict[str, Any]:
    rules = [
        {**rule, "verbs": [each for each in rule["verbs"] if each != verb]}
        if group in rule["apiGroups"] and resource in rule["resources"]
        else rule
        for rule in role["rules"]
    ]
    return {**role, "rules": [rule for rule in rules if rule["verbs"]]}


def _wait_until_denied(place: Place, verb: str, resource: str, namespace: str) -> None:
    review = ("auth", "can-i", verb, resource, "--as=deploy", "-n", namespace)
    wait_until(lambda: not place.server.succeeds(*review), f"deploy may not {verb} {resource}")


POD = {"containers": [{"name": "main", "image": "none"}]}


def privileged(kind: str, namespace: str) -> dict[str, Any]:
    """A workload by which one would be root on the nodes."""
    labels = {"app": "evil"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "evil", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {**POD, "hostNetwork": True}},
        },
    }


def rbac(kind: str, namespace: str | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": "more", **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        **more,
    }


def to_role(name: str) -> dict[str, Any]:
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"kind": "User", "name": "deploy", "apiGroup": ref["apiGroup"]}
    return {"roleRef": ref, "subjects": [subject]}


EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


@pytest.mark.parametrize(
    "given",
    [
        privileged("Deployment", "kube-system"),
        privileged("DaemonSet", "kube-system"),
        privileged("Deployment", "default"),
        rbac("ClusterRole", rules=[EVERYTHING]),
        rbac("ClusterRoleBinding", **to_role("cluster-admin")),
        rbac("RoleBinding", "linkerd", **to_role("cluster-admin")),
        rbac("RoleBinding", "hello-world", **to_role("admin")),
        rbac("RoleBinding", "kube-system", **to_role("view")),
        rbac("Role", "linkerd", rules=[EVERYTHING]),
        rbac("Role", "hello-world", rules=[SECRETS]),
        rbac("Role", "kube-system", rules=[]),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}},
    ],
)
def test_a_deployment_cannot_give_itself_more(place: Place, given: dict[str, Any]) -> None:
    assert "orbidden" in place.applied("deploy", [given])


@pytest.mark.parametrize(
    "asked",
    [
        ("label", "namespace", "linkerd", "pod-security.kubernetes.io/enforce-"),
        ("label", "namespace", "kube-system", "a=b"),
        ("delete", "namespace", "hello-world"),
        ("get", "namespaces"),
        ("get", "namespace", "default"),
        ("get", "secrets", "-n", "linkerd"),
        ("get", "secrets", "-n", "kube-system"),
        ("get", "pods", "-n", "kube-system"),
        ("delete", "crd", "dtabs.l5d.io"),
        ("get", "nodes"),
        ("get", "configmaps", "--as=system:admin"),
        ("get", "--raw", "/api/v1/namespaces/kube-system/pods/a/proxy/"),
        ("get", "--raw", "/api/v1/namespaces/hello-world/pods/a/proxy/"),
        ("get", "--raw", "/api/v1/namespaces/linkerd/services/other:http/proxy/"),
        ("create", "token", "namerd", "-n", "linkerd"),
    ],
)
@pytest.mark.parametrize("user", ["preview", "deploy"])
def test_what_neither_identity_may(place: Place, user: str, asked: tuple[str, ...]) -> None:
    assert "orbidden" in place.refusal(user, *asked)


@pytest.mark.parametrize("user", ["preview", "deploy"])
def test_the_admin_ports_that_both_ask(place: Place, user: str) -> None:
    """They are allowed to; there is nothing behind it here."""
    for path in ("services/namerd:admin", "pods/l5d-1"):
        said = place.refusal(user, "get", "--raw", f"/api/v1/namespaces/linkerd/{path}/proxy/")
        assert "orbidden" not in said
        assert "not found" in said or "NotFound" in said or "unable" in said, said


LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "canary-world", "namespace": "linkerd"},
}


def test_a_deployment_may_hold_the_lease_of_a_rollout(place: Place) -> None:
    lease = ("lease", "canary-world", "-n", "linkerd")
    made = ("create", "-f", "-")
    assert "orbidden" in place.refusal("preview", *made, given=LEASE)
    assert place.refusal("deploy", *made, given=LEASE) == ""
    assert place.refusal("deploy", "get", *lease) == ""
    assert place.refusal("deploy", "replace", "-f", "-", given=LEASE) == ""
    for user, asked in (
        ("deploy", ("delete", *lease)),
        ("deploy", ("get", "leases", "-n", "linkerd")),
        ("deploy", ("get", "lease", "canary-world", "-n", "hello-world")),
        ("deploy", ("get", "lease", "kube-scheduler", "-n", "kube-system")),
        ("preview", ("get", *lease)),
    ):
        assert "orbidden" in place.refusal(user, *asked), asked


def test_a_deployment_may_look_at_what_a_rollout_judges(place: Place) -> None:
    for namespace in NAMESPACES:
        assert place.refusal("deploy", "get", "--raw", f"/api/v1/namespaces/{namespace}/pods") == ""
        said = place.refusal("deploy", "get", "endpoints", "world-v2", "-n", namespace)
        assert "orbidden" not in said
        assert "not found" in said, said


@pytest.mark.parametrize("user", ["preview", "deploy"])
@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_given_secret_is_all_that_is_read_with_it(
    place: Place, user: str, namespace: str
) -> None:
    roles = manifests("tls-secret")
    assert {(one["metadata"]["name"], one["metadata"]["namespace"]) for one in roles} == {
        (f"linkerd-canary-{user}-tls-secret", namespace)
        for user in ("preview", "deploy")
        for namespace in NAMESPACES
    }
    place.server.apply(*roles)
    name, role, where = (
        "linkerd-certificates",
        f"linkerd-canary-{user}-tls-secret",
        ("-n", namespace),
    )
    for each in (name, "another"):
        secret = {"apiVersion": "v1", "kind": "Secret"}
        place.server.apply({**secret, "metadata": {"name": each, "namespace": namespace}})
    place.server.kubectl("create", "rolebinding", role, *where, f"--role={role}", f"--user={user}")
    try:
        read = ("get", "secret", name, *where)
        wait_until(lambda: not place.refusal(user, *read), f"{user} may get {namespace}/{name}")
        assert "orbidden" in place.refusal(user, "get", "secret", "another", *where)
        assert "orbidden" in place.refusal(user, "get", "secrets", *where)
        assert "orbidden" in place.refusal(user, "delete", "secret", name, *where)
    finally:
        place.server.kubectl("delete", "rolebinding", role, *where)


def test_a_stack_with_a_given_secret_declares_none() -> None:
    program = run_program({"meshTls": "mutual", "meshTlsSecret": "linkerd-certificates"})
    assert not [one for one in kubernetes_objects(program) if one.inputs["kind"] == "Secret"]


def test_secrets_come_with_tls_alone(place: Place) -> None:
    roles = manifests("tls")
    assert {(one["metadata"]["name"], one["metadata"]["namespace"]) for one in roles} == {
        (f"linkerd-canary-{user}-tls", namespace)
        for user in ("preview", "deploy")
        for namespace in NAMESPACES
    }
    place.server.apply(*roles)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "l5d-tls-0", "namespace": "linkerd"},
    }
    assert "orbidden" in place.applied("deploy", [secret])
    for user in ("preview", "deploy"):
        name = f"linkerd-canary-{user}-tls"
        bound = ("create", "rolebinding", name, "-n", "linkerd", f"--role={name}")
        place.server.kubectl(*bound, f"--user={user}")
        place.server.wait_until_allowed(user, "get", "secrets", "linkerd")
    try:
        assert place.applied("deploy", [secret]) == ""
        assert place.refusal("preview", "get", "secret", "l5d-tls-0", "-n", "linkerd") == ""
        assert "orbidden" in place.refusal("preview", "get", "secrets", "-n", "linkerd")
        assert "orbidden" in place.applied("preview", [secret])
        assert "orbidden" in place.refusal("deploy", "get", "secrets", "-n", "hello-world")
        assert place.refusal("deploy", "delete", "secret", "l5d-tls-0", "-n", "linkerd") == ""
    finally:
        for user in ("preview", "deploy"):
            place.server.kubectl(
                "delete", "rolebinding", f"linkerd-canary-{user}-tls", "-n", "linkerd"
            )


def test_the_config_of_sidecars_is_within_their_rights(place: Place) -> None:
    """By a user who has these alone: the others are held against what they may without."""
    role = "linkerd-canary-deploy-sidecars"
    place.users[role] = place.server.kubeconfig_for(role)
    place.server.apply(*manifests("sidecars"))
    there = ("-n", "hello-world", f"--role={role}", f"--user={role}")
    place.server.kubectl("create", "rolebinding", role, *there)
    place.server.wait_until_allowed(role, "patch", "configmaps", "hello-world")
    program = run_program({"meshTopology": "sidecar", "createNamespaces": "false"})
    configs = [
        {"apiVersion": "v1", "kind": "ConfigMap", **one.inputs}
        for one in kubernetes_objects(program)
        if one.name.startswith("l5d-config-")
    ]
    assert len(configs) == 3
    assert place.applied(role, configs) == ""
    for each in configs:
        name = each["metadata"]["name"]
        assert place.refusal(role, "delete", "configmap", name, "-n", "hello-world") == ""
