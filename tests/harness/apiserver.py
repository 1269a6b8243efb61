"""A real etcd and kube-apiserver on loopback, for as long as a test needs them ("envtest style").

    with api_server() as server:
        server.kubectl("create", "namespace", "demo")

There is no node and no scheduler: pods are objects that never run, and a workload's status is what
a test writes. What deletes and RBAC need is there: the garbage collector and two more controllers
run beside the API server.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from local.binaries import kube
from tests.harness.certificates import ADVERTISED, SERVICES, Authority
from tests.harness.egress import egress_to_loopback
from tests.harness.kubectl_proxy import kubectl_proxy
from tests.harness.processes import EndedTooSoonError, Process, free_port, running
from tests.harness.waiting import wait_until

CONTROLLERS = (
    "clusterrole-aggregation-controller",  # without it `view`, `edit` and `admin` are empty
    "garbage-collector-controller",
    "namespace-controller",
)
_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {level: None, users: ["system:apiserver", "system:controllers"]}
- {level: None, nonResourceURLs: ["/readyz*", "/healthz*", "/livez*"]}
- {level: Metadata}
"""


@dataclass(frozen=True)
class Request:
    """One request that the API server answered, from its audit log."""

    verb: str
    """Of Kubernetes: get, list, watch, create, update, patch, delete, …"""
    path: str
    """With its query."""
    user: str
    status: int

    @property
    def writes(self) -> bool:
        """Whether it asks for a change; a dry run does not."""
        reads = self.verb in ("get", "list", "watch") or "dryRun=All" in self.path
        return not reads and not self.path.startswith("/apis/authorization.k8s.io/")


@dataclass
class ApiServer:
    """A running API server; made by `api_server()`."""

    folder: Path
    url: str
    """https://127.0.0.1:PORT"""
    kubeconfig: Path
    """An administrator's, by client certificate."""
    authority: Authority
    _binaries: Path
    _process: Process
    _exposed: int = field(default=0)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def ca_file(self) -> Path:
        return self.authority.pki / "ca.crt"

    @contextmanager
    def away(self) -> Iterator[None]:
        """It takes connections and answers none, until the end."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def kubectl(self, *arguments: str | Path, given: str | None = None) -> str:
        """Run kubectl as the administrator, `given` on its standard input; what it prints.

        Raises RuntimeError with what kubectl says when it fails.
        """
        command = [self._binaries / "kubectl", "--kubeconfig", self.kubeconfig, *arguments]
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """One object as the API server has it."""
        where = ["--namespace", namespace] if namespace else []
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, *where, "-o", "json"))
        return found

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create or change objects as the administrator."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", given=json.dumps(listed))

    def define(self, definition: dict[str, Any]) -> None:
        """Create or change a CustomResourceDefinition, and wait until its objects are served."""
        self.apply(definition)
        name = str(definition["metadata"]["name"])
        self.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=300s")
        # Discovery, which kubectl goes by, and the paths themselves follow a moment later.
        wait_until(lambda: self.succeeds("get", name, "--all-namespaces"), f"{name} is served")

    def wait_until_allowed(self, user: str, verb: str, resource: str, namespace: str = "") -> None:
        """Wait until RBAC lets a user do something: it learns of new bindings by a watch.

        A resource may have a subresource: `services/proxy`.
        """
        where = ["--namespace", namespace] if namespace else []
        kind, _, part = resource.partition("/")
        below = [f"--subresource={part}"] if part else []
        review = ("auth", "can-i", verb, kind, *below, f"--as={user}", *where)
        wait_until(lambda: self.succeeds(*review), f"{user} may {verb} {resource}")

    def succeeds(self, *arguments: str | Path) -> bool:
        """Whether kubectl, run as the administrator, does what it is told."""
        try:
            self.kubectl(*arguments)
        except RuntimeError:
            return False
        return True

    def set_status(self, kind: str, name: str, status: dict[str, Any], namespace: str = "") -> None:
        """Write an object's status, as the controller would that does not run here."""
        where = ["--namespace", namespace] if namespace else []
        patch = json.dumps({"status": status})
        self.kubectl(
            "patch", kind, name, *where, "--subresource=status", "--type=merge", "-p", patch
        )

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig of another user, by client certificate; RBAC decides what it may do."""
        return self.authority.kubeconfig(user, groups)

    def service_account_token(self, namespace: str, name: str, seconds: int = 3600) -> str:
        """A token of a service account that exists."""
        return self.kubectl(
            "create", "token", name, "--namespace", namespace, f"--duration={seconds}s"
        ).strip()

    def kubeconfig_with(self, name: str, user: dict[str, Any]) -> Path:
        """A kubeconfig whose user entry is the one given: a token, an exec plugin, …"""
        content = yaml.safe_load(self.kubeconfig.read_text())
        content["users"][0]["user"] = user
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(content))
        path.chmod(0o600)
        return path

    def expose(self, namespace: str, service: str, ports: dict[str, int]) -> None:
        """Make programs on loopback reachable through the API server's service proxy.

        `ports` gives a port of 127.0.0.1 for each name of a port. The namespace must exist.
        """
        self._exposed += 1
        address = f"198.51.100.{self._exposed}"  # of TEST-NET-2 (RFC 5737)
        metadata = {"name": service, "namespace": namespace}
        listed = [{"name": name, "port": port} for name, port in ports.items()]
        container = {"name": service, "image": "none"}
        target = {"kind": "Pod", **metadata}
        subset = {"addresses": [{"ip": address, "targetRef": target}], "ports": listed}
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                "spec": {"ports": listed},
            },
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": metadata,
                "spec": {"containers": [container]},
            },
            {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]},
        )
        status = {"podIP": address, "podIPs": [{"ip": address}], "phase": "Running"}
        self.set_status("pod", service, status, namespace)

    @contextmanager
    def proxy(self, kubeconfig: Path | None = None) -> Iterator[str]:
        """`kubectl proxy` on a free port: plain HTTP as the administrator or another; its URL."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            as_whom = f"--kubeconfig={kubeconfig or self.kubeconfig}"
            with kubectl_proxy([self._binaries / "kubectl", as_whom], Path(folder)) as url:
                yield url

    def requests(self) -> list[Request]:
        """What clients have asked for so far, in the order of the answers.

        To see what a test asked for, take the length before it and the rest after it.
        """
        text = (self.folder / "audit.log").read_text()
        # The last line may be half written.
        return [_request(json.loads(line)) for line in text.split("\n")[:-1]]


