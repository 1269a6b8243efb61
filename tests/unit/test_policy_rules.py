"""The policies' rules by themselves: the many forms that need no engine to be tried."""

import base64
import datetime
from typing import Any

import pytest

from policy import aks, exposure, outputs, tables
from policy.hardening import HARDENED_PODS, NO_HOST_PORTS
from policy.images import PINNED_IMAGES, is_pinned
from policy.rights import TABLE_RIGHTS
from policy.rule import Secret, Seen, Unknown

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlLW9m"
KUBECONFIG = "apiVersion: v1\nclusters: []\nkind: Config\n"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\n"


def service(stack: str = "prod", annotations: Any = None, **spec: Any) -> Seen:
    """A public load balancer."""
    properties = {
        "metadata": {"name": "web", "annotations": annotations or {}},
        "spec": {"type": "LoadBalancer", **spec},
    }
    return Seen(f"urn:pulumi:{stack}::shop::type::web", "kubernetes:core/v1:Service", properties)


def broken(rule: Any, seen: Seen, **options: Any) -> list[str]:
    return list(rule.violations(seen, options))


def shown(**values: Any) -> list[str]:
    """The names of outputs that a stack gives credentials away by."""
    root = Seen("urn:pulumi:prod::shop::pulumi:pulumi:Stack::shop", "pulumi:pulumi:Stack", values)
    lines = [line for _, line in outputs.SECRET_OUTPUTS.violations([root], {})]
    return [line.split("'")[1] for line in lines]


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("web", False),
        ("web:latest", False),
        ("web:1", True),
        ("registry:5000/web", False),
        ("registry:5000/web:1", True),
        ("registry:5000/team/web:latest", False),
        (f"web@sha256:{'0' * 64}", True),
        (f"web:latest@sha256:{'0' * 64}", True),
        ("", False),
    ],
)
def test_pinned_images(image: str, pinned: bool) -> None:
    assert is_pinned(image) is pinned


@pytest.mark.parametrize(
    "value",
    [
        KUBECONFIG,
        '{"kind": "Config", "clusters": []}',
        base64.b64encode(KUBECONFIG.encode()).decode(),
        {"clusters": [], "users": []},
        PEM,
        base64.b64encode(PEM.encode()).decode(),
        [{"deep": [PEM]}],
        f"Bearer {TOKEN}",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc==",
    ],
)
def test_what_a_credential_looks_like(value: Any) -> None:
    assert shown(harmless=value) == ["harmless"]


@pytest.mark.parametrize(
    "name",
    ["kubeconfig", "kube_config", "adminPassword", "clientKey", "storageAccountKeys", "token"],
)
def test_what_a_credential_is_called(name: str) -> None:
    assert shown(**{name: "abc"}) == [name]
    assert shown(**{name: ""}) == []
    assert shown(**{name: Secret("abc"), "other": Unknown()}) == []
    assert shown(outer={name: ["abc"]}) == ["outer"]


def test_what_is_no_credential() -> None:
    assert shown(publicKey="ssh-ed25519 AAAA", tokenEndpoint="http://a", url="http://a", n=3) == []
    assert shown(kind="Config map of the clusters") == []


@pytest.mark.parametrize("stack", ["dev", "local"])
def test_stacks_for_development_may_be_open(stack: str) -> None:
    assert broken(exposure.SOURCE_RANGES, service(stack)) == []
    assert broken(exposure.SOURCE_RANGES, service(stack), devStacks=["test"]) != []


@pytest.mark.parametrize("everything", ["0.0.0.0/0", "::/0", "10.0.0.0/0"])
def test_an_address_range_that_is_everything(everything: str) -> None:
    ranges = ["203.0.113.0/24", everything]
    (line,) = broken(exposure.SOURCE_RANGES, service(loadBalancerSourceRanges=ranges))
    assert everything in line


