"""AKS through the real engine: a stand-in Azure whose clusters are API servers without a node."""

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from canary import changes, events, report
from local.paths import ROOT
from tests.engine.azure import COMMAND, KUBELOGIN, Azure
from tests.harness import apiserver
from tests.harness.apiserver import ApiServer
from tests.harness.engine import Engine, EngineFailedError, kubernetes_plugin, stack
from tests.standins.azure_native import cloud
from tests.unit.test_settings import defaults

PROGRAM = Path(__file__).parent / "programs" / "aks.py"
CLUSTERS = "managedClusters"


@dataclass
class Trial:
    """A stack of the program aks.py, its Azure, and the API server that its clusters are."""

    engine: Engine
    azure: Azure
    server: ApiServer
    name: str
    config: dict[str, str] = field(
        default_factory=lambda: {
            **defaults(),
            "platform": "aks",
            "authorizedIpRanges": '["203.0.113.0/24"]',
            "localAccounts": "true",
        }
    )

    def configure(self, **config: str) -> None:
        self.config.update(config)
        self.engine.set_environment(CONFIG=json.dumps(self.config))

    def refused(self, what: str, *arguments: str) -> str:
        """What a command says that must fail, without a traceback."""
        with pytest.raises(EngineFailedError) as failed:
            getattr(self.engine, what)(*arguments)
        said = str(failed.value)
        assert "Traceback" not in said
        return said

    def is_on(self, server: ApiServer) -> bool:
        """Whether the program's ConfigMap is there."""
        found = server.kubectl("get", "configmap", self.name, "--ignore-not-found", "-o", "name")
        return bool(found.strip())


@pytest.fixture
def trial(tmp_path: Path, api_server: ApiServer) -> Iterator[Trial]:
    azure = Azure(tmp_path / "azure")
    azure.folder.mkdir()
    given = {
        "PYTHONPATH": str(ROOT),
        cloud.FOLDER: str(azure.folder),
        cloud.KUBECONFIG: str(api_server.kubeconfig),
    }
    plugins: dict[str, Sequence[str] | Path] = {
        "kubernetes": kubernetes_plugin(),
        "azure-native": COMMAND,
    }
    with stack(tmp_path, plugins, PULUMI_DEBUG_COMMANDS="true", **given) as engine:
        found = Trial(engine, azure, api_server, f"aks-{uuid.uuid4().hex[:8]}")
        engine.run(PROGRAM, NAME=found.name)
        found.configure()
        yield found


def test_a_whole_life(trial: Trial, tmp_path: Path) -> None:
    engine, azure = trial.engine, trial.azure
    trial.configure(containerRegistry="ownregistry")
    planned = engine.preview()
    assert planned.steps == {"create": 10}
    assert "clusterIdentifier     : [unknown]" in planned.text
    assert azure.requests("PUT", "DELETE", "POST") == []

    shown = engine.up().text
    assert trial.is_on(trial.server)
    pull = azure.only("roleAssignments")
    assert (
        pull["principalId"]
        == azure.only(CLUSTERS)["identityProfile"]["kubeletidentity"]["objectId"]
    )
    engine.preview("--refresh", "--expect-no-changes")

    key = trial.server.kubeconfig.read_text().partition("client-key-data: ")[2].split()[0]
    kept = [file.read_text() for file in (tmp_path / "backend").rglob("*.json")]
    for text in (shown, json.dumps(engine.state()), *kept):
        assert key not in text

    # The autoscaler's count is nobody's change, and the nodes' right to pull is as it was.
    pools = azure.only(CLUSTERS)["agentPoolProfiles"]
    azure.change(CLUSTERS, agentPoolProfiles=[{**pools[0], "count": 5}])
    engine.refresh()
    trial.configure(containerRegistry="ownregistry", nodeCountMax="9")
    planned = engine.preview()
    assert planned.steps == {"update": 1, "unchanged": 9}
    assert "~ maxCount: 6 => 9" in planned.text
    assert "count: 5" not in planned.text
    engine.up()
    (pool,) = azure.requests("PUT")[-1]["body"]["agentPoolProfiles"]
    assert (pool["count"], pool["minCount"], pool["maxCount"]) == (5, 3, 9)

    # Protected, it is neither moved nor destroyed; what a destroy took off it comes back.
    trial.configure(location="northeurope")
    assert "as it is currently marked for protection" in trial.refused("preview")
    trial.configure(location="westeurope")
    assert "because it is protected" in trial.refused("destroy")
    assert [r for r in azure.requests("DELETE") if CLUSTERS in r["id"]] == []
    assert not trial.is_on(trial.server), "it was deleted, not only forgotten"
    trial.configure(protect="false")
    engine.up()
    assert trial.is_on(trial.server)
    engine.destroy()
    assert azure.resources() == {}
    assert "resources" not in engine.state()
    assert trial.is_on(trial.server), "what is on a deleted cluster is not deleted one by one"


