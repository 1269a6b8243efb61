"""infra.aks under Pulumi's mocks: what Azure is asked for."""

import base64
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import grpc
import pulumi
import pytest
from pulumi.runtime import mocks, rpc
from pulumi_azure_native import containerservice

import settings
from infra import aks, aks_moves, aks_names
from infra.aks import _properties, _refused
from infra.cluster import ClusterError
from tests.standins.azure_native import types
from tests.standins.azure_native.kinds import CLUSTER, GROUP, KINDS
from tests.unit.test_program import KUBECONFIG, Recorder, run_program
from tests.unit.test_settings import ROOT, defaults

ON_AKS = {
    "platform": "aks",
    "kubeconfig": "",
    "localAccounts": "true",
    "authorizedIpRanges": '["203.0.113.0/24"]',
}
CLUSTER_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/m/c"
REGISTRY_ID = (
    "/subscriptions/other/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/shared"
)


class NotFoundError(grpc.RpcError):  # type: ignore[misc]  # grpc has no types
    """The plugin's answer on what is not there."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return 'invocation of … returned an error: Status=404 Code="ResourceNotFound" Message="…"'


class Azure(Recorder):
    """Also answers what the program asks Azure for."""

    def __init__(self, live: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.live = live
        """The cluster that is there before the program runs."""
        self.called: list[mocks.MockCallArgs] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        id_, outputs = super().new_resource(args)
        for name in ("resourceGroupName", "resourceName"):
            if name in args.inputs:
                outputs["name"] = args.inputs[name]
        ids = {"cluster": CLUSTER_ID, "registry": REGISTRY_ID.replace("shared", "ownregistry")}
        return ids.get(args.name, id_), outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        if args.token.endswith(":getManagedCluster"):
            if any(one.typ.endswith(":ManagedCluster") for one in self.made):
                return {"identityProfile": {"kubeletidentity": {"objectId": "kubelet"}}}, []
            if self.live:
                return self.live, []
            raise NotFoundError
        self.called.append(args)
        value = base64.b64encode(KUBECONFIG.encode()).decode()
        return {"kubeconfigs": [{"name": "c", "value": value}]}, []


def run(azure: Azure | None = None, /, *secret: str, **config: str) -> Azure:
    """What the program asks of Azure; the config keys of `secret` are set as secrets."""
    azure = azure or Azure()
    run_program({**ON_AKS, **config}, secret, azure)
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


@pytest.mark.parametrize(
    ("stack", "group", "cluster"),
    [
        ("dev", "linkerd-canary-dev-westeurope", "linkerd-canary-dev-westeurope"),
        ("dev.eu", "linkerd-canary-dev.eu-westeurope", "linkerd-canary-dev-eu-westeurope-02316124"),
    ],
)
def test_the_names_by_default_are_ones_that_azure_takes(
    monkeypatch: pytest.MonkeyPatch, stack: str, group: str, cluster: str
) -> None:
    monkeypatch.setattr(aks, "first_name", lambda: stack)
    made = cluster_of(run())
    assert made["resourceGroupName"] == group
    assert made["resourceName"] == cluster


@pytest.mark.parametrize("stack", ["a" * 100, "a." * 50, "_" * 100, f"{'a' * 38}.{'b' * 61}"])
@pytest.mark.parametrize("project", ["linkerd-canary", "_." * 50])
def test_the_longest_names_of_projects_and_stacks_are_shortened(project: str, stack: str) -> None:
    default = f"{project}-{stack}-westeurope"
    group, cluster = aks_names.group(default), aks_names.cluster(default)
    assert GROUP.has_form(group)
    assert CLUSTER.has_form(cluster)
    assert re.fullmatch(
        "[a-zA-Z0-9]([a-zA-Z0-9-]{0,52}[a-zA-Z0-9])?", aks_names.dns_prefix(cluster)
    )
    other = f"{default[:-1]}x"
    assert aks_names.group(other) != group
    assert aks_names.cluster(other) != cluster


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


TWO_LINES = 'invocation returned an error: Status=403 Code="X" Message="not\r\n\tyou"'
ONE_LINE = 'Status=403 Code="X" Message="not you"'


def test_what_azure_says_of_the_cluster_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Exception(TWO_LINES)  # noqa: TRY002  # as Pulumi does

    monkeypatch.setattr(containerservice, "get_managed_cluster", refuse)
    with pytest.raises(ClusterError) as refused:
        aks_moves.live_cluster("g", "c", pulumi.InvokeOptions())
    assert str(refused.value) == f"Azure does not tell what the cluster is like: {ONE_LINE}"


def test_what_azure_says_of_the_credentials_is_one_line() -> None:
    refused = _refused("the cluster's credentials", Exception(TWO_LINES))
    assert isinstance(refused, pulumi.RunError)
    assert str(refused) == f"Azure does not tell the cluster's credentials: {ONE_LINE}"
    other = ValueError("not Azure's")
    assert _refused("the cluster's credentials", other) is other


def test_the_clusters_identity_is_its_own_and_not_its_credentials() -> None:
    found = {
        identifier: run(clusterIdentifier=identifier).get("kubernetes", "cluster")
        for identifier in ("", "mine")
    }
    names = {key: one["clusterIdentifier"] for key, one in found.items()}
    assert names[""].startswith("test-")
    assert names["mine"].startswith("mine-")
    assert run().get("Dtab", "internal")["namerd"]["value"]["cluster"] == names[""]


def test_what_is_set_as_a_secret_is_one_in_azures_resources() -> None:
    config = {
        "authorizedIpRanges": '["203.0.113.77"]',
        "adminGroupObjectIds": '["11111111-2222-3333-4444-555555555555"]',
        "tags": '{"owner": "s3cret"}',
        "containerRegistry": "ownregistry",
    }
    azure = run(None, "authorizedIpRanges", "adminGroupObjectIds", "tags", **config)
    cluster = cluster_of(azure)
    for name in ("apiServerAccessProfile", "aadProfile", "tags"):
        assert cluster[name][rpc._special_sig_key] == rpc._special_secret_sig
    plain = {key: value for key, value in cluster.items() if not isinstance(value, dict)}
    assert "203.0.113.77" not in str(plain)
    for kind, name in (("ResourceGroup", "group"), ("Registry", "registry")):
        assert azure.get(kind, name)["tags"][rpc._special_sig_key] == rpc._special_secret_sig


class TestMoved:
    """What Azure has moved is sent as it is, where anything is."""

    def live(self, version: str = "1.36", count: int = 3, **changed: Any) -> dict[str, Any]:
        """A cluster as the program made it, but for what Azure moved and what changed."""
        made = cluster_of(run())
        (pool,) = made["agentPoolProfiles"]
        pool = {**pool, "orchestratorVersion": version, "count": count, "maxPods": 250}
        return {
            **made,
            "kubernetesVersion": version,
            "agentPoolProfiles": [pool],
            "nodeResourceGroup": "MC_of_azure",
            **changed,
        }

    def asked(self, live: dict[str, Any], **config: str) -> tuple[str, str, int]:
        """The versions and the count that the program asks for."""
        cluster = cluster_of(run(Azure(live), **config))
        pool = cluster["agentPoolProfiles"][-1]
        return cluster["kubernetesVersion"], pool["orchestratorVersion"], pool["count"]

    @pytest.mark.parametrize(
        ("channel", "wanted", "live", "sent"),
        [
            ("patch", "1.36", "1.36.3", "1.36.3"),
            ("patch", "1.36", "1.36", "1.36"),
            ("patch", "1.37", "1.36.3", "1.37"),
            ("patch", "1.35", "1.36.3", "1.35"),
            ("stable", "1.36", "1.37.1", "1.37.1"),
            ("rapid", "1.36", "1.37.1", "1.37.1"),
            ("none", "1.36", "1.36.3", "1.36"),
            ("none", "1.36.2", "1.36.1", "1.36.2"),
            ("node-image", "1.36", "1.36.3", "1.36"),
        ],
    )
    def test_versions(self, channel: str, wanted: str, live: str, sent: str) -> None:
        config = {"upgradeChannel": channel, "kubernetesVersion": wanted}
        assert self.asked(self.live(live), **config) == (sent, sent, 3)

    @pytest.mark.parametrize(
        ("live", "most", "sent"), [(5, "6", 5), (3, "6", 3), (6, "4", 4), (1, "6", 3)]
    )
    def test_the_autoscalers_count_within_the_bounds(self, live: int, most: str, sent: int) -> None:
        assert self.asked(self.live(count=live), nodeCountMax=most)[2] == sent

    @pytest.mark.parametrize(
        ("config", "ignored"),
        [
            ({}, ["count", "kubernetesVersion", "orchestratorVersion"]),
            ({"clusterTier": "Free"}, []),
            ({"tags": '{"a": "b"}'}, []),
            ({"nodeCountMax": "9"}, []),
            ({"kubernetesVersion": "1.37"}, []),
            ({"authorizedIpRanges": '["203.0.113.0/24", "198.51.100.1"]'}, []),
        ],
    )
    def test_changes_are_ignored_where_nothing_else_changes(
        self, config: dict[str, str], ignored: list[str]
    ) -> None:
        """Else what the state saw last would be sent."""
        made = _properties(parsed(), "c")
        made["agent_pool_profiles"][0]["availability_zones"].reverse()
        made["agent_pool_profiles"][0].update(count=5, orchestrator_version="1.36.3")
        live = as_object({**made, "kubernetes_version": "1.36.3", "support_plan": "Official"})
        aks = parsed(**config)
        _, paths = aks_moves.as_moved(_properties(aks, "c"), live, aks)
        assert sorted(path.rpartition(".")[2] for path in paths) == ignored

    def test_a_new_cluster_leaves_azure_what_it_moves(self) -> None:
        aks = parsed(systemNodeCount="2")
        wanted = _properties(aks, "new")
        assert aks_moves.as_moved(wanted, None, aks) == (
            wanted,
            [
                "kubernetesVersion",
                "agentPoolProfiles[0].orchestratorVersion",
                "agentPoolProfiles[1].count",
                "agentPoolProfiles[1].orchestratorVersion",
            ],
        )


def parsed(**config: str) -> settings.Aks:
    aks = settings.parse({**defaults(), **ON_AKS, **config}).aks
    assert aks is not None
    return aks


def as_object(value: Any) -> Any:
    """Inputs as the SDK hands over what Azure has."""
    if isinstance(value, list):
        return list(map(as_object, value))
    if isinstance(value, dict):
        return SimpleNamespace(**{key: as_object(each) for key, each in value.items()})
    return value


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