def test_ranges_that_are_not_known_yet_are_not_judged() -> None:
    for ranges in (Unknown(), [Unknown()]):
        assert broken(exposure.SOURCE_RANGES, service(loadBalancerSourceRanges=ranges)) == []


def test_secret_ranges_are_judged_and_not_shown() -> None:
    for ranges in (Secret(["203.0.113.0/24"]), [Secret("203.0.113.0/24")]):
        assert broken(exposure.SOURCE_RANGES, service(loadBalancerSourceRanges=ranges)) == []
    for ranges in (Secret(["0.0.0.0/0"]), [Secret("0.0.0.0/0")]):
        (line,) = broken(exposure.SOURCE_RANGES, service(loadBalancerSourceRanges=ranges))
        assert "lets every address in, by [secret]" in line


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ({"name": "main", "image": Secret("busybox")}, "main runs the image [secret], which may"),
        (Secret({"name": "main", "image": "busybox"}), "[secret] runs the image [secret], which"),
        (Secret({"name": "main", "image": "busybox:1"}), None),
        ({"name": "main", "image": Unknown()}, None),
        (Unknown(), None),
    ],
)
def test_secret_images_are_judged_and_not_shown(container: Any, said: str | None) -> None:
    lines = broken(PINNED_IMAGES, pod({"containers": [container]}))
    assert [said in line for line in lines if said] == ([True] if said else [])
    of_a_secret = broken(PINNED_IMAGES, pod(Secret({"containers": [container]})))
    assert ["[secret] runs the image [secret]" in line for line in of_a_secret] == [True] * len(
        lines
    )
    assert "busybox" not in f"{lines}{of_a_secret}"


def pod(spec: Any) -> Seen:
    return Seen("urn:pulumi:prod::p::t::n", "kubernetes:core/v1:Pod", {"spec": spec})


@pytest.mark.parametrize(
    ("version", "plan", "since"),
    [
        ("1.25", None, "2025-03-31"),
        ("v1.30.4", None, "2025-08-22"),
        ("1.30", "KubernetesOfficial", "2025-08-22"),
        ("1.30", "AKSLongTermSupport", "2026-07-31"),
        ("1.29", "AKSLongTermSupport", "2026-04-30"),
        ("1.25", "AKSLongTermSupport", "2026-04-30"),
        ("9.0", None, None),
    ],
)
def test_the_end_of_a_versions_support(version: str, plan: Any, since: str | None) -> None:
    lines = broken(aks.SUPPORTED_KUBERNETES, cluster(version, plan))
    assert [line.split("since ")[1][:10] for line in lines] == ([since] if since else [])


def test_another_calendar_goes_before_the_packs_own() -> None:
    later, sooner = {"1.30": "2999-12-31"}, {"9.0": "2020-01-31"}
    assert broken(aks.SUPPORTED_KUBERNETES, cluster("1.30"), endOfSupport=later) == []
    (line,) = broken(aks.SUPPORTED_KUBERNETES, cluster("9.0"), endOfSupport=sooner)
    assert line.startswith("Kubernetes 9.0 has been out of support since 2020-01-31")


def test_the_calendar_is_a_calendar() -> None:
    minors = [int(minor.removeprefix("1.")) for minor in aks.END_OF_SUPPORT]
    assert minors == list(range(minors[0], minors[0] + len(minors))), "none is left out"
    days = [day for pair in aks.END_OF_SUPPORT.values() for day in pair]
    assert days == [datetime.date.fromisoformat(day).isoformat() for day in days]
    assert all(community < long_term for community, long_term in aks.END_OF_SUPPORT.values())


def cluster(version: str, plan: str | None = None) -> Seen:
    properties = {"kubernetesVersion": version, "supportPlan": plan}
    type_ = "azure-native:containerservice:ManagedCluster"
    return Seen("urn:pulumi:prod::shop::t::c", type_, properties)


