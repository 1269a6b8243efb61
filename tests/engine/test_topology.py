"""A change of the topology, by its provider on a real API server with pods."""

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from mesh.topology_change import TopologyProvider
from tests.harness.apiserver import ApiServer
from tests.harness.processes import free_port
from tests.provider_host import CallError, ProviderHost, Stack

BY_NODE = "http://l5d-node.linkerd.svc.cluster.local.:4140"
BY_SIDECAR = "http://127.0.0.1:4140"
LINKERD = {"linkerdImage": "linkerd:1", "linkerdHeapMb": "256"}
WAY_OUT = "run `pulumi config set meshTopology both` and `pulumi up` first"


@dataclass
class Apps:
    """A namespace with pods of apps."""

    api_server: ApiServer
    namespace: str

    def inputs(self, topology: str, **more: Any) -> dict[str, Any]:
        kubeconfig = self.api_server.kubeconfig.read_text()
        return {
            "topology": topology,
            "namespace": self.namespace,
            "linkerd": LINKERD,
            "replicas": {},
            "kubeconfig": kubeconfig,
            **more,
        }

    def run(self, name: str, proxy: str, *beside: str, container: str = "service") -> None:
        env = [{"name": "http_proxy", "value": proxy}]
        containers = [
            {"name": container, "image": "none", "env": env},
            *({"name": each, "image": "none"} for each in beside),
        ]
        self.api_server.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {"containers": containers, "automountServiceAccountToken": False},
            }
        )

    def deploy(self, name: str, replicas: int) -> None:
        """A Deployment; no controller runs here, so it has no pods."""
        labels = {"app": name}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "service", "image": "none"}]},
        }
        self.api_server.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": labels},
                    "template": template,
                },
            }
        )


@pytest.fixture
def apps(api_server: ApiServer) -> Apps:
    found = Apps(api_server, f"apps-{uuid.uuid4().hex[:8]}")
    api_server.kubectl("create", "namespace", found.namespace)
    api_server.kubectl("create", "serviceaccount", "default", "-n", found.namespace)
    return found


@pytest.fixture
def stack(host: ProviderHost) -> Stack:
    return Stack(host, TopologyProvider())


def refused(stack: Stack, inputs: dict[str, Any]) -> str:
    with pytest.raises(CallError) as raised:
        stack.preview(inputs)
    return str(raised.value)


def test_a_stack_goes_to_sidecars_and_back_by_both(stack: Stack, apps: Apps) -> None:
    steps = ["daemonset", "both", "sidecar", "both", "daemonset"]
    assert [stack.up(apps.inputs(each)) for each in steps] == ["create"] + ["update"] * 4
    assert stack.state
    kept = {"topology": "daemonset", "namespace": apps.namespace, "linkerd": LINKERD}
    assert stack.state.outputs == kept
    assert refused(stack, apps.inputs("sidecar")) == (
        "config meshTopology goes from daemonset to sidecar at once: pods of the one send to "
        f"linkerds that pods of the other do not have; {WAY_OUT}"
    )


def test_what_has_not_changed_is_not_asked_for(stack: Stack, apps: Apps) -> None:
    stack.up(apps.inputs("both"))
    before = len(apps.api_server.requests())
    renewed = apps.api_server.kubeconfig_for("renewed", ["system:masters"]).read_text()
    assert stack.up(apps.inputs("both", kubeconfig=renewed)) == "same"
    assert stack.refresh() == "read"
    stack.destroy()
    assert apps.api_server.requests()[before:] == []


@pytest.mark.parametrize(
    ("changed", "named", "it"),
    [
        ({"linkerdImage": "linkerd:2"}, "linkerdImage", "it"),
        (
            {"linkerdImage": "linkerd:2", "linkerdHeapMb": "512"},
            "linkerdHeapMb, linkerdImage",
            "them",
        ),
    ],
)
@pytest.mark.parametrize("before", ["daemonset", "both"])
def test_the_nodes_linkerds_stay_as_they_are_on_the_way(
    stack: Stack, apps: Apps, before: str, changed: dict[str, str], named: str, it: str
) -> None:
    stack.up(apps.inputs(before))
    assert refused(stack, apps.inputs("both", linkerd={**LINKERD, **changed})) == (
        f"config {named} may not change on the way to meshTopology both, nor in it: requests would "
        f"be lost while the nodes' linkerds are replaced; set {it} back, and change {it} once "
        "meshTopology is daemonset or sidecar"
    )


