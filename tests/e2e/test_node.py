"""The local node is a Kubernetes that does what the program and its users ask of one."""

import functools
import re
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from string import Template

import pytest
import requests

from local import node
from tests.e2e.cluster import PATIENCE, SERVER, Cluster, eventually, get, server_image

NAMESPACE = "node-test"
CRD = "tables.node-test.linkerd-canary.local"
HOST_PORT = 14140
NO_ROUTE = r"no route to host|unreachable"


class Web:
    """The objects of testserver/objects.yaml, deployed."""

    def __init__(self, cluster: Cluster, program: Path) -> None:
        self.cluster, self.program = cluster, program

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return self.cluster.kubectl("--namespace", NAMESPACE, *arguments, given=given)

    def in_pod(self, *arguments: str) -> str:
        return self.kubectl("exec", "client", "--", "/bin/testserver", *arguments)

    def in_node(self, *arguments: str) -> str:
        return self.cluster.enter(str(self.program), *arguments)

    def from_everywhere(self, url: str) -> list[str]:
        """What a URL answers to a pod, to the node and to this machine."""
        return [
            eventually(lambda: self.in_pod("get", url)),
            eventually(lambda: self.in_node("get", url)),
            eventually(lambda: get(url)),
        ]


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> Iterator[Web]:
    image = server_image()
    if image.name not in node.image_names():
        node.load(image.archive())
    objects = Template((SERVER / "objects.yaml").read_text()).substitute(IMAGE=image.name)
    clean(cluster)  # of a run that was killed
    cluster.kubectl("create", "namespace", NAMESPACE)
    deployed = Web(cluster, image.program)
    try:
        deployed.kubectl("apply", "-f", "-", given=objects)
        for workload in ("deployment/web", "daemonset/agent"):
            deployed.kubectl("rollout", "status", workload, f"--timeout={PATIENCE:.0f}s")
        deployed.kubectl("wait", "--for=condition=Ready", "pod/client", f"--timeout={PATIENCE}s")
        yield deployed
    finally:
        clean(cluster)


def clean(cluster: Cluster) -> None:
    """Delete what the module's objects are in."""
    for kind, name in (("namespace", NAMESPACE), ("crd", CRD)):
        cluster.kubectl("delete", kind, name, "--ignore-not-found")


def test_it_is_the_release_that_was_asked_for(cluster: Cluster) -> None:
    versions = {
        each["status"]["nodeInfo"]["kubeletVersion"] for each in cluster.get("nodes")["items"]
    }
    assert versions == {node.KUBERNETES_VERSION}
    server = re.search(r"Server Version: (\S+)", cluster.kubectl("version"))
    assert server
    assert server[1] == node.KUBERNETES_VERSION


def test_the_kubeconfig_has_a_context_that_is_easy_to_type(cluster: Cluster) -> None:
    assert cluster.kubectl("config", "get-contexts", "-o", "name").split() == ["local"]
    assert cluster.kubectl("auth", "can-i", "*", "*", "--all-namespaces").strip() == "yes"


def test_a_headless_service_names_each_pod(web: Web) -> None:
    def addresses() -> set[str]:
        name = f"web-headless.{NAMESPACE}.svc.cluster.local"
        return set(web.in_pod("lookup", name).split())

    pods = web.cluster.get("pods", "-n", NAMESPACE, "-l", "app=web")["items"]
    assert eventually(lambda: addresses() == {pod["status"]["podIP"] for pod in pods})