@pytest.mark.parametrize(
    "annotations",
    [
        {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"},
        {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"},
        {"networking.gke.io/load-balancer-type": "Internal"},
        {"service.beta.kubernetes.io/load-balancer-source-ranges": "203.0.113.0/24, 10.0.0.0/8"},
    ],
)
def test_annotations_that_close_a_load_balancer(annotations: dict[str, str]) -> None:
    assert broken(exposure.SOURCE_RANGES, service(annotations=annotations)) == []


@pytest.mark.parametrize("spec", [None, [], "text", {"ports": "text"}, {"ports": [None]}])
def test_what_has_an_odd_shape_is_nobodys_fault(spec: Any) -> None:
    seen = Seen("urn:pulumi:prod::p::t::n", "kubernetes:core/v1:Service", {"spec": spec})
    for rule in (exposure.PRIVATE_ADMIN, exposure.SOURCE_RANGES):
        assert broken(rule, seen) == []


DECLARED = {("shop", "web-v1"): {"http"}, ("shop", "web-v2"): None}
BASE = ["/srv => /#/io.l5d.k8s/shop/http", "/host => /srv"]


def undeclared(dentries: list[str], **weights: Any) -> list[str]:
    """Why a table is refused whose split is of these services."""
    branches = {f"/srv/{name.replace('_', '-')}": weight for name, weight in weights.items()}
    properties = {"dentries": dentries, "splits": {"/host/web": branches} if branches else {}}
    return list(tables.table_violations(properties, DECLARED))


def test_branches_of_declared_services() -> None:
    assert undeclared(BASE, web_v1=60.0, web_v2=40.0) == []
    assert undeclared(BASE, web_v1=100.0, web_v3=0.0) == []
    (line,) = undeclared(BASE, web_v1=60.0, web_v3=40.0)
    assert "/srv/web-v3" in line


def test_a_base_table_may_leave_the_end_to_the_request() -> None:
    assert undeclared(["/svc => /host", *BASE]) == []
    assert undeclared(["/svc/* => /#/io.l5d.k8s/shop/http/web-v1"]) == []
    (line,) = undeclared(["/svc/* => /#/io.l5d.k8s/shop/http/web-v7"])
    assert "/svc/* has the branch /#/io.l5d.k8s/shop/http/web-v7" in line


def test_an_earlier_entry_catches_what_a_later_one_drops() -> None:
    (line,) = undeclared([*BASE, "/srv/web-v1 => /#/io.l5d.k8s/gone/http/web"], web_v1=100.0)
    assert line.startswith("/srv/web-v1 has the branch /#/io.l5d.k8s/gone/http/web"), (
        "not the split"
    )


def test_other_ends_are_not_judged() -> None:
    entries = ["/srv/web-v1 => /$/inet/127.0.0.1/80", "/srv/web-v3 => /#/io.l5d.consul/dc/web"]
    assert undeclared(entries, web_v1=60.0, web_v3=40.0) == []
    assert undeclared(["/svc => ! | ~ | $"]) == []


def test_a_table_that_goes_round_in_circles_ends() -> None:
    circle = ["/srv => /host & /tmp", "/tmp => /srv & /srv/more", "/host => /tmp/x & /srv/y"]
    (line,) = undeclared(circle, web_v1=100.0)
    assert "no entry of the table takes it any further" in line


@pytest.mark.parametrize(("weight", "lines"), [(0.5, 1), (0.01, 1), (0.0, 0)])
def test_a_branch_of_less_than_a_percent_is_judged(weight: float, lines: int) -> None:
    assert len(undeclared(BASE, web_v1=100 - weight, web_v3=weight)) == lines


@pytest.mark.parametrize("weight", [Unknown(), Secret(10.0), None, "ten"])
def test_a_table_that_is_not_known_yet_is_not_judged(weight: Any) -> None:
    assert undeclared(BASE, web_v3=weight) == []


def on_a_stack(*services: Any) -> list[str]:
    """Why a table is refused that leads to `web-v3`, beside services of this metadata and ports."""
    stack = [
        Seen("urn", "kubernetes:core/v1:Service", {"metadata": metadata, "spec": {"ports": ports}})
        for metadata, ports in services
    ]
    table = {"dentries": BASE, "splits": {"/host/web": {"/srv/web-v3": 100.0}}}
    stack.append(Seen("urn", tables.DTAB, table))
    return [line for _, line in tables.DECLARED_BRANCHES.violations(stack, {})]


def test_a_service_whose_name_is_not_known_yet_may_be_any() -> None:
    known = ({"name": "web-v1", "namespace": "shop"}, [{"name": "http"}])
    assert len(on_a_stack(known)) == 1
    assert on_a_stack(known, ({"name": Unknown(), "namespace": "shop"}, [])) == []
    assert on_a_stack(known, (Unknown(), [])) == []


@pytest.mark.parametrize("ports", [Unknown(), [Unknown()], [{"name": Unknown()}], [{}]])
def test_a_port_whose_name_is_not_known_yet_may_be_any(ports: Any) -> None:
    lines = on_a_stack(({"name": "web-v3", "namespace": "shop"}, ports))
    assert len(lines) == (1 if ports == [{}] else 0)


HALVES = ["0.0.0.0/1", "128.0.0.0/1"]


def test_ranges_that_are_everything_together() -> None:
    (line,) = broken(exposure.SOURCE_RANGES, service(loadBalancerSourceRanges=HALVES))
    assert "lets every address in, by 0.0.0.0/1 and 128.0.0.0/1: " in line
    assert broken(exposure.SOURCE_RANGES, service(loadBalancerSourceRanges=HALVES[:1])) == []
    open_ = {"apiServerAccessProfile": {"authorizedIPRanges": HALVES}, "kubernetesVersion": "9.1"}
    assert "by 0.0.0.0/1 and 128.0.0.0/1" in "".join(broken(aks.CLOSED_API_SERVER, aks_with(open_)))


def aks_with(properties: Any) -> Seen:
    type_ = "azure-native:containerservice:ManagedCluster"
    return Seen(f"urn:pulumi:prod::p::{type_}::cluster", type_, properties)


@pytest.mark.parametrize(
    "spec",
    [
        {"type": Secret("LoadBalancer"), "ports": [{"port": Secret(9991.0)}]},
        {"type": "NodePort", "ports": Secret([{"port": 9991.0}])},
        {"type": "LoadBalancer", "selector": Secret({"app": "namerd"}), "ports": [{"port": 80.0}]},
    ],
)
def test_secret_services_are_judged_and_not_shown(spec: Any) -> None:
    for given in (spec, Secret(spec)):
        properties = {"metadata": {"name": "s"}, "spec": given}
        type_ = "kubernetes:core/v1:Service"
        seen = Seen(f"urn:pulumi:prod::p::{type_}::s", type_, properties)
        (line,) = broken(exposure.PRIVATE_ADMIN, seen)
        assert "9991" not in line


HARDENED: dict[str, Any] = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


ADDED = "capabilities.add: [NET_BIND_SERVICE] at most"
LIMITED: dict[str, Any] = {"limits": {"memory": "64Mi"}}


def main(context: Any = HARDENED, resources: Any = LIMITED) -> dict[str, Any]:
    """A container, hardened where nothing else is said."""
    return {"name": "main", "securityContext": context, "resources": resources}


def hardening(container: Any, **spec: Any) -> list[str]:
    return broken(HARDENED_PODS, pod({"containers": [container], **spec}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"runAsNonRoot": None}, "runAsNonRoot: true"),
        ({"runAsUser": 0.0}, "runAsUser to another one than 0"),
        ({"runAsUser": 65532.0}, None),
        ({"readOnlyRootFilesystem": False}, "readOnlyRootFilesystem: true"),
        ({"allowPrivilegeEscalation": None}, "allowPrivilegeEscalation: false"),
        ({"privileged": True}, "privileged: false"),
        ({"capabilities": {"drop": ["NET_RAW"]}}, "capabilities.drop: [ALL]"),
        ({"capabilities": None}, "capabilities.drop: [ALL]"),
        ({"seccompProfile": {"type": "Unconfined"}}, "seccompProfile.type: RuntimeDefault"),
        ({"seccompProfile": {"type": "Localhost"}}, None),
        ({"runAsNonRoot": Unknown(), "capabilities": Unknown(), "seccompProfile": Unknown()}, None),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}, None),
        ({"capabilities": {"drop": ["ALL"], "add": Unknown()}}, None),
        ({"capabilities": {"drop": ["ALL"], "add": [Unknown()]}}, None),
        ({"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}, ADDED),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "NET_ADMIN"]}}, ADDED),
        ({"capabilities": {"drop": ["ALL"], "add": Secret(["SYS_ADMIN"])}}, ADDED),
        ({"procMount": "Unmasked"}, "procMount: Default"),
        ({"procMount": "Default"}, None),
        ({"procMount": Unknown()}, None),
    ],
)
def test_each_setting_of_a_hardened_container(change: Any, said: str | None) -> None:
    lines = hardening(main({**HARDENED, **change}))
    assert lines == ([f"container main is not hardened: set {said}"] if said else [])


