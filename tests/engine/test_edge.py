"""The URL that the outside uses, by each exposure, on a real API server."""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.paths import ROOT
from mesh import nodes
from tests.harness.apiserver import ApiServer
from tests.harness.engine import Engine, EngineFailedError, kubernetes_plugin, stack
from tests.harness.processes import free_port

PROGRAM = Path(__file__).parent / "programs" / "edge.py"
LABELS = {"app": "l5d"}
READY = [{"type": "Ready", "status": "True"}]


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    """A new one."""
    name = f"mesh-{uuid.uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", name)
    return name


def run_linkerd(api_server: ApiServer, namespace: str, hosts: dict[str, Any]) -> None:
    """A pod of linkerd on each host, in a state of its own, and an endpoint of `l5d-external`."""
    names = {host: f"l5d-{number}" for number, host in enumerate(hosts)}
    for name in names.values():
        metadata = {"name": name, "namespace": namespace, "labels": LABELS}
        spec = {"containers": [{"name": "l5d", "image": "none"}]}
        api_server.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    for host, conditions in hosts.items():
        status = {"hostIP": host, "hostIPs": [{"ip": host}], "conditions": conditions}
        api_server.set_status("pod", names[host], status, namespace)
    addresses = [{"ip": "198.51.100.7"}]
    api_server.apply(
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "l5d-external", "namespace": namespace},
            "subsets": [{"addresses": addresses, "ports": [{"name": "http", "port": 4142}]}],
        }
    )


class TestNodes:
    def address(self, api_server: ApiServer, namespace: str, user: Path | None = None) -> str:
        kubeconfig = (user or api_server.kubeconfig).read_text()
        return nodes.address(kubeconfig, namespace, LABELS)

    def test_it_is_the_lowest_with_a_ready_pod(self, api_server: ApiServer, namespace: str) -> None:
        not_ready = [{"type": "Ready", "status": "False"}]
        hosts = {"10.0.0.10": READY, "10.0.0.9": READY, "10.0.0.2": not_ready, "10.0.0.1": []}
        run_linkerd(api_server, namespace, hosts)
        assert self.address(api_server, namespace) == "10.0.0.9"

    def test_listing_the_pods_of_the_namespace_is_right_enough(
        self, api_server: ApiServer, namespace: str
    ) -> None:
        run_linkerd(api_server, namespace, {"10.0.0.9": READY})
        user = f"lister-of-{namespace}"
        api_server.kubectl(
            "create", "role", "lister", "--verb=list", "--resource=pods", "-n", namespace
        )
        api_server.kubectl(
            *("create", "rolebinding", "lister", "--role=lister", f"--user={user}"),
            *("-n", namespace),
        )
        api_server.wait_until_allowed(user, "list", "pods", namespace)
        assert self.address(api_server, namespace, api_server.kubeconfig_for(user)) == "10.0.0.9"

    def test_no_ready_pod_is_one_line(self, api_server: ApiServer, namespace: str) -> None:
        with pytest.raises(nodes.NodeAddressError) as raised:
            self.address(api_server, namespace)
        assert str(raised.value) == f"no pod app=l5d in {namespace} is ready on any node"

    def test_a_refusal_is_one_line(self, api_server: ApiServer, namespace: str) -> None:
        nobody = api_server.kubeconfig_for("nobody")
        with pytest.raises(nodes.NodeAddressError) as raised:
            self.address(api_server, namespace, nobody)
        said = str(raised.value)
        assert said.startswith(f"the cluster at {api_server.url} answers 403, forbidden: pods is")
        assert said.endswith(f"; grant list on pods in the namespace {namespace}")

    def test_a_cluster_that_is_not_there_is_one_line(self, api_server: ApiServer) -> None:
        elsewhere = f"https://127.0.0.1:{free_port()}"
        kubeconfig = api_server.kubeconfig.read_text().replace(api_server.url, elsewhere)
        with pytest.raises(nodes.NodeAddressError) as raised:
            nodes.address(kubeconfig, "mesh", LABELS)
        assert str(raised.value) == (
            f"the cluster at {elsewhere} cannot be reached: Connection refused"
        )


