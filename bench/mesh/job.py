"""What the mesh of a cluster costs: fortio in a Job for each path that the stack has.

The Job's pod runs one fortio after another, a container each: stretches of warm-up, then the one
that is measured. CPU and memory are what the nodes' kubelets say of the linkerds meanwhile.
"""

import argparse
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.mesh import figures, load
from bench.mesh.figures import Row
from bench.mesh.load import Route
from bench.mesh.usage import Usages
from kube.connection import Connection, to_cluster
from kube.errors import OneLineError
from local import node
from local.archives import OwnImage
from local.errors import LocalError
from local.paths import KUBECONFIG

IMAGE = "fortio/fortio:1.66.5"
STRETCHES = 6
LINKERD = "l5d"
"""What the project calls the container of a linkerd."""

OVERHEAD = 120.0
"""Seconds that scheduling a pod, fetching its image and starting its containers may take."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What says which cluster, and where on it the stack is."""
    parser.add_argument("--kubeconfig", help="a file; by default that of the local nodes")
    parser.add_argument("--context", help="of the kubeconfig; by default its current one")
    parser.add_argument("--image", help=f"of fortio; by default {IMAGE}, on local nodes built here")
    parser.add_argument("--mesh-namespace", default="linkerd")
    parser.add_argument("--apps-namespace", default="hello-world")
    parser.add_argument("--app", default="world-v1", help="the service that is asked straight")
    parser.add_argument("--host", default="world", help="the name that is asked by the mesh")


@dataclass(frozen=True)
class Stack:
    """Where on a cluster the load goes, and by what image."""

    cluster: Connection
    image: str
    mesh: str
    apps: str
    app: str
    host: str

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A request to the API server; a LocalError with what it says if it refuses."""
        text = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if text else None
        answer = self.cluster.send(method, path, headers=headers, body=text)
        if answer.status >= 400:
            raise LocalError(f"{method} {path}: {answer.status} {_message(answer.text)}")
        return json.loads(answer.text)

    def log(self, pod: str, container: str) -> str:
        """What a container has written; a LocalError if the API server does not give it."""
        path = f"/api/v1/namespaces/{self.apps}/pods/{pod}/log"
        answer = self.cluster.send("GET", path, params={"container": container})
        if answer.status >= 400:
            raise LocalError(f"GET {path}: {answer.status} {_message(answer.text)}")
        return answer.text


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:200]


def main(given: argparse.Namespace, seconds: float) -> None:
    """Measure each path that the stack has, and print the table."""
    try:
        with to_cluster(given.kubeconfig or _local_kubeconfig(), given.context) as cluster:
            image = given.image or (IMAGE if given.kubeconfig else _own_image())
            stack = Stack(
                cluster, image, given.mesh_namespace, given.apps_namespace, given.app, given.host
            )
            found = routes(_services(stack, stack.mesh), _services(stack, stack.apps), stack)
            if not found:
                raise LocalError(
                    f"no service {stack.app} with a port in {stack.apps} and no linkerd in "
                    f"{stack.mesh}: give --apps-namespace, --mesh-namespace and --app"
                )
            rows = list(_measured_paths(stack, found, seconds))
            print(f"linkerd: {', '.join(_images(stack)) or 'none'}")
            print(
                f"{load.CONNECTIONS} connections, {seconds:g} s after the warm-up; CPU and memory "
                "of all linkerds of the stack"
            )
            print(figures.table(rows))
    except OneLineError as error:
        raise LocalError(str(error)) from None


def _measured_paths(stack: Stack, found: Mapping[str, Route], seconds: float) -> Iterator[Row]:
    """Each path that can be measured; a LocalError where none can."""
    failures = []
    for name, route in found.items():
        try:
            yield measure(stack, name, route, seconds)
        except LocalError as error:
            failures.append(f"{name}: {error}")
            print(f"not measured: {failures[-1]}", flush=True)
    if len(failures) == len(found):
        raise LocalError("no path could be measured")


def _local_kubeconfig() -> str:
    if not KUBECONFIG.exists():
        raise LocalError("no local nodes: run `make up`, or give --kubeconfig")
    return str(KUBECONFIG)


def _own_image() -> str:
    """fortio as built here, for the local nodes, which may not reach a registry."""
    own = OwnImage(load.fortio())
    if own.name not in node.image_names():
        node.load(own.archive())
    return own.name


def _services(stack: Stack, namespace: str) -> Mapping[str, Mapping[str, int]]:
    """The ports of the services of a namespace, by their names.

    A service's only port may be without one, and a service without ports: both may be others'.
    """
    listed = stack.ask("GET", f"/api/v1/namespaces/{namespace}/services")["items"]
    return {
        each["metadata"]["name"]: {
            port.get("name", ""): port["port"] for port in each["spec"].get("ports") or ()
        }
        for each in listed
    }


def _images(stack: Stack) -> Sequence[str]:
    """Of the linkerds."""
    return sorted({container["image"] for _, container in _linkerds(stack)})


def _linkerds(stack: Stack) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Running pods with their container that is a linkerd."""
    for namespace in dict.fromkeys((stack.mesh, stack.apps)):
        for pod in stack.ask("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]:
            # Of one that has been evicted, or is to go, no kubelet tells until the end.
            if pod["status"].get("phase") != "Running" or "deletionTimestamp" in pod["metadata"]:
                continue
            for container in pod["spec"]["containers"]:
                if container["name"] == LINKERD:
                    yield pod, container


Ports = Mapping[str, Mapping[str, int]]


def routes(mesh: Ports, apps: Ports, stack: Stack) -> dict[str, Route]:
    """The paths that a stack with these services has, for a pod without a linkerd beside it."""
    found: dict[str, Route] = {}
    if ports := apps.get(stack.app):
        port = next(iter(ports.values()))
        found["direct"] = Route(f"http://{stack.app}.{stack.apps}:{port}/")
    own_node = next((name for name in ("l5d-node", "l5d") if "outgoing" in mesh.get(name, {})), "")
    if own_node:
        url = f"http://{own_node}.{stack.mesh}:{mesh[own_node]['outgoing']}/"
        found["by the node's linkerd"] = Route(url, {"Host": stack.host})
    if ports := mesh.get("l5d-external"):
        port = next(iter(ports.values()))
        found["from outside"] = Route(f"http://l5d-external.{stack.mesh}:{port}/")
    return found


def manifest(name: str, stack: Stack, route: Route, seconds: float) -> dict[str, Any]:
    """A Job whose pod sends requests by a route, in stretches and then for the figure."""
    warm_up = [
        _container(f"warm-up-{number}", stack.image, route, load.WINDOW)
        for number in range(1, STRETCHES + 1)
    ]
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": warm_up,
        "containers": [_container("measured", stack.image, route, seconds)],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": stack.apps},
        "spec": {
            "backoffLimit": 0,
            # For a command that was killed: at this moment the pod is deleted, and what it waits
            # for could not be told any more.
            "activeDeadlineSeconds": int(_longest(seconds)) + 60,
            "ttlSecondsAfterFinished": 600,
            "template": {"metadata": {"labels": {"job": name}}, "spec": pod},
        },
    }