@pytest.mark.parametrize(
    ("own", "of_the_pod", "is_limited"),
    [
        (LIMITED, None, True),
        ({"limits": {"memory": 67108864.0}}, None, True),
        ({"limits": {"memory": Unknown()}}, None, True),
        (Secret(LIMITED), None, True),
        (None, LIMITED, True),
        (None, None, False),
        ({"requests": {"memory": "64Mi"}, "limits": {"cpu": "1"}}, None, False),
        ({"limits": {"memory": "0"}}, None, False),
    ],
)
def test_a_container_has_a_memory_limit(own: Any, of_the_pod: Any, is_limited: bool) -> None:
    lines = hardening(main(resources=own), resources=of_the_pod)
    said = "container main is not hardened: set resources.limits.memory"
    assert lines == ([] if is_limited else [said])


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"hostPID": True}, "its pods share the node's processes"),
        ({"hostIPC": True}, "its pods share the shared memory of the node's processes"),
        ({"hostPID": Secret(value=True)}, "its pods share the node's processes"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "its volume v is a part of the"),
        ({"volumes": Secret([{"name": "v", "hostPath": {"path": "/"}}])}, "its volume [secret] is"),
        ({"hostPID": False, "hostIPC": Unknown()}, None),
        ({"volumes": [{"name": "v", "emptyDir": {}}, Unknown()]}, None),
        ({"volumes": [{"name": "v", "hostPath": Unknown()}]}, None),
    ],
)
def test_what_pods_share_with_their_node(spec: Any, said: str | None) -> None:
    lines = hardening(main(), **spec)
    assert [line.startswith(str(said)) for line in lines] == ([True] if said else [])