@pytest.fixture
def engine(tmp_path: Path, api_server: ApiServer, namespace: str) -> Iterator[Engine]:
    run_linkerd(api_server, namespace, {"10.0.0.9": READY})
    with stack(tmp_path, {"kubernetes": kubernetes_plugin()}, PYTHONPATH=str(ROOT)) as engine:
        kubeconfig = api_server.kubeconfig.read_text()
        engine.run(
            PROGRAM,
            NAMESPACE=namespace,
            KUBECONFIG_CONTENT=kubeconfig,
            ASKING=kubeconfig,
            NODE_ADDRESS="",
        )
        yield engine


def test_the_url_follows_the_exposure(
    engine: Engine, api_server: ApiServer, namespace: str
) -> None:
    engine.set_environment(EXPOSURE="NodePort")
    first = engine.preview()
    assert first.steps == {"create": 3}
    engine.up()
    port = api_server.get("service", "l5d-external", namespace)["spec"]["ports"][0]["nodePort"]
    assert engine.outputs() == {"url": f"http://10.0.0.9:{port}"}
    assert engine.preview("--expect-no-changes").steps == {"unchanged": 3}
    assert "kubeconfig" not in json.dumps(engine.state()["resources"][0])

    engine.set_environment(NODE_ADDRESS="2001:db8::7")
    engine.up()
    assert engine.outputs() == {"url": f"http://[2001:db8::7]:{port}"}

    engine.set_environment(EXPOSURE="ClusterIP")
    assert engine.up().steps == {"update": 1, "unchanged": 2}
    assert engine.outputs() == {"url": f"http://l5d-external.{namespace}.svc.cluster.local"}


@pytest.mark.long
def test_a_preview_goes_on_without_a_nodes_address_and_an_update_says_why_not(
    engine: Engine, api_server: ApiServer, namespace: str
) -> None:
    engine.set_environment(EXPOSURE="NodePort")
    engine.up()
    nobody = api_server.kubeconfig_for("nobody").read_text()
    engine.set_environment(ASKING=nobody)
    reason = (
        f"url: the address of a node is not known: the cluster at {api_server.url} answers 403, "
        'forbidden: pods is forbidden: User "nobody" cannot list resource "pods" in API group "" '
        f'in the namespace "{namespace}"; grant list on pods in the namespace {namespace}; '
        "name one with `pulumi config set nodeAddress …`"
    )
    preview = engine.preview()
    assert preview.steps == {"unchanged": 3}
    assert f"warning: {reason}" in preview.text
    with pytest.raises(EngineFailedError) as failed:
        engine.up()
    assert failed.value.lines[0] == reason
    assert "Traceback" not in str(failed.value)
    engine.set_environment(NODE_ADDRESS="node.example")
    engine.up()
    assert re.fullmatch(r"http://node\.example:3\d{4}", engine.outputs()["url"])


@pytest.mark.long
def test_a_load_balancer_without_an_address_is_one_line(
    engine: Engine, api_server: ApiServer, namespace: str
) -> None:
    engine.set_environment(EXPOSURE="ClusterIP")
    engine.up()
    taken = {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}
    api_server.kubectl(
        *("patch", "service", "l5d-external", "-n", namespace, "--type=merge"),
        *("-p", '{"spec": {"type": "LoadBalancer"}}'),
    )
    api_server.set_status("service", "l5d-external", taken, namespace)
    engine.set_environment(EXPOSURE="LoadBalancer")
    engine.up()
    assert engine.outputs() == {"url": "http://lb.example"}
    api_server.set_status("service", "l5d-external", {"loadBalancer": None}, namespace)
    engine.refresh()
    preview = engine.preview()
    reason = f"url: service {namespace}/l5d-external has no address from a load balancer: see "
    assert f"warning: {reason}" in preview.text
