"""The policies' rules by themselves: the many forms that need no engine to be tried."""

import base64
from typing import Any

import pytest

from policy import exposure, outputs, tables
from policy.images import is_pinned
from policy.rule import Hidden, Seen

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
    assert shown(**{name: Hidden.SECRET, "other": Hidden.UNKNOWN}) == []
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


@pytest.mark.parametrize("hidden", list(Hidden))
def test_ranges_that_are_not_known_yet_are_not_judged(hidden: Hidden) -> None:
    for ranges in (hidden, [hidden]):
        assert broken(exposure.SOURCE_RANGES, service(loadBalancerSourceRanges=ranges)) == []


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


@pytest.mark.parametrize("weight", [Hidden.UNKNOWN, None, "ten"])
def test_a_table_that_is_not_known_yet_is_not_judged(weight: Any) -> None:
    assert undeclared(BASE, web_v3=weight) == []