@pytest.mark.parametrize("kind", ["Pod", "PodPatch", "apps/v1:DeploymentPatch"])
def test_a_patch_is_judged_as_the_object_that_it_makes(kind: str) -> None:
    type_ = f"kubernetes:{kind if ':' in kind else f'core/v1:{kind}'}"
    assert HARDENED_PODS.types(type_)
    spec: Any = {"containers": [main(context=None)], "hostNetwork": True}
    spec = spec if "Pod" in kind else {"template": {"spec": spec}}
    seen = Seen("urn", type_, {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
    assert len(broken(HARDENED_PODS, seen)) == 1
    assert broken(HARDENED_PODS, seen, exempt=["shop/web"]) == []
    assert len(broken(NO_HOST_PORTS, seen)) == 1


def test_a_patched_service_and_ingress_are_judged_too() -> None:
    whole = service(ports=[{"port": 9991.0}])
    patch = Seen(whole.urn, f"{whole.type}Patch", whole.properties)
    for rule in (exposure.PRIVATE_ADMIN, exposure.SOURCE_RANGES):
        assert rule.types(patch.type)
        assert broken(rule, patch) == broken(rule, whole) != []
    backend = {"service": {"name": "namerd", "port": {"number": 4180.0}}}
    type_ = "kubernetes:networking.k8s.io/v1:IngressPatch"
    ingress = Seen("urn", type_, {"spec": {"defaultBackend": backend}})
    assert exposure.PRIVATE_ADMIN.types(type_)
    assert len(broken(exposure.PRIVATE_ADMIN, ingress)) == 1


def test_a_container_has_what_its_pod_sets_for_all() -> None:
    for_all = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    own = {key: value for key, value in HARDENED.items() if key not in for_all}
    assert hardening(main(own), securityContext=for_all) == []
    (line,) = hardening(main({**own, "runAsNonRoot": False}), securityContext=for_all)
    assert line.endswith("set runAsNonRoot: true")
    assert hardening(main(own), securityContext={}) != []


def test_secret_containers_are_judged_and_not_shown() -> None:
    (line,) = hardening(Secret(main({})))
    assert line.startswith("container [secret] is not hardened")
    assert hardening(Secret(main())) == []
    assert hardening(Unknown()) == []


@pytest.mark.parametrize(
    ("spec", "lines"),
    [
        ({"containers": [{"name": "a", "ports": [{"containerPort": 80.0}]}]}, 0),
        ({"containers": [{"name": "a", "ports": [{"hostPort": 0.0}]}]}, 0),
        ({"containers": [{"name": "a", "ports": [{"hostPort": 80.0}, {"hostPort": 81.0}]}]}, 2),
        ({"initContainers": [{"name": "a", "ports": [{"hostPort": 80.0}]}]}, 1),
        ({"containers": [{"name": "a", "ports": Unknown()}]}, 0),
        ({"hostNetwork": True, "containers": [{"name": "a", "ports": [{"hostPort": 80.0}]}]}, 1),
        ({"hostNetwork": False}, 0),
    ],
)
def test_ports_of_the_node(spec: Any, lines: int) -> None:
    assert len(broken(NO_HOST_PORTS, pod(spec))) == lines


RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"


def right(kind: str = "Role", **rule: Any) -> Seen:
    rules = [{"apiGroups": ["l5d.io"], "resources": ["dtabs"], "verbs": ["update"], **rule}]
    metadata = {"name": "writer", **({"namespace": "linkerd"} if kind == "Role" else {})}
    return Seen("role", f"{RBAC}{kind}", {"metadata": metadata, "rules": rules})


def given_to(*subjects: Any, kind: str = "Role", name: str = "writer") -> Seen:
    properties = {
        "metadata": {"name": "binding", "namespace": "linkerd"},
        "roleRef": {"kind": kind, "name": name},
        "subjects": list(subjects),
    }
    return Seen("binding", f"{RBAC}RoleBinding", properties)


def account(name: str, namespace: str = "linkerd") -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def too_wide(*stack: Seen, **options: Any) -> list[str]:
    return [seen.urn for seen, _ in TABLE_RIGHTS.violations(stack, options)]


def said_of(*stack: Seen, **options: Any) -> list[str]:
    return [line for _, line in TABLE_RIGHTS.violations(stack, options)]


OF_ROLES = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]}
OF_ACCOUNTS = {"apiGroups": [""], "resources": ["serviceaccounts"]}