def test_elsewhere_the_nodes_linkerds_may_change(stack: Stack, apps: Apps) -> None:
    new = {**LINKERD, "linkerdImage": "linkerd:2"}
    stack.up(apps.inputs("daemonset"))
    before = len(apps.api_server.requests())
    assert stack.up(apps.inputs("daemonset", linkerd=new)) == "update"
    assert apps.api_server.requests()[before:] == [], "the pods have nothing to do with it"
    assert [stack.up(apps.inputs(each, linkerd=new)) for each in ("both", "sidecar")] == [
        "update"
    ] * 2
    assert stack.up(apps.inputs("both")) == "update", "there are none on nodes to be replaced"
    assert stack.up(apps.inputs("daemonset", linkerd=new)) == "update"


def test_every_pod_must_have_a_sidecar_before_one_sends_by_it(stack: Stack, apps: Apps) -> None:
    """As after an update to `both` that stopped halfway."""
    apps.run("new", BY_NODE, "l5d")
    apps.run("old", BY_NODE)
    stack.up(apps.inputs("both"))
    assert refused(stack, apps.inputs("sidecar")) == (
        f"config meshTopology is sidecar, and pod old in namespace {apps.namespace} has no linkerd "
        f"beside it yet: {WAY_OUT}"
    )
    apps.api_server.kubectl("delete", "pod", "old", "-n", apps.namespace, "--grace-period=0")
    assert stack.up(apps.inputs("sidecar")) == "update"


def test_no_pod_may_send_by_its_sidecar_when_those_go(stack: Stack, apps: Apps) -> None:
    apps.run("old", BY_SIDECAR, "l5d")
    stack.up(apps.inputs("both"))
    assert refused(stack, apps.inputs("daemonset")) == (
        f"config meshTopology is daemonset, and pod old in namespace {apps.namespace} still sends "
        f"by the linkerd beside it: {WAY_OUT}"
    )


def test_no_app_is_scaled_in_the_same_update(stack: Stack, apps: Apps) -> None:
    """Pulumi would go on before the new pods are there."""
    apps.deploy("hello", 3)
    wanted = {"hello": 1, "new": 2}
    assert stack.up(apps.inputs("daemonset", replicas={"hello": 3})) == "create"
    assert refused(stack, apps.inputs("both", replicas=wanted)) == (
        "config meshTopology may not change with replicas: Deployment hello in namespace "
        f"{apps.namespace} has 3 of them, and this update makes it 1; Pulumi then does not wait "
        "for the pods that replace the former ones; change one, run `pulumi up`, and then the other"
    )
    assert stack.up(apps.inputs("daemonset", replicas=wanted)) == "same", "it alone may change"
    apps.deploy("hello", 1)
    assert stack.up(apps.inputs("both", replicas=wanted)) == "update"


def test_a_stack_of_an_earlier_release_has_no_sidecars(stack: Stack, apps: Apps) -> None:
    apps.run("old", "$(HOST_IP):4140")
    assert "pod old in namespace" in refused(stack, apps.inputs("sidecar"))
    assert stack.up(apps.inputs("daemonset")) == "create"


def test_other_pods_of_the_namespace_do_not_matter(stack: Stack, apps: Apps) -> None:
    apps.run("job", BY_SIDECAR, container="job")
    assert stack.up(apps.inputs("daemonset")) == "create"


def test_whatever_the_cluster_does_not_tell_stops_nobody(stack: Stack, apps: Apps) -> None:
    apps.run("old", BY_NODE)
    nobody = apps.api_server.kubeconfig_for("nobody").read_text()
    nowhere = apps.inputs("")["kubeconfig"].replace(
        apps.api_server.url, f"https://127.0.0.1:{free_port()}"
    )
    for kubeconfig in (nobody, nowhere):
        stack.preview(apps.inputs("sidecar", kubeconfig=kubeconfig))
