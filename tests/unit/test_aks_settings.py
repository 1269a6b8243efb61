"""settings: the keys of an AKS cluster, one by one and together."""

import json

import pytest

import settings
from settings.aks import KEYS
from settings.errors import quoted
from tests.unit.test_settings import ROOT, defaults, project_config

HOME = '["203.0.113.7"]'


def parse(**config: str) -> settings.Aks:
    found = settings.parse(
        {**defaults(), "platform": "aks", "authorizedIpRanges": HOME, **config}
    ).aks
    assert found
    return found


def refused(**config: str) -> str:
    with pytest.raises(settings.SettingsError) as raised:
        parse(**config)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_defaults_are_those_of_the_project_file() -> None:
    declared = defaults()
    for key, (default, reader) in KEYS.items():
        assert reader(declared[key]) == reader(default), key
        assert str(project_config()[key]["description"]).startswith("aks: "), key


def test_every_key_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "aks.md").read_text()
    assert [key for key in KEYS if f"| `{key}`" not in text and f", `{key}` |" not in text] == []


def test_the_baseline() -> None:
    aks = parse()
    assert aks.kubernetes_version == "1.36"
    assert (aks.node_count_min, aks.node_count_max) == (3, 6)
    assert aks.node_zones == ("1", "2", "3")
    assert (aks.upgrade_channel, aks.node_os_upgrade_channel) == ("patch", "NodeImage")
    assert aks.protect


def test_a_cluster_that_exists_has_no_aks_settings() -> None:
    assert settings.parse(defaults()).aks is None


def test_an_address_is_a_range_of_one() -> None:
    ranges = json.dumps(["203.0.113.7", "198.51.100.0/24", "0.0.0.0/0"])
    assert parse(authorizedIpRanges=ranges).authorized_ip_ranges == (
        "203.0.113.7/32",
        "198.51.100.0/24",
        "0.0.0.0/0",
    )


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("location", "West Europe", "without spaces: westeurope"),
        ("resourceGroupName", "ends-with.", "without a . at the end"),
        ("clusterName", "-a", "a letter or digit at either end"),
        ("clusterName", "a" * 64, "up to 63"),
        ("kubernetesVersion", "1", "a version such as 1.36"),
        ("kubernetesVersion", "latest", "a version such as 1.36"),
        ("clusterTier", "Paid", "Free or Standard or Premium"),
        ("nodeVmSize", "D2s", "a size such as"),
        ("nodeCountMin", "0", "from 1 to 1000"),
        ("nodeCountMax", "1001", "from 1 to 1000"),
        ("nodeZones", '["4"]', "a list of zones"),
        ("nodeZones", '["1", "1"]', "each once"),
        ("nodeZones", "[1]", "a list of strings"),
        ("systemNodeCount", "-1", "from 0 to 100"),
        ("authorizedIpRanges", '["2001:db8::/32"]', "IPv6"),
        ("authorizedIpRanges", '["203.0.113.7/24"]', "has host bits set"),
        ("authorizedIpRanges", json.dumps([f"203.0.113.{i}" for i in range(201)]), "at most 200"),
        ("adminGroupObjectIds", '["admins"]', "no object id"),
        ("localAccounts", "no", "true or false"),
        ("upgradeChannel", "weekly", "none or patch or stable"),
        ("nodeOsUpgradeChannel", "Patch", "None or Unmanaged or NodeImage"),
        ("tags", "dev", "an object of at most 50"),
        ("tags", '{"a/b": "c"}', "a tag's name"),
        ("tags", '{"cost": 5}', "must be a string, in quotes"),
        ("containerRegistry", "my-registry", "5 to 50 letters and digits"),
        ("containerRegistry", "/subscriptions/x", "the resource id of one that exists"),
        ("protect", "yes", "true or false"),
    ],
)
def test_a_wrong_value_is_one_line(key: str, value: str, allowed: str) -> None:
    said = refused(**{key: value})
    assert said.startswith(f"config {key} is {quoted(value)}")
    assert allowed in said


def test_an_open_api_server_must_be_asked_for() -> None:
    said = refused(authorizedIpRanges="[]")
    assert said.startswith(
        "config authorizedIpRanges is empty, which Azure takes for every address"
    )
    assert "'authorizedIpRanges[0]'" in said


def test_fewest_and_most_nodes_are_in_order() -> None:
    said = refused(nodeCountMin="7")
    assert said == "config nodeCountMin is 7, more than nodeCountMax, 6"


def test_a_patch_that_azure_moves_on_from_is_refused() -> None:
    assert "give it as '1.36'" in refused(kubernetesVersion="1.36.2")
    assert parse(kubernetesVersion="1.36.2", upgradeChannel="none").kubernetes_version == "1.36.2"


def test_an_existing_group_needs_a_name() -> None:
    assert "name the group" in refused(existingResourceGroup="true")
    assert parse(existingResourceGroup="true", resourceGroupName="shared").existing_resource_group


@pytest.mark.parametrize("key", ["kubeconfig", "kubeContext"])
def test_a_kubeconfig_does_not_go_with_aks(key: str) -> None:
    said = refused(**{key: "s3cret: here"})
    assert said.startswith(f"config {key} is for a cluster that exists")
    assert "s3cret" not in said


OTHER = {
    "nodeCountMax": "9",
    "existingResourceGroup": "true",
    "tags": '{"a": "b"}',
    "authorizedIpRanges": HOME,
    "containerRegistry": "registry",
    "protect": "false",
}


@pytest.mark.parametrize("key", OTHER)
def test_a_key_of_aks_does_not_go_with_another_platform(key: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), key: OTHER[key]})
    assert str(raised.value) == (
        f"config {key} is for platform aks, and platform is 'kubeconfig': set platform to aks, or "
        f"remove it with `pulumi config rm {key}`"
    )
