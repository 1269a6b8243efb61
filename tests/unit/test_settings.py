"""settings: every wrong value is one line naming the key, the value and what is allowed."""

import json
from pathlib import Path

import pytest
import yaml

import settings

A_PERCENT = "a percent from 0 to 100 with at most two decimals, such as 10 or 0.5"
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
    assert parsed.host_port == 4140
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
        ("hostPort", "0", "a whole number from 1 to 65535"),
        ("hostPort", "65536", "a whole number from 1 to 65535"),
        ("adoptExisting", "yes", "true or false"),
        ("platform", "gke", "kubeconfig"),
        ("exposure", "loadbalancer", "LoadBalancer or NodePort or ClusterIP"),
        ("meshNamespace", "Linkerd", "a Kubernetes name"),
        ("appsNamespace", "hello_world", "a Kubernetes name"),
        ("appsNamespace", "a" * 64, "a Kubernetes name"),
        ("linkerdImage", "", "an image such as"),
        ("linkerdImage", "two words", "an image such as"),
        ("entryService", "nothing", "it must be one of hello, world"),
        ("nodeAddress", "http://node", "a host's name or address, without http:// and port"),
        ("nodeAddress", "node:80", "a host's name or address, without http:// and port"),
        ("nodeAddress", "<any>", "a host's name or address"),
        ("sourceRanges", "10.0.0.0/8", "a list of texts"),
        ("sourceRanges", "[1]", "a list of texts"),
        ("sourceRanges", '["10.0.0.1/8"]', "has host bits set"),
    ],
)
def test_a_wrong_value_is_one_line(key: str, value: str, allowed: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), key: value})
    said = str(raised.value)
    assert said.startswith(f"config {key} is {value!r}")
    assert allowed in said
    assert "\n" not in said


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
        "name",
    ],
)
def test_image_names_of_every_form_are_accepted(image: str) -> None:
    assert settings.parse({**defaults(), "linkerdImage": image}).linkerd_image == image


@pytest.mark.parametrize("host", ["", "node", "node-1.example", "192.0.2.7", "2001:db8::7"])
def test_hosts_of_every_form_are_accepted(host: str) -> None:
    assert settings.parse({**defaults(), "nodeAddress": host}).node_address == host


def test_mesh_and_apps_need_a_namespace_each() -> None:
    with pytest.raises(settings.SettingsError, match="the same as meshNamespace"):
        settings.parse({**defaults(), "appsNamespace": "linkerd"})