def _request(event: dict[str, Any]) -> Request:
    return Request(
        verb=event["verb"],
        path=event["requestURI"],
        user=event.get("user", {}).get("username", ""),
        status=event.get("responseStatus", {}).get("code", 0),
    )


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """Start etcd, kube-apiserver and the controllers of deletes; all of it is gone afterwards."""
    programs = kube()
    with ExitStack() as stack:
        server = _started_on_a_free_port(programs, stack)
        _start_controllers(programs, server, stack)
        yield server


def _started_on_a_free_port(programs: Path, stack: ExitStack, attempts: int = 3) -> ApiServer:
    """Start etcd and the API server; again on another port where something else took it first."""
    for attempt in range(attempts):
        with ExitStack() as attempted:
            try:
                server = _start(programs, attempted)
            except EndedTooSoonError as ended:
                if "address already in use" not in str(ended) or attempt == attempts - 1:
                    raise
            else:
                stack.enter_context(attempted.pop_all())
                return server
    raise AssertionError("unreachable: the last attempt returns or raises")


def _start(programs: Path, stack: ExitStack) -> ApiServer:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apiserver-")))
    egress = stack.enter_context(egress_to_loopback(folder))
    # etcd takes a Unix socket where a URL of host:port is expected: the file's name has the colon.
    etcd_command: list[str | Path] = [
        programs / "etcd",
        "--data-dir=etcd.data",
        "--unsafe-no-fsync",
        "--listen-client-urls=unix://etcd:0",
        "--advertise-client-urls=unix://etcd:0",
        "--listen-peer-urls=http://127.0.0.1:0",
    ]
    stack.enter_context(running(etcd_command, folder / "etcd.log", cwd=folder))
    port = free_port()
    authority = Authority(programs / "kubeadm", folder, port)
    (folder / "audit.yaml").write_text(_AUDIT_POLICY)
    (folder / "audit.log").touch()
    command = _apiserver_command(programs, folder, authority.pki, port, egress)
    log = folder / "kube-apiserver.log"
    process = stack.enter_context(running(command, log, cwd=folder))
    server = ApiServer(
        folder=folder,
        url=f"https://127.0.0.1:{port}",
        kubeconfig=authority.kubeconfig("admin", ["system:masters"]),
        authority=authority,
        _binaries=programs,
        _process=process,
    )
    _wait_until_ready(process, server)
    return server


def _apiserver_command(
    programs: Path, folder: Path, pki: Path, port: int, egress: Path
) -> list[str | Path]:
    return [
        programs / "kube-apiserver",
        f"--etcd-servers=unix://{folder}/etcd:0",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--advertise-address={ADVERTISED}",
        f"--service-cluster-ip-range={SERVICES}",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--service-account-key-file={pki}/sa.pub",
        "--authorization-mode=RBAC",
        "--allow-privileged",
        # Nothing makes each namespace's `default` service account, which this would ask of a pod.
        "--disable-admission-plugins=ServiceAccount",
        f"--egress-selector-config-file={egress}",
        f"--audit-policy-file={folder}/audit.yaml",
        f"--audit-log-path={folder}/audit.log",
    ]


def _wait_until_ready(process: Process, server: ApiServer) -> None:
    def ready() -> bool:
        try:
            answer = requests.get(f"{server.url}/readyz", verify=str(server.ca_file), timeout=5)
        except requests.RequestException:
            return False
        return answer.text == "ok"

    process.wait_until(ready, f"{server.url}/readyz says ok")


def _start_controllers(programs: Path, server: ApiServer, stack: ExitStack) -> None:
    kubeconfig = server.kubeconfig_for("system:controllers", ["system:masters"])
    command: list[str | Path] = [
        programs / "kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--leader-elect=false",
        # The default of 20 a second makes a test that deletes much wait for nothing else.
        "--kube-api-qps=1000",
        "--kube-api-burst=1000",
        "--secure-port=0",
    ]
    stack.enter_context(running(command, server.folder / "controllers.log", cwd=server.folder))