@pytest.mark.long
@pytest.mark.parametrize(
    ("channel", "version"), [("patch", "1.36.3"), ("stable", "1.37.1"), ("rapid", "1.37.1")]
)
def test_what_azure_moves_by_itself_is_never_sent_back(
    trial: Trial, tmp_path: Path, channel: str, version: str
) -> None:
    engine, azure = trial.engine, trial.azure
    trial.configure(upgradeChannel=channel)
    engine.up()
    sent = len(azure.requests("PUT"))
    azure.upgrade(version)
    azure.scale(5)

    assert set(engine.up("--expect-no-changes").steps) == {"unchanged"}
    log = tmp_path / "events.jsonl"
    engine.preview("--refresh", "--expect-no-changes", "--event-log", str(log))
    preview = events.read(log.read_text(), "the log")
    assert changes.drift(preview) == []
    assert "nothing has drifted" in report.document(preview)
    engine.up("--refresh", "--expect-no-changes")
    engine.preview_refresh("--expect-no-changes")
    assert len(azure.requests("PUT")) == sent

    # An update that changes something else, without a refresh, sends what is there now.
    azure.scale(4)
    trial.configure(tags='{"owner": "payments"}')
    engine.up()
    body = azure.requests("PUT")[-1]["body"]
    (pool,) = body["agentPoolProfiles"]
    assert body["kubernetesVersion"] == pool["orchestratorVersion"] == version
    assert pool["count"] == 4
    azure.scale(6)
    assert set(engine.up("--expect-no-changes").steps) == {"unchanged"}


@pytest.mark.long
def test_a_newer_minor_version_is_sent_and_moves_on_by_patches(trial: Trial) -> None:
    engine, azure = trial.engine, trial.azure
    engine.up()
    azure.upgrade("1.36.3")
    trial.configure(kubernetesVersion="1.37")
    assert '"1.36" => "1.37"' in engine.preview().text
    engine.up()
    assert azure.requests("PUT")[-1]["body"]["kubernetesVersion"] == "1.37"
    azure.upgrade("1.37.2")
    assert set(engine.up("--expect-no-changes").steps) == {"unchanged"}
    engine.up("--refresh", "--expect-no-changes")
    trial.configure(kubernetesVersion="1.36")
    assert "Upgrading Kubernetes version 1.37.2 to 1.36 is not allowed" in trial.refused("up")


@pytest.mark.long
def test_what_is_set_as_a_secret_is_encrypted_in_the_state(trial: Trial) -> None:
    trial.configure(tags='{"owner": "s3cret-owner"}')
    trial.engine.set_environment(SECRET="authorizedIpRanges tags")
    shown = trial.engine.preview().text + trial.engine.up().text
    for text in (shown, json.dumps(trial.engine.state())):
        assert "s3cret-owner" not in text
        assert "203.0.113" not in text
    assert trial.azure.only(CLUSTERS)["tags"] == {"owner": "s3cret-owner"}