@pytest.mark.parametrize(
    ("subject", "urns"),
    [
        (account("namerd"), ["binding"]),
        (account("operator", "ops"), []),
        (account("operator"), ["binding"]),
        (account("web"), ["binding"]),
        ({"kind": "Group", "name": "system:authenticated"}, ["binding"]),
        ({"kind": "User", "name": "namerd", "namespace": "linkerd"}, ["binding"]),
        (Unknown(), []),
    ],
)
def test_whom_a_role_lets_write_tables(subject: Any, urns: list[str]) -> None:
    writer = account("operator", "ops")
    options = {"writers": ["ops/operator"]}
    assert too_wide(right(), given_to(subject), **options) == urns
    assert too_wide(right(), given_to(writer, subject), **options) == urns
    assert too_wide(right(), given_to(subject, name="another"), **options) == []


@pytest.mark.parametrize(
    ("rule", "writes"),
    [
        ({"verbs": ["get", "list", "watch"]}, False),
        ({"verbs": ["*"]}, True),
        ({"verbs": ["deletecollection"]}, True),
        ({"resources": ["*"], "apiGroups": ["*"]}, True),
        ({"resources": ["*"], "apiGroups": ["apps"]}, False),
        ({"resources": ["deployments"]}, False),
        ({"verbs": Unknown()}, False),
        ({"resources": [Secret("dtabs")]}, True),
    ],
)
def test_what_writes_tables(rule: Any, writes: bool) -> None:
    assert too_wide(right(**rule), given_to(account("web"))) == ["binding"] * writes
    assert too_wide(right("ClusterRole", **rule)) == ["role"] * writes


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ({"apiGroups": [""], "resources": ["endpoints"]}, "write endpoints"),
        ({"apiGroups": [""], "resources": ["endpoints"], "verbs": ["*"]}, "write endpoints"),
        ({"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "watch"]}, None),
        ({**OF_ROLES, "verbs": ["bind"]}, "give itself any right (bind, escalate)"),
        ({**OF_ROLES, "verbs": ["escalate"]}, "give itself any right (bind, escalate)"),
        ({**OF_ROLES, "verbs": ["*"]}, "give itself any right (bind, escalate)"),
        ({**OF_ROLES, "verbs": ["create", "patch"]}, None),
        ({**OF_ACCOUNTS, "verbs": ["impersonate"]}, "act as others (impersonate)"),
        ({**OF_ACCOUNTS, "verbs": ["create"]}, None),
    ],
)
def test_other_ways_to_decide_where_traffic_goes(rule: Any, what: str | None) -> None:
    lines = said_of(right(**rule), given_to(account("web")))
    in_all = said_of(right("ClusterRole", **rule))
    if what is None:
        assert (lines, in_all) == ([], [])
        return
    (line,), (of_all,) = lines, in_all
    assert line.startswith(f"it lets ServiceAccount web {what} in linkerd: the mesh's own accounts")
    assert of_all.startswith(f"it lets whoever has it {what} in all namespaces: use a Role; ")


def test_all_that_a_role_gives_is_one_line() -> None:
    every = right(apiGroups=["*"], resources=["*"], verbs=["*"])
    (line,) = said_of(every, given_to(account("web")))
    assert "write routing tables and write endpoints and give itself any right" in line
    (left,) = said_of(every, given_to(account("web")), writers=["linkerd/web"])
    assert left.startswith("it lets ServiceAccount web give itself any right (bind, escalate) and ")


def test_a_patched_role_is_judged_too() -> None:
    role, binding = right(), given_to(account("web"))
    role = Seen(role.urn, f"{role.type}Patch", role.properties)
    binding = Seen(binding.urn, f"{binding.type}Patch", binding.properties)
    assert too_wide(role, binding) == ["binding"]


def test_service_accounts_that_may_write_tables_too() -> None:
    stack = (right(), given_to(account("operator", "ops")))
    assert too_wide(*stack) == ["binding"]
    assert too_wide(*stack, writers=["ops/operator"]) == []


def test_every_right_is_too_much() -> None:
    binding = given_to(account("namerd"), kind="ClusterRole", name="cluster-admin")
    assert too_wide(binding, writers=["linkerd/namerd"]) == ["binding"]
