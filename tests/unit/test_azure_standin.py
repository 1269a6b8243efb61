"""The stand-in for azure-native: it refuses what Azure would."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.engine.azure import COMMAND, Azure
from tests.harness.plugin import Plugin, PluginFailedError, plugin
from tests.standins.azure_native import cloud, types
from tests.standins.azure_native.kinds import CLUSTER, KINDS, SUBSCRIPTION

GROUP = "azure-native:resources:ResourceGroup"
REGISTRY = "azure-native:containerregistry:Registry"
ROLE = "azure-native:authorization:RoleAssignment"

Inputs = dict[str, Any]


def group(**more: Any) -> Inputs:
    return {"resourceGroupName": "group", "location": "westeurope", **more}


def pool(**more: Any) -> Inputs:
    return {"name": "system", "mode": "System", "count": 3, "vmSize": "Standard_D2s_v5", **more}


def cluster(**more: Any) -> Inputs:
    return {
        "resourceGroupName": "group",
        "resourceName": "cluster",
        "location": "westeurope",
        "dnsPrefix": "cluster",
        "kubernetesVersion": "1.36",
        "identity": {"type": "SystemAssigned"},
        "sku": {"name": "Base", "tier": "Free"},
        "agentPoolProfiles": [pool()],
        **more,
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plugin, Azure]]:
    azure = Azure(tmp_path_factory.mktemp("azure"))
    given = {cloud.FOLDER: str(azure.folder), cloud.KUBECONFIG: "/nowhere"}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **given}
    with plugin(COMMAND, env=environment) as found:
        yield found, azure


@pytest.fixture
def azure(running: tuple[Plugin, Azure]) -> Azure:
    for file in running[1].folder.iterdir():
        file.unlink()
    return running[1]


@pytest.fixture
def arm(running: tuple[Plugin, Azure], azure: Azure) -> Plugin:
    """The plugin, with a group and nothing else in its Azure."""
    running[0].create(GROUP, "group", group())
    return running[0]


@pytest.mark.parametrize(
    ("inputs", "at", "why"),
    [
        (cluster(nodePools=[]), "nodePools", "is no property"),
        (cluster(sku={"name": "Base", "tier": "Gold"}), "sku.tier", "and none of"),
        (
            cluster(networkProfile={"networkPlugin": "azur"}),
            "networkProfile.networkPlugin",
            "azure",
        ),
        (cluster(agentPoolProfiles=[{}]), "agentPoolProfiles[0].name", "is missing"),
        (cluster(agentPoolProfiles=[pool(minNodes=1)]), "agentPoolProfiles[0].minNodes", "is no"),
        (cluster(agentPoolProfiles=[pool(count="3")]), "agentPoolProfiles[0].count", "wrong kind"),
        (cluster(agentPoolProfiles=pool()), "agentPoolProfiles", "is no object"),
        (cluster(enableRBAC="yes"), "enableRBAC", "wrong kind"),
        (cluster(tags=["a"]), "tags", "is no list"),
        (cluster(identity="SystemAssigned"), "identity", "is an object"),
        ({"location": "westeurope"}, "resourceGroupName", "is missing"),
    ],
)
def test_inputs_are_held_against_the_sdks_types(inputs: Inputs, at: str, why: str) -> None:
    (found,) = types.wrong(CLUSTER.args, inputs)
    assert found[0] == at
    assert why in found[1]


def test_right_inputs_pass_and_so_does_what_is_not_known_yet() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert list(types.wrong(CLUSTER.args, cluster())) == []
    assert list(types.wrong(CLUSTER.args, cluster(sku=unknown, resourceGroupName=unknown))) == []


def test_a_wrong_type_is_refused_before_anything_is_asked(arm: Plugin, azure: Azure) -> None:
    with pytest.raises(PluginFailedError, match=r"sku.tier is 'Gold' and none of"):
        arm.create(CLUSTER.type_, "c", cluster(sku={"tier": "Gold"}))
    assert len(azure.requests("PUT")) == 1


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (cluster(resourceName="-a"), 'Status=400 Code="InvalidResourceName"'),
        (cluster(resourceGroupName="nowhere"), 'Status=404 Code="ResourceGroupNotFound"'),
        (cluster(location="moon"), "The provided location 'moon' is not available"),
        (cluster(dnsPrefix="a_b"), "The value of parameter dnsPrefix is invalid: 'a_b'"),
        (cluster(kubernetesVersion="1.20"), 'Status=400 Code="K8sVersionNotSupported"'),
        (
            cluster(resourceName="c" * 62),
            "The maximum length is 80 and the length of the value pro",
        ),
        (
            cluster(agentPoolProfiles=[pool(orchestratorVersion="1.37")]),
            "agentPoolProfiles[0].orchestratorVersion is invalid: '1.37'",
        ),
        (cluster(disableLocalAccounts=True), "parameter disableLocalAccounts is invalid"),
        (
            cluster(apiServerAccessProfile={"authorizedIPRanges": ["2001:db8::/32"]}),
            "parameter apiServerAccessProfile.authorizedIPRanges is invalid",
        ),
        (cluster(supportPlan="AKSLongTermSupport"), "parameter supportPlan is invalid"),
        (cluster(agentPoolProfiles=[pool(mode="User")]), "at least one system agent pool"),
        (cluster(agentPoolProfiles=[pool(name="Pool")]), "agentPoolProfiles[0].name is invalid"),
        (cluster(agentPoolProfiles=[pool(minCount=1)]), "agentPoolProfiles[0].count is invalid"),
        (
            cluster(agentPoolProfiles=[pool(enableAutoScaling=True, minCount=4, maxCount=3)]),
            "agentPoolProfiles[0].minCount is invalid",
        ),
    ],
)
def test_what_azure_would_not_make(arm: Plugin, azure: Azure, inputs: Inputs, said: str) -> None:
    with pytest.raises(PluginFailedError) as refused:
        arm.create(CLUSTER.type_, "c", inputs)
    assert said in str(refused.value)
    assert list(azure.resources()) == [f"{SUBSCRIPTION}/resourceGroups/group"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (cluster(agentPoolProfiles=[pool(), pool(name="more")]), "A new agent pool was introduced"),
        (cluster(agentPoolProfiles=[pool(vmSize="Standard_D4s_v5")]), "[0].vmSize' is not allowed"),
        (cluster(agentPoolProfiles=[pool(availabilityZones=["1"])]), "availabilityZones' is not"),
        (cluster(kubernetesVersion="1.35"), "Upgrading Kubernetes version 1.36 to 1.35 is not"),
    ],
)
def test_what_azure_would_not_change(arm: Plugin, inputs: Inputs, said: str) -> None:
    made = arm.create(CLUSTER.type_, "c", cluster())
    with pytest.raises(PluginFailedError) as refused:
        arm.update(made, inputs)
    assert said in str(refused.value)
    assert arm.read(made) == made


def test_a_cluster_can_be_upgraded_and_scaled(arm: Plugin) -> None:
    made = arm.create(CLUSTER.type_, "c", cluster())
    changed = cluster(kubernetesVersion="1.37", agentPoolProfiles=[pool(count=5)])
    assert arm.diff(made, changed).replaces == []
    after = arm.update(made, changed).outputs
    assert after["currentKubernetesVersion"] == "1.37.0"
    assert after["identityProfile"] == made.outputs["identityProfile"]


def test_another_location_is_another_cluster(arm: Plugin) -> None:
    made = arm.create(CLUSTER.type_, "c", cluster())
    found = arm.diff(made, cluster(location="eastus"))
    assert list(found.replaces) == ["location"]
    assert found.deleteBeforeReplace


def test_what_exists_is_not_made_again(arm: Plugin) -> None:
    arm.create(CLUSTER.type_, "c", cluster())
    with pytest.raises(PluginFailedError, match=r"^cannot create already existing resource"):
        arm.create(CLUSTER.type_, "again", cluster())


def test_a_preview_makes_nothing_and_knows_what_was_put_in(arm: Plugin, azure: Azure) -> None:
    planned = arm.create(CLUSTER.type_, "c", cluster(), preview=True).outputs
    assert planned["location"] == "westeurope"
    assert planned["fqdn"] == "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert len(azure.resources()) == 1


def test_a_group_takes_all_that_is_in_it_along(arm: Plugin, azure: Azure) -> None:
    made = arm.import_(GROUP, "group", f"{SUBSCRIPTION}/resourceGroups/group")
    assert made
    arm.create(CLUSTER.type_, "c", cluster())
    arm.create(REGISTRY, "r", {**group(), "registryName": "registry", "sku": {"name": "Basic"}})
    arm.delete(made)
    assert azure.resources() == {}
    assert arm.read(made) is None


def test_a_right_needs_what_it_is_a_right_to(arm: Plugin) -> None:
    right = {"scope": "/nowhere", "principalId": "p", "roleDefinitionId": "r"}
    with pytest.raises(PluginFailedError, match="The Resource '/nowhere' was not found"):
        arm.create(ROLE, "role", right)
    made = arm.create(ROLE, "role", {**right, "scope": f"{SUBSCRIPTION}/resourceGroups/group"})
    assert KINDS[ROLE].has_form(made.inputs["roleAssignmentName"])


@pytest.mark.parametrize("fault", sorted(set(cloud.FAULTS) - {"provisioning"}))
def test_a_planned_failure_happens_once_and_leaves_nothing(
    arm: Plugin, azure: Azure, fault: str
) -> None:
    azure.fail(("ManagedCluster", "create", fault))
    with pytest.raises(PluginFailedError) as failed:
        arm.create(CLUSTER.type_, "c", cluster())
    assert str(failed.value) == str(cloud.FAULTS[fault])
    assert len(azure.resources()) == 1
    arm.create(CLUSTER.type_, "c", cluster())


def test_a_cluster_that_fails_to_provision_is_there(arm: Plugin, azure: Azure) -> None:
    azure.fail(("ManagedCluster", "create", "provisioning"))
    with pytest.raises(PluginFailedError) as failed:
        arm.create(CLUSTER.type_, "c", cluster())
    half = failed.value.half_made
    assert half
    assert half.outputs["provisioningState"] == "Failed"
    assert arm.update(half, cluster()).outputs["provisioningState"] == "Succeeded"


@pytest.fixture
def credentials(arm: Plugin) -> Callable[[str], Any]:
    def ask(of: str) -> Any:
        args = {"resourceGroupName": "group", "resourceName": "cluster", "format": "exec"}
        return arm.invoke(f"azure-native:containerservice:listManagedCluster{of}Credentials", args)

    return ask


def test_credentials_are_those_of_a_cluster_that_is_there(
    arm: Plugin, credentials: Callable[[str], Any]
) -> None:
    with pytest.raises(PluginFailedError, match="was not found"):
        credentials("Admin")
    arm.create(CLUSTER.type_, "c", cluster(disableLocalAccounts=True, aadProfile={"managed": True}))
    with pytest.raises(PluginFailedError, match="Getting static credential is not allowed"):
        credentials("Admin")
