"""settings: every wrong value is one line naming the key, the value and what is allowed."""

import json
from pathlib import Path

import pytest
import yaml

import settings

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
    assert parsed.exposure == "LoadBalancer"
    assert parsed.source_ranges == ()
    assert not parsed.adopt_existing
    assert parsed.entry.name == "hello"


def test_every_declared_key_has_type_default_and_description() -> None:
    for key, entry in project_config().items():
        assert {"type", "default", "description"} <= set(entry), key


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
        ("canaryWeight", "-1", "a whole number from 0 to 100"),
        ("canaryWeight", "101", "a whole number from 0 to 100"),
        ("canaryWeight", "10.5", "a whole number from 0 to 100"),
        ("canaryWeight", "ten", "a whole number from 0 to 100"),
        ("canaryWeight", "1e1", "a whole number from 0 to 100"),
        ("canaryWeight", "", "a whole number from 0 to 100"),
        ("canaryWeight", "٣", "a whole number from 0 to 100"),
        ("maxWeightStep", "0", "a whole number from 1 to 100"),
        ("replicas", "0", "a whole number from 1 to 100"),
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