@pytest.mark.long
def test_a_renamed_stack_keeps_its_cluster(trial: Trial) -> None:
    planned = trial.engine.preview()
    assert planned.text.count('"harness-test-westeurope"') == 3, "known before it is there"
    trial.engine.up()
    trial.engine.rename("other")
    assert trial.engine.preview("--refresh").steps == {"unchanged": 8}
    trial.configure(clusterIdentifier="test")
    assert trial.engine.preview().steps == {"unchanged": 8}, "what it is by default"


def test_a_failure_of_azures_is_one_line_and_the_next_up_goes_on(trial: Trial) -> None:
    trial.configure(containerRegistry="ownregistry")
    for faults in (
        [("ManagedCluster", "create", "quota"), ("Registry", "create", "throttled")],
        [("ManagedCluster", "create", "provisioning")],
        [("ManagedCluster", "credentials", "forbidden")],
    ):
        trial.azure.fail(*faults)
        # An ordinary `up` may end with the first fault, before the second is come to.
        said = trial.refused("up", "--continue-on-error")
        for *_, fault in faults:
            assert _error_lines(said, str(cloud.FAULTS[fault])) == 1, fault
    trial.engine.up()
    assert trial.azure.only(CLUSTERS)["provisioningState"] == "Succeeded"

    trial.configure(nodeCountMax="9")
    trial.azure.fail(("ManagedCluster", "update", "in progress"))
    assert _error_lines(trial.refused("up"), str(cloud.FAULTS["in progress"])) == 1
    assert trial.engine.up().steps["update"] == 1
    assert trial.azure.only(CLUSTERS)["agentPoolProfiles"][0]["maxCount"] == 9


def _error_lines(text: str, part: str) -> int:
    return len([line for line in text.splitlines() if part in line])


@pytest.mark.long
def test_a_cluster_moves_and_the_old_one_serves_until_the_new_one_does(trial: Trial) -> None:
    engine, azure = trial.engine, trial.azure
    trial.configure(protect="false")
    engine.up()
    with apiserver.api_server() as elsewhere:
        trial.configure(location="northeurope")
        engine.set_environment(**{cloud.KUBECONFIG: str(elsewhere.kubeconfig)})
        azure.fail(("ManagedCluster", "create", "quota"))
        trial.refused("up")
        assert azure.only(CLUSTERS)["location"] == "westeurope"
        assert trial.is_on(trial.server)

        azure.fail(("ManagedCluster", "delete", "in progress"))
        assert "Another operation is in progress" in trial.refused("up")
        assert trial.is_on(elsewhere)
        engine.up()
        assert azure.only(CLUSTERS)["location"] == "northeurope"
        engine.preview("--refresh", "--expect-no-changes")
    # With the API server gone, a destroy ends all the same.
    engine.destroy()
    assert azure.resources() == {}


def test_without_local_accounts_kubelogin_lets_the_program_in(trial: Trial) -> None:
    trial.configure(localAccounts="false", existingResourceGroup="true", resourceGroupName="shared")
    said = trial.refused("up")
    assert _error_lines(said, "kubelogin is not on PATH, and without local accounts") == 1
    assert trial.azure.requests() == []

    id_ = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shared"
    (trial.azure.folder / "cloud.json").write_text(json.dumps({id_: {"name": "shared"}}))
    trial.engine.set_environment(PATH=os.pathsep.join([str(KUBELOGIN), trial.engine.path]))
    trial.configure(protect="false")
    trial.engine.up()
    assert trial.is_on(trial.server)
    trial.engine.destroy()
    assert list(trial.azure.resources()) == [id_], "an existing group stays"


@pytest.mark.long
def test_local_accounts_are_closed_and_opened_again(trial: Trial) -> None:
    trial.engine.set_environment(PATH=os.pathsep.join([str(KUBELOGIN), trial.engine.path]))
    for allowed in ("true", "false", "true"):
        trial.configure(localAccounts=allowed, protect="false")
        trial.engine.preview()
        trial.engine.up()
        assert trial.azure.only(CLUSTERS)["disableLocalAccounts"] is (allowed == "false")
        assert trial.is_on(trial.server)
    trial.engine.preview("--refresh", "--expect-no-changes")