def _longest(seconds: float) -> float:
    return OVERHEAD + 2 * (STRETCHES * load.WINDOW + seconds)


def _container(name: str, image: str, route: Route, seconds: float) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "args": load.arguments(route, seconds),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
    }


def measure(stack: Stack, name: str, route: Route, seconds: float) -> Row:
    """The figures of one path."""
    job = f"bench-mesh-{uuid.uuid4().hex[:8]}"
    nodes = {
        (pod["metadata"]["namespace"], pod["metadata"]["name"]): pod["spec"]["nodeName"]
        for pod, _ in _linkerds(stack)
    }
    usages = Usages(stack.cluster, nodes, LINKERD)
    with _running(stack, manifest(job, stack, route, seconds)):
        pod = _finished(stack, job, usages, _longest(seconds))
        began, ended = _measured(pod)
        usages.sample_until(ended)
        names = [f"warm-up-{number}" for number in range(1, STRETCHES + 1)]
        pod_name = pod["metadata"]["name"]
        stretches = [load.parse(stack.log(pod_name, each)) for each in names]
        result = load.parse(stack.log(pod_name, "measured"))
    used = usages.cpu_seconds(began, ended)
    return Row(
        name=name,
        rate=result.rate,
        p50=result.p50,
        p95=result.p95,
        p99=result.p99,
        cpu=None if used is None else 1000 * used / result.requests,
        resident=usages.resident_mib(),
        warm_up=STRETCHES * load.WINDOW,
        warm=load.steady([each.rate for each in stretches]),
    )


@contextmanager
def _running(stack: Stack, job: Mapping[str, Any]) -> Iterator[None]:
    """A Job, which is deleted with its pod."""
    path = f"/apis/batch/v1/namespaces/{stack.apps}/jobs"
    stack.ask("POST", path, job)
    try:
        yield
    finally:
        name = job["metadata"]["name"]
        stack.ask("DELETE", f"{path}/{name}", {"propagationPolicy": "Background"})


def _finished(stack: Stack, job: str, usages: Usages, longest: float) -> Mapping[str, Any]:
    """The Job's pod once it has ended well; the linkerds are looked at meanwhile."""
    path = f"/api/v1/namespaces/{stack.apps}/pods?labelSelector=job%3D{job}"
    deadline = time.monotonic() + longest
    pod: Mapping[str, Any] = {}
    while time.monotonic() < deadline:
        pod = next(iter(stack.ask("GET", path)["items"]), {})
        phase = pod.get("status", {}).get("phase")
        if phase == "Succeeded":
            return pod
        if phase == "Failed":
            break
        usages.sample()
        time.sleep(1)
    raise LocalError(f"the Job {job} in {stack.apps} {_trouble(stack, pod)}")


def _trouble(stack: Stack, pod: Mapping[str, Any]) -> str:
    """Why a pod has not ended well."""
    status = pod.get("status", {})
    for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        state = each["state"]
        if ended := state.get("terminated"):
            if ended["exitCode"]:
                said = stack.log(pod["metadata"]["name"], each["name"]).strip()
                return f"failed: {said.splitlines()[-1][:300] if said else ended['exitCode']}"
        elif (waits := state.get("waiting", {})).get("message"):
            return f"did not start: {waits['reason']}: {waits['message']}"
    reasons = [each["message"] for each in status.get("conditions", ()) if each.get("message")]
    return f"did not end in time: {reasons[0] if reasons else 'it has no pod'}"


def _measured(pod: Mapping[str, Any]) -> tuple[float, float]:
    """When the measured container began and ended, in Unix seconds."""
    (status,) = pod["status"]["containerStatuses"]
    ended = status["state"]["terminated"]
    began, finished = (
        datetime.fromisoformat(ended[key]).timestamp() for key in ("startedAt", "finishedAt")
    )
    return began, finished
