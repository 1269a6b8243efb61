"""infra.aks under Pulumi's mocks: what Azure is asked for."""

import base64
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from pulumi.runtime import mocks, rpc

from tests.standins.azure_native import types
from tests.standins.azure_native.kinds import KINDS
from tests.unit.test_program import KUBECONFIG, Recorder, run_program
from tests.unit.test_settings import ROOT

ON_AKS = {"platform": "aks", "kubeconfig": "", "authorizedIpRanges": '["203.0.113.0/24"]'}
CLUSTER_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/m/c"
REGISTRY_ID = (
    "/subscriptions/other/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/shared"
)


class Azure(Recorder):
    """Also answers what the program asks Azure for."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[mocks.MockCallArgs] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        id_, outputs = super().new_resource(args)
        for name in ("resourceGroupName", "resourceName"):
            if name in args.inputs:
                outputs["name"] = args.inputs[name]
        ids = {"cluster": CLUSTER_ID, "registry": REGISTRY_ID.replace("shared", "ownregistry")}
        return ids.get(args.name, id_), outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        self.called.append(args)
        if args.token.endswith(":getManagedCluster"):
            return {"identityProfile": {"kubeletidentity": {"objectId": "kubelet"}}}, []
        value = base64.b64encode(KUBECONFIG.encode()).decode()
        return {"kubeconfigs": [{"name": "c", "value": value}]}, []


def run(**config: str) -> Azure:
    azure = Azure()
    run_program({**ON_AKS, **config}, recorder=azure)
    return azure


def cluster_of(azure: Azure) -> dict[str, Any]:
    return azure.get("ManagedCluster", "cluster")


def test_the_baseline() -> None:
    azure = run(tags='{"environment": "dev"}')
    assert azure.get("ResourceGroup", "group") == {
        "resourceGroupName": "linkerd-canary-test-westeurope",
        "location": "westeurope",
        "tags": {"environment": "dev"},
    }
    cluster = cluster_of(azure)
    assert cluster == {
        "resourceGroupName": "linkerd-canary-test-westeurope",
        "resourceName": "linkerd-canary-test-westeurope",
        "location": "westeurope",
        "sku": {"name": "Base", "tier": "Standard"},
        "identity": {"type": "SystemAssigned"},
        "kubernetesVersion": "1.36",
        "dnsPrefix": "linkerd-canary-test-westeurope",
        "enableRBAC": True,
        "disableLocalAccounts": False,
        "aadProfile": {"managed": True, "enableAzureRBAC": True, "adminGroupObjectIDs": []},
        "oidcIssuerProfile": {"enabled": True},
        "securityProfile": {"workloadIdentity": {"enabled": True}},
        "apiServerAccessProfile": {"authorizedIPRanges": ["203.0.113.0/24"]},
        "autoUpgradeProfile": {"upgradeChannel": "patch", "nodeOSUpgradeChannel": "NodeImage"},
        "networkProfile": {
            "networkPlugin": "azure",
            "networkPluginMode": "overlay",
            "networkDataplane": "cilium",
            "networkPolicy": "cilium",
            "loadBalancerSku": "standard",
            "outboundType": "loadBalancer",
        },
        "agentPoolProfiles": [
            {
                "name": "system",
                "mode": "System",
                "type": "VirtualMachineScaleSets",
                "osType": "Linux",
                "vmSize": "Standard_D2s_v5",
                "orchestratorVersion": "1.36",
                "availabilityZones": ["1", "2", "3"],
                "count": 3,
                "enableAutoScaling": True,
                "minCount": 3,
                "maxCount": 6,
            }
        ],
        "tags": {"environment": "dev"},
    }


EVERYTHING = {
    "clusterTier": "Premium",
    "systemNodeCount": "2",
    "nodeZones": "[]",
    "containerRegistry": "registry",
    "localAccounts": "false",
    "adminGroupObjectIds": '["11111111-2222-3333-4444-555555555555"]',
    "upgradeChannel": "stable",
}


def test_what_is_sent_fits_the_sdks_own_types(
    with_kubelogin: None,
) -> None:
    for azure in (run(), run(**EVERYTHING)):
        sent = [one for one in azure.made if one.typ.startswith("azure-native:")]
        assert len(sent) in (2, 4)
        for one in sent:
            assert list(types.wrong(KINDS[one.typ].args, one.inputs)) == [], one.typ


@pytest.fixture
def with_kubelogin(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ROOT / "tests" / "standins" / "kubelogin"
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_a_pool_for_the_systems_pods() -> None:
    system, services = cluster_of(run(systemNodeCount="2"))["agentPoolProfiles"]
    assert (system["mode"], system["count"]) == ("System", 2)
    assert system["nodeTaints"] == ["CriticalAddonsOnly=true:NoSchedule"]
    assert "enableAutoScaling" not in system
    assert (services["name"], services["mode"]) == ("services", "User")
    assert (services["minCount"], services["maxCount"]) == (3, 6)


def test_premium_is_for_long_term_support() -> None:
    cluster = cluster_of(run(clusterTier="Premium"))
    assert cluster["sku"]["tier"] == "Premium"
    assert cluster["supportPlan"] == "AKSLongTermSupport"


@pytest.mark.parametrize(("location", "own"), [("westeurope", False), ("germanywestcentral", True)])
def test_the_nodes_group_has_a_name_that_azure_takes(location: str, own: bool) -> None:
    """Azure's own for it, of the group's, the cluster's and the location's, may be too long."""
    cluster = cluster_of(run(location=location))
    usual = "_".join(("MC", cluster["resourceGroupName"], cluster["resourceName"], location))
    assert (len(usual) > 80) is own
    assert ("nodeResourceGroup" in cluster) is own
    assert len(cluster.get("nodeResourceGroup", usual)) <= 80


def test_an_existing_group_is_used_and_not_made() -> None:
    azure = run(existingResourceGroup="true", resourceGroupName="shared")
    assert not [one for one in azure.made if one.typ.endswith(":ResourceGroup")]
    assert cluster_of(azure)["resourceGroupName"] == "shared"


def test_a_cluster_name_becomes_a_dns_prefix() -> None:
    name = "a_" + "b" * 51 + "-" + "c" * 9
    assert cluster_of(run(clusterName=name))["dnsPrefix"] == "a-" + "b" * 51


@pytest.mark.parametrize(
    ("given", "scope", "subscription"),
    [
        ("ownregistry", REGISTRY_ID.replace("shared", "ownregistry"), "other"),
        (REGISTRY_ID, REGISTRY_ID, "other"),
    ],
)
def test_the_nodes_may_pull_from_the_registry(given: str, scope: str, subscription: str) -> None:
    azure = run(containerRegistry=given)
    made = [one.inputs for one in azure.made if one.typ.endswith(":Registry")]
    assert [one["registryName"] for one in made] == (
        [] if given == REGISTRY_ID else ["ownregistry"]
    )
    assert not any(one["adminUserEnabled"] for one in made)
    right = azure.get("RoleAssignment", "acr-pull")
    assert right["scope"] == scope
    assert right["principalId"] == "kubelet"
    assert right["roleDefinitionId"] == (
        f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/"
        "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    )


def test_no_registry_needs_no_right() -> None:
    azure = run()
    assert {one.typ for one in azure.made if one.typ.startswith("azure-native:")} == {
        "azure-native:resources:ResourceGroup",
        "azure-native:containerservice:ManagedCluster",
    }


def test_the_administrators_kubeconfig_is_a_secret() -> None:
    azure = run()
    (call,) = azure.called
    assert call.token.endswith(":listManagedClusterAdminCredentials")
    assert call.args == {
        "resourceGroupName": "linkerd-canary-test-westeurope",
        "resourceName": "linkerd-canary-test-westeurope",
    }
    given = azure.get("kubernetes", "cluster")["kubeconfig"]
    assert given == {rpc._special_sig_key: rpc._special_secret_sig, "value": KUBECONFIG}
    for table in ("internal", "external"):
        namerd = azure.get("Dtab", table)["namerd"]
        assert rpc._special_secret_sig in namerd.values()
        assert namerd["value"]["kubeconfig"] == KUBECONFIG


def test_without_local_accounts_the_users_kubeconfig_is_asked_for(
    with_kubelogin: None,
) -> None:
    azure = run(localAccounts="false")
    (call,) = azure.called
    assert call.token.endswith(":listManagedClusterUserCredentials")
    assert call.args["format"] == "exec"
    assert cluster_of(azure)["disableLocalAccounts"] is True


def test_the_clusters_identity_is_its_own_and_not_its_credentials() -> None:
    found = {
        identifier: run(clusterIdentifier=identifier).get("kubernetes", "cluster")
        for identifier in ("", "mine")
    }
    names = {key: one["clusterIdentifier"] for key, one in found.items()}
    assert names[""].startswith("test-")
    assert names["mine"].startswith("mine-")
    assert run().get("Dtab", "internal")["namerd"]["value"]["cluster"] == names[""]


PROBE = """\
import sys
from tests.unit.test_program import run_program
run_program({})
print([name for name in sys.modules if name.startswith("pulumi_azure_native")])
"""


def test_azure_is_not_imported_for_a_cluster_that_exists() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
