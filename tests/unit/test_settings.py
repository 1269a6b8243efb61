"""settings: every wrong value is one line naming the key, the value and what is allowed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

import settings
from settings import foreign
from settings.errors import quoted

A_PERCENT = "a percent from 0 to 100 with at most two decimals, such as 10 or 0.5"
BAD_IMAGES = [
    "two words",
    "Buoyantio/linkerd:1.7.5",
    "buoyantio/Linkerd:1.7.5",
    "registry.example/a//b:1",
    "/linkerd:1",
    "buoyantio/linkerd/",
    "buoyantio/linkerd:",
    "buoyantio/linkerd:1:2",
    "buoyantio/linkerd:-1",
    "buoyantio/linkerd:" + "1" * 129,
    "-a/b",
    "a..b/c",
    "a/b_",
    "a___b",
    "https://registry.example/a:1",
    "registry.example:port/a",
    "registry.example:0/a",
    "registry.example:65536/a",
    "registry_1.example:5000/a",
    "name@sha256:" + "0" * 63,
    "name@sha256:" + "A" * 64,
    "name@md5:" + "0" * 32,
    "0" * 64,
    "a" * 256,
    "名:1",
]
ROOT = Path(__file__).parents[2]


def project_config() -> dict[str, dict[str, object]]:
    declared: dict[str, dict[str, object]] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())[
        "config"
    ]
    return declared


def defaults() -> dict[str, str]:
    """The declared defaults as the engine hands them to the program."""
    return {
        key: entry["default"] if isinstance(entry["default"], str) else json.dumps(entry["default"])
        for key, entry in project_config().items()
    }


def test_the_declared_defaults_are_accepted() -> None:
    parsed = settings.parse(defaults())
    assert parsed.canary_weight == 0
    assert parsed.mesh_namespace == "linkerd"
    assert parsed.apps_namespace == "hello-world"
    assert parsed.replicas == 3
    assert (parsed.linkerd_heap_mb, parsed.linkerd_memory_mb) == (256, 512)
    assert (parsed.total_timeout_ms, parsed.max_connections) == (10_000, 16)
    assert parsed.namerd_replicas == 2
    assert parsed.exposure == "LoadBalancer"
    assert parsed.source_ranges == ()
    assert not parsed.adopt_existing
    assert parsed.entry.name == "hello"


def test_every_declared_key_has_type_default_and_description() -> None:
    for key, entry in project_config().items():
        typed = set() if key in ("canaryWeight", "maxWeightStep") else {"type"}
        assert set(entry) - {"items"} == {"default", "description", *typed}, key


def test_an_unknown_key_is_named_with_the_way_to_remove_it() -> None:
    with pytest.raises(settings.SettingsError, match=r"'canaryWieght' is not one .*config rm"):
        settings.parse({**defaults(), "canaryWieght": "10"})


def test_a_key_that_is_gone_is_said_to_be_gone() -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), "hostPort": "4240"})
    assert str(raised.value) == (
        "config hostPort is gone: services reach the linkerd of their node by the service "
        "l5d-node; remove it with `pulumi config rm hostPort`"
    )


def test_linkerd_needs_more_memory_than_its_heap() -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), "linkerdHeapMb": "313"})
    assert str(raised.value) == (
        "config linkerdMemoryMb is 512, and linkerdHeapMb is 313: it must be at least 200 above "
        "the heap, so 513"
    )
    settings.parse({**defaults(), "linkerdHeapMb": "312"})


def test_a_missing_key_is_named() -> None:
    config = defaults()
    del config["replicas"]
    with pytest.raises(settings.SettingsError, match="config replicas is missing"):
        settings.parse(config)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("canaryWeight", "-1", A_PERCENT),
        ("canaryWeight", "101", A_PERCENT),
        ("canaryWeight", "100.01", A_PERCENT),
        ("canaryWeight", "10.555", A_PERCENT),
        ("canaryWeight", "10.", A_PERCENT),
        ("canaryWeight", ".5", A_PERCENT),
        ("canaryWeight", "0,5", A_PERCENT),
        ("canaryWeight", "0.5 %", A_PERCENT),
        ("canaryWeight", "ten", A_PERCENT),
        ("canaryWeight", "nan", A_PERCENT),
        ("canaryWeight", "inf", A_PERCENT),
        ("canaryWeight", "1e1", A_PERCENT),
        ("canaryWeight", "", A_PERCENT),
        ("canaryWeight", "true", A_PERCENT),
        ("canaryWeight", "[10]", A_PERCENT),
        ("canaryWeight", "9" * 400, A_PERCENT),
        ("canaryWeight", "٣", A_PERCENT),
        ("maxWeightStep", "0", "a percent from 0.01 to 100 with at most two decimals"),
        ("maxWeightStep", "0.001", "a percent from 0.01 to 100 with at most two decimals"),
        ("replicas", "0", "a whole number from 1 to 100"),
        ("totalTimeoutMs", "-1", "a whole number from 0 to 86400000"),
        ("totalTimeoutMs", "10s", "a whole number from 0 to 86400000"),
        ("maxConnections", "0", "a whole number from 1 to 10000"),
        ("linkerdHeapMb", "47", "a whole number from 48 to 65536"),
        ("linkerdMemoryMb", "512Mi", "a whole number from 248 to 131072"),
        ("namerdReplicas", "0", "a whole number from 1 to 9"),
        ("adoptExisting", "yes", "true or false"),
        ("platform", "gke", "kubeconfig"),
        ("exposure", "loadbalancer", "LoadBalancer or NodePort or ClusterIP"),
        ("meshNamespace", "Linkerd", "a Kubernetes name"),
        ("networkPolicies", "yes", "auto or true or false"),
        ("createNamespaces", "no", "true or false"),
        ("noProxy", '["*"]', "'*' is no host such as example.com"),
        ("noProxy", '["a,b"]', "'a,b' is no host such as example.com"),
        ("noProxy", '["http://a"]', "is no host such as example.com"),
        ("noProxy", '"a"', "it must be a list of strings"),
        ("meshNamespace", "kube-system", "one of Kubernetes' own namespaces"),
        ("appsNamespace", "default", "one of Kubernetes' own namespaces"),
        ("appsNamespace", "-a", "a Kubernetes name"),
        ("appsNamespace", "a.b", "a Kubernetes name"),
        ("clusterDomain", "", "a DNS name such as cluster.local"),
        ("clusterDomain", "cluster.local.", "a DNS name such as cluster.local"),
        ("clusterDomain", ".cluster.local", "a DNS name such as cluster.local"),
        ("clusterDomain", "Cluster.local", "a DNS name such as cluster.local"),
        ("clusterDomain", "cluster..local", "a DNS name such as cluster.local"),
        ("clusterDomain", "cluster.local:53", "a DNS name such as cluster.local"),
        ("clusterDomain", "a" * 64, "a DNS name such as cluster.local"),
        ("clusterDomain", ".".join(["a" * 63] * 4), "a DNS name such as cluster.local"),
        ("clusterIdentifier", "two words", "without blanks"),
        ("clusterIdentifier", "a\n", "without blanks"),
        ("clusterIdentifier", "a" * 101, "up to 100 characters"),
        ("appsNamespace", "hello_world", "a Kubernetes name"),
        ("appsNamespace", "a" * 64, "a Kubernetes name"),
        ("linkerdImage", "", "an image such as"),
        *(
            (key, image, "an image such as")
            for key in ("linkerdImage", "namerdImage", "kubectlImage", "helloworldImage")
            for image in BAD_IMAGES
        ),
        ("entryService", "nothing", "it must be one of hello, world"),
        ("nodeAddress", "http://node", "a host's name or address, without http:// and port"),
        ("nodeAddress", "node:80", "a host's name or address, without http:// and port"),
        ("nodeAddress", "<any>", "a host's name or address"),
        ("nodeAddress", "999.0.0.1", "a host's name or address"),
        ("nodeAddress", "1.2.3", "a host's name or address"),
        ("nodeAddress", "010.0.0.1", "a host's name or address"),
        ("nodeAddress", "0x7f000001", "a host's name or address"),
        ("nodeAddress", "[2001:db8::7]", "a host's name or address"),
        ("nodeAddress", "2001:db8::7::1", "a host's name or address"),
        ("nodeAddress", "node_1", "a host's name or address"),
        ("nodeAddress", "node.", "a host's name or address"),
        ("nodeAddress", "a" * 64, "a host's name or address"),
        ("nodeAddress", ".".join(["a" * 63] * 4), "a host's name or address"),
        ("nodeAddress", "0.0.0.0", "the address of no host"),
        ("nodeAddress", "::", "the address of no host"),
        ("nodeAddress", "fe80::1%eth0", "the address of no host"),
        ("sourceRanges", "10.0.0.0/8", "a list of strings"),
        ("sourceRanges", "[1]", "a list of strings"),
        ("sourceRanges", '{"0": "10.0.0.0/8"}', "a list of strings"),
        ("sourceRanges", '["10.0.0.1/8"]', "has host bits set"),
        ("sourceRanges", '["10.0.0.0/33"]', "no address range"),
        ("sourceRanges", '["10.0.0.0-10.0.0.9"]', "no address range"),
        ("sourceRanges", '["010.0.0.0/8"]', "no address range"),
        ("sourceRanges", '["fe80::%1/64"]', "no address range"),
        ("sourceRanges", '["all"]', "no address range"),
        ("sourceRanges", '[""]', "no address range"),
        ("sourceRanges", '[" 10.0.0.0/8"]', "no address range"),
        ("replicas", "3.0", "a whole number from 1 to 100"),
        ("replicas", "9" * 5000, "a whole number from 1 to 100"),
        ("entryService", "Hello", "a Kubernetes name"),
    ],
)
def test_a_wrong_value_is_one_line(key: str, value: str, allowed: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), key: value})
    said = str(raised.value)
    assert said.startswith(f"config {key} is {quoted(value)}")
    assert allowed in said
    assert "\n" not in said


STRUCTURED = [
    "noProxy",
    "sourceRanges",
    "services",
    "canaryAnalysis",
    "nodeZones",
    "authorizedIpRanges",
    "adminGroupObjectIds",
    "tags",
]


@pytest.mark.parametrize("key", STRUCTURED)
@pytest.mark.parametrize("deep", ["[" * 100_000 + "]" * 100_000, '{"a":' * 40 + "1" + "}" * 40])
def test_what_is_nested_without_end_is_one_short_line(key: str, deep: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), key: deep})
    said = str(raised.value)
    assert said.startswith(f"config {key}")
    assert said.endswith(": its lists and objects are nested more than 32 deep")
    assert len(said) < 400


LONG = "!" * 10_000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("noProxy", [LONG]),
        ("noProxy", ["a." * 120 + "world." * 100]),
        ("sourceRanges", [LONG]),
        ("authorizedIpRanges", [LONG]),
        ("adminGroupObjectIds", [LONG]),
        ("tags", {LONG: "a"}),
        ("tags", {"a" * 500: 1}),
        ("tags", {"azure" + "a" * 500: "a"}),
    ],
)
def test_a_long_item_is_quoted_by_its_beginning(
    key: str, value: Sequence[str] | Mapping[str, object]
) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), "platform": "aks", key: json.dumps(value)})
    line = str(raised.value)
    assert line.startswith(f"config {key} is ")
    longest = max(value, key=len)
    assert longest[:290] in line
    assert longest[:301] not in line


@pytest.mark.parametrize("key", STRUCTURED)
def test_a_number_that_python_does_not_read_is_one_short_line(key: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), key: "9" * 5000})
    assert str(raised.value).endswith(": a number in it has thousands of digits")
    assert len(str(raised.value)) < 400


def test_nested_values_that_some_key_may_have_are_read() -> None:
    services = {"hello": {"port": 80, "versions": {"v1": {"env": {"A": "1"}}}}}
    settings.parse({**defaults(), "services": json.dumps(services)})


@pytest.mark.parametrize(
    "config",
    [
        {"one\ntwo": "1"},
        {"canaryAnalysis": '{"one\\ntwo": 1}'},
        {"services": '{"one\\ntwo": {}}'},
        {"services": '{"hello": {"port": 80, "one\\ntwo": 1}}'},
        {"services": '{"hello": {"port": 80, "versions": {"one\\ntwo": {}}}}'},
        {"services": '{"hello": {"port": 80, "versions": {"v1": {"one\\ntwo": 1}}}}'},
        {"services": '{"a": {"port": 80, "versions": {"v1": {}}, "weights": {"one\\ntwo": 1}}}'},
        {"services": '{"hello": {"port": 80, "env": {"one\\ntwo": ""}}}'},
        {"platform": "aks", "tags": '{"one\\ntwo": 1}'},
        {"entryService": "one\ntwo"},
    ],
)
def test_a_line_break_in_a_name_is_written_out(config: dict[str, str]) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), **config})
    assert "one\\ntwo" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_line_break_in_a_foreign_key_is_written_out() -> None:
    said = foreign.warning(["aws:one\ntwo"], "linkerd-canary", "kubeconfig")
    assert said == "without effect: config aws:one\\ntwo; remove with `pulumi config rm`"


@pytest.mark.parametrize(
    ("text", "percent"),
    [("0", 0), ("10", 10), ("0.5", 0.5), ("0.01", 0.01), ("33.30", 33.3), ("10.0", 10)],
)
def test_percents_have_up_to_two_decimals(text: str, percent: float) -> None:
    found = settings.parse({**defaults(), "canaryWeight": text}).canary_weight
    assert found == percent
    assert type(found) is type(percent)


@pytest.mark.parametrize(
    "image",
    [
        "buoyantio/linkerd:1.7.5",
        "registry.example:5000/a/b:tag",
        "registry.example/a/b@sha256:" + "0" * 64,
        "registry.example/a/b:1@sha256:" + "0" * 64,
        "Registry.example/a",
        "localhost/a",
        "registry:5000/a",
        "[2001:db8::7]:5000/a",
        "a.b-c__d--e/f_g:V1.0-rc_1",
        "name",
    ],
)
def test_image_names_of_every_form_are_accepted(image: str) -> None:
    assert settings.parse({**defaults(), "linkerdImage": image}).linkerd_image == image


@pytest.mark.parametrize("host", ["", "node", "node-1.example", "192.0.2.7", "2001:db8::7"])
def test_hosts_of_every_form_are_accepted(host: str) -> None:
    config = {**defaults(), "exposure": "NodePort", "nodeAddress": host}
    assert settings.parse(config).node_address == host


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("2001:db8::7", "2001:db8::7/128"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/24"),
        ("2001:0DB8::/32", "2001:db8::/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_source_ranges_are_as_kubernetes_takes_them(given: str, meant: str) -> None:
    """The API server refuses an address without the length of a prefix."""
    config = {**defaults(), "sourceRanges": json.dumps([given, given])}
    assert settings.parse(config).source_ranges == (meant,)


@pytest.mark.parametrize(
    ("key", "value", "needs"),
    [("sourceRanges", '["203.0.113.0/24"]', "LoadBalancer"), ("nodeAddress", "node", "NodePort")],
)
def test_what_an_exposure_ignores_is_refused(key: str, value: str, needs: str) -> None:
    for exposure in ("LoadBalancer", "NodePort", "ClusterIP"):
        config = {**defaults(), key: value, "exposure": exposure}
        if exposure == needs:
            settings.parse(config)
            continue
        with pytest.raises(settings.SettingsError) as raised:
            settings.parse(config)
        assert str(raised.value) == (
            f"config {key} has an effect with exposure {needs} only, and exposure is {exposure}: "
            f"remove it with `pulumi config rm {key}`, or set exposure to {needs}"
        )


def test_an_entry_that_own_services_replaced_says_so() -> None:
    config = {**defaults(), "services": '{"web": {"port": 80}}'}
    with pytest.raises(settings.SettingsError, match="takes the place of the default hello and"):
        settings.parse(config)


@pytest.mark.parametrize("key", sorted(project_config().keys() - set(settings.MAY_BE_SECRET)))
def test_what_would_stand_in_clear_is_not_taken_as_a_secret(key: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse(defaults(), secret=[key])
    assert str(raised.value).startswith(
        f"config {key} is set with --secret, but its value is shown"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sourceRanges", '["s3cret"]'),
        ("nodeAddress", "s3cret/"),
        ("authorizedIpRanges", '["s3cret"]'),
        ("adminGroupObjectIds", '["s3cret"]'),
        ("tags", '{"s3cret": 1}'),
        ("services", '{"hello": {"port": 80, "image": "s3cret "}}'),
        ("services", '{"hello": {"port": 80, "prefix": "s3cret "}}'),
        ("services", '{"hello": {"port": 80, "replicas": "s3cret"}}'),
        ("services", '{"hello": {"port": 80, "env": {"s3cret ": ""}}}'),
    ],
)
def test_no_line_shows_a_secret(key: str, value: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), key: value}, secret=[key])
    assert str(raised.value).startswith(f"config {key}")
    assert "s3cret" not in str(raised.value)


def test_mesh_and_apps_need_a_namespace_each() -> None:
    with pytest.raises(settings.SettingsError, match="the same as meshNamespace"):
        settings.parse({**defaults(), "appsNamespace": "linkerd"})