def test_all_pods_of_a_node_are_of_one_slash_24(web: Web) -> None:
    networks = {each.name: web.cluster.network.pods_of(each) for each in node.NODES}
    pods = web.cluster.get("pods", "-n", NAMESPACE)["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == {each.name for each in node.nodes()}
    for pod in pods:
        assert IPv4Address(pod["status"]["podIP"]) in networks[pod["spec"]["nodeName"]]


def test_a_service_is_found_by_its_short_name(web: Web) -> None:
    assert "path=/short" in eventually(lambda: web.in_pod("get", "http://web/short"))


def test_names_outside_are_unknown_at_once(web: Web) -> None:
    with pytest.raises(AssertionError, match="no such host"):
        web.in_pod("lookup", "name.example")


def test_a_cluster_ip_answers_pods_the_node_and_this_machine(web: Web) -> None:
    address = web.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    for answer in web.from_everywhere(f"http://{address}/cluster-ip"):
        assert "path=/cluster-ip" in answer


def test_a_pod_reaches_itself_through_its_service(web: Web) -> None:
    command = ("exec", "deployment/web", "--", "/bin/testserver", "get", "http://web/hairpin")
    pod = web.kubectl("exec", "deployment/web", "--", "/bin/testserver", "get", "http://:8080/")
    name = pod.split()[0]
    assert eventually(lambda: name in web.kubectl(*command))


def test_a_host_port_of_each_node_answers_pods_the_node_and_this_machine(web: Web) -> None:
    for each in node.nodes():
        address = web.cluster.network.address(each)
        for answer in web.from_everywhere(f"http://{address}:{HOST_PORT}/"):
            assert f"node={each.name} hostip={address}" in answer


def test_a_pod_on_each_node_reaches_a_pod_on_each_other(web: Web) -> None:
    agents = {
        pod["spec"]["nodeName"]: pod
        for pod in web.cluster.get("pods", "-n", NAMESPACE, "-l", "app=agent")["items"]
    }
    assert set(agents) == {each.name for each in node.nodes()}
    for asking in agents.values():
        for name, asked in agents.items():
            get_it = ("--", "/bin/testserver", "get", f"http://{asked['status']['podIP']}:8080/")
            assert f"node={name} " in web.kubectl("exec", asking["metadata"]["name"], *get_it)


def test_a_load_balancer_gets_an_address_that_answers_everywhere(web: Web) -> None:
    address = eventually(lambda: load_balancer_address(web, "web-public"))
    assert address in map(str, web.cluster.network.load_balancers)
    for answer in web.from_everywhere(f"http://{address}/public"):
        assert "path=/public" in answer


def test_an_address_that_is_asked_for_is_given_and_freed_again(web: Web) -> None:
    wanted = str(web.cluster.network.load_balancers[77])
    for name in ("first", "second"):  # the second can only have it once the first has gone
        expose = ("expose", "deployment", "web", "--type=LoadBalancer", "--port=80")
        override = f'{{"spec": {{"loadBalancerIP": "{wanted}"}}}}'
        web.kubectl(*expose, f"--name={name}", f"--overrides={override}")
        given = eventually(functools.partial(load_balancer_address, web, name))
        web.kubectl("delete", "service", name)
        assert given == wanted


def test_an_address_out_of_the_pool_is_refused_in_an_event(web: Web) -> None:
    override = '{"spec": {"loadBalancerIP": "203.0.113.7"}}'
    expose = ("expose", "deployment", "web", "--type=LoadBalancer", "--port=80", "--name=stray")
    web.kubectl(*expose, f"--overrides={override}")
    events = ("events", "--for", "service/stray")
    assert eventually(lambda: "203.0.113.7 is not an address" in web.kubectl(*events))
    assert not load_balancer_address(web, "stray")
    web.kubectl("delete", "service", "stray")


def load_balancer_address(web: Web, service: str) -> str:
    path = "jsonpath={.status.loadBalancer.ingress[*].ip}"
    return web.kubectl("get", "service", service, "-o", path)


def test_a_job_runs_to_its_end_and_its_log_can_be_read(web: Web) -> None:
    web.kubectl("wait", "--for=condition=Complete", "job/once", f"--timeout={PATIENCE}s")
    assert "path=/from-the-job" in web.kubectl("logs", "job/once")


def test_logs_and_the_downward_api(web: Web) -> None:
    for pod in web.kubectl("get", "pods", "-l", "app=agent", "-o", "name").split():
        assert "listening on :8080" in web.kubectl("logs", pod)
    assert f"node={node.NODE_NAME} " in get(f"http://{web.cluster.network.node}:{HOST_PORT}/")


def test_a_config_map_as_environment(web: Web) -> None:
    assert "greeting=hello" in eventually(lambda: web.in_pod("get", "http://web/"))


def test_port_forward(web: Web) -> None:
    command = web.cluster.command("-n", NAMESPACE, "port-forward", "service/web", ":80")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            assert forwarding.stdout
            port = forwarding.stdout.readline().split(" -> ")[0].rpartition(":")[2]
            # Not a node's address: loopback.
            answer = requests.get(f"http://127.0.0.1:{port}/forwarded", timeout=30)
            assert "path=/forwarded" in answer.text
        finally:
            forwarding.terminate()


def test_a_custom_resource_keeps_what_its_schema_declares(web: Web) -> None:
    web.kubectl("wait", "--for=condition=Established", f"crd/{CRD}", f"--timeout={PATIENCE}s")
    web.kubectl(
        "apply",
        "-f",
        "-",
        given="""\
apiVersion: node-test.linkerd-canary.local/v1
kind: Table
metadata: {name: internal}
dentries: [{prefix: /svc, dst: /host}]
""",
    )
    assert web.kubectl("get", "table", "internal", "-o", "jsonpath={.dentries[0].dst}") == "/host"


def test_rbac_gives_what_a_role_says_and_no_more(web: Web) -> None:
    def may(verb: str) -> bool:
        review = ("auth", "can-i", verb, CRD)
        user = f"--as=system:serviceaccount:{NAMESPACE}:reader"
        done = subprocess.run(
            web.cluster.command("-n", NAMESPACE, *review, user),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() == "yes"

    assert may("list")
    assert not may("delete")


def test_scaling_up_and_down(web: Web) -> None:
    def ready(replicas: int) -> bool:
        path = "jsonpath={.status.readyReplicas}"
        return web.kubectl("get", "deployment", "web", "-o", path) == str(replicas)

    for replicas in (5, 3):
        web.kubectl("scale", "deployment/web", f"--replicas={replicas}")
        web.kubectl("rollout", "status", "deployment/web", f"--timeout={PATIENCE:.0f}s")
        assert eventually(functools.partial(ready, replicas))


def test_a_rollout_replaces_every_pod(web: Web) -> None:
    def names() -> set[str]:
        return set(web.kubectl("get", "pods", "-l", "app=web", "-o", "name").split())

    before = names()
    web.kubectl("rollout", "restart", "deployment/web")
    web.kubectl("rollout", "status", "deployment/web", f"--timeout={PATIENCE:.0f}s")
    assert eventually(lambda: len(names()) == 3 and not names() & before)


def test_there_is_no_way_out(web: Web) -> None:
    with pytest.raises(AssertionError, match=NO_ROUTE):
        web.in_node("get", "http://203.0.113.1/")
    with pytest.raises(AssertionError, match=NO_ROUTE):
        web.in_pod("get", "http://203.0.113.1/")
