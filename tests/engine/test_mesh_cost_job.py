"""`python -m bench.mesh cluster` against a real API server, which has no nodes."""

import json
from collections.abc import Iterator

import pytest

from bench.mesh import job
from bench.mesh.__main__ import main
from bench.mesh.job import Stack
from bench.mesh.load import Route
from bench.mesh.usage import Usages
from kube.connection import to_cluster
from local.errors import LocalError
from tests.harness.apiserver import ApiServer

pytestmark = pytest.mark.long

APPS = "bench-apps"


@pytest.fixture(scope="module")
def stack(api_server: ApiServer) -> Iterator[Stack]:
    """Apps under Pod Security `restricted`, and no mesh."""
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": APPS, "labels": enforced}
    api_server.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": APPS},
        },
    )
    with to_cluster(str(api_server.kubeconfig)) as cluster:
        yield Stack(cluster, "fortio/fortio:1", "bench-mesh", APPS, "world-v1", "world")
    api_server.kubectl("delete", "namespace", APPS, "--wait=false")


def manifest(stack: Stack, name: str) -> dict[str, object]:
    return job.manifest(name, stack, Route("http://x/"), 10)


def test_pod_security_restricted_admits_the_jobs_pod(stack: Stack) -> None:
    template = job.manifest("admitted", stack, Route("http://x/"), 10)["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "admitted"}, **template}
    pod["metadata"] = {"name": "admitted"}
    made = stack.ask("POST", f"/api/v1/namespaces/{APPS}/pods?dryRun=All", pod)
    assert made["metadata"]["name"] == "admitted"


def test_the_job_is_gone_afterwards_whatever_happens(stack: Stack, api_server: ApiServer) -> None:
    with pytest.raises(RuntimeError, match="interrupted"):
        _interrupt(stack, api_server)
    listed = json.loads(api_server.kubectl("get", "jobs", "-n", APPS, "-o", "json"))["items"]
    assert [each for each in listed if "deletionTimestamp" not in each["metadata"]] == []


def _interrupt(stack: Stack, api_server: ApiServer) -> None:
    with job._running(stack, manifest(stack, "passing")):
        assert api_server.get("job", "passing", APPS)["spec"]["backoffLimit"] == 0
        raise RuntimeError("interrupted")


def test_a_pod_that_cannot_run_is_told_in_one_line(stack: Stack, api_server: ApiServer) -> None:
    template = job.manifest("stuck", stack, Route("http://x/"), 10)["spec"]["template"]
    metadata = {"name": "stuck", "namespace": APPS, "labels": {"job": "stuck"}}
    api_server.apply({"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata})
    waiting = {"reason": "ErrImagePull", "message": "no such image"}
    status = {
        "phase": "Failed",
        "initContainerStatuses": [
            {
                "name": "warm-up-1",
                "image": "fortio/fortio:1",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": {"waiting": waiting},
            }
        ],
    }
    api_server.set_status("pod", "stuck", status, APPS)
    usages = Usages(stack.cluster, {}, job.LINKERD)
    with pytest.raises(LocalError, match="did not start: ErrImagePull: no such image"):
        job._finished(stack, "stuck", usages, 60)


def test_a_cluster_without_the_stack_is_one_line(
    api_server: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = str(api_server.kubeconfig)
    assert main(["cluster", "--kubeconfig", kubeconfig]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        "error: no service world-v1 with a port in hello-world and no linkerd in linkerd:"
    )
    assert said.count("\n") == 1


def test_services_without_ports_or_without_their_names_are_no_hindrance(
    stack: Stack, api_server: ApiServer
) -> None:
    """As others' services in a namespace may be."""
    specs: dict[str, dict[str, object]] = {
        "elsewhere": {"type": "ExternalName", "externalName": "example.com"},
        "headless": {"clusterIP": "None", "selector": {"app": "a"}},
        "world-v1": {"clusterIP": "None", "ports": [{"port": 7778}]},
    }
    for name, spec in specs.items():
        metadata = {"name": name, "namespace": APPS}
        api_server.apply(
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        )
    found = job._services(stack, APPS)
    assert found == {"elsewhere": {}, "headless": {}, "world-v1": {"": 7778}}
    assert job.routes(found, found, stack) == {
        "direct": Route(f"http://world-v1.{APPS}:7778/"),
    }


def test_a_log_that_may_not_be_read_is_told(stack: Stack) -> None:
    with pytest.raises(LocalError, match=r"GET .*/pods/gone/log: 404 .*not found"):
        stack.log("gone", "measured")


def test_only_linkerds_that_run_are_asked_what_they_use(
    stack: Stack, api_server: ApiServer
) -> None:
    """Of an evicted one no kubelet tells anything, and then nothing was said of all."""
    for name, phase in (("l5d-runs", "Running"), ("l5d-evicted", "Failed")):
        template = job.manifest(name, stack, Route("http://x/"), 10)["spec"]["template"]
        container = {**template["spec"]["containers"][0], "name": job.LINKERD}
        spec = {**template["spec"], "containers": [container], "initContainers": []}
        metadata = {"name": name, "namespace": APPS}
        api_server.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        api_server.set_status("pod", name, {"phase": phase}, APPS)
    assert [pod["metadata"]["name"] for pod, _ in job._linkerds(stack)] == ["l5d-runs"]
