"""The workflows' steps on the local stack: what a runner gives them, and whom they act as."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local import policies, stack, toolchain
from local.paths import KUBECONFIG, ROOT
from tests.e2e import local_stack
from tests.e2e.cluster import Cluster
from tests.harness.fake_github import FakeGitHub
from tests.harness.workflows import command

RIGHTS = ROOT / "ci" / "rights"
NAMESPACE = "ci"
NAMESPACES = ("linkerd", "hello-world")
"""The stack's own."""
IDENTITIES = ("preview", "deploy")
ADMINISTRATOR = "administrator"

CREDENTIAL = "LINKERD_CANARY_TEST_CREDENTIAL"
"""A variable that stands in for an Azure login: the file that the stand-in of kubelogin gives."""


class Pipeline:
    """Steps of jobs on the local stack, each as one of two identities."""

    def __init__(self, cluster: Cluster, github: FakeGitHub, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = _without_credentials(folder)
        self._cluster = cluster
        self._github = github
        self._pack = policies.pack()
        self._event = folder / "event.json"
        self.set_pull_request("0123456789abcdef")
        self.close()  # what a run that was killed has left
        cluster.kubectl("create", "namespace", NAMESPACE)
        for identity in (*IDENTITIES, ADMINISTRATOR):
            self._make(identity)
        everything = ("--clusterrole=cluster-admin", _user(ADMINISTRATOR))
        cluster.kubectl("create", "clusterrolebinding", _name(ADMINISTRATOR), *everything)
        self.grant()

    def restore(self) -> None:
        """Bring the stack back to its settings, whatever a test that failed has left."""
        self.pulumi("up", "--yes", "--skip-preview", "--refresh", identity=ADMINISTRATOR)

    def close(self) -> None:
        """Remove the identities."""
        ask = self._cluster.kubectl
        ask("delete", "namespace", NAMESPACE, "--ignore-not-found")
        for identity in (*IDENTITIES, ADMINISTRATOR):
            name, gone = _name(identity), "--ignore-not-found"
            ask("delete", "clusterrolebinding,clusterrole", name, gone)
            for namespace in NAMESPACES:
                ask("delete", "rolebinding,role", name, "-n", namespace, gone)

    def grant(self) -> None:
        """Give the identities their rights, by the commands of docs/rights.md."""
        for identity in IDENTITIES:
            name, user, ask = _name(identity), _user(identity), self._cluster.kubectl
            ask("apply", "-f", str(RIGHTS / f"{identity}.yaml"))
            if not self._has_binding(name):
                ask("create", "clusterrolebinding", name, f"--clusterrole={name}", user)
            for namespace in NAMESPACES:
                ask("create", "rolebinding", name, "-n", namespace, f"--role={name}", user)

    def give_namespaces(self) -> None:
        """Have an administrator make the stack's namespaces, by docs/rights.md."""
        text = (RIGHTS / "namespaces.yaml").read_text()
        given = text.replace("/linkerd-canary/dev", f"/linkerd-canary/{stack.NAME}")
        self._cluster.kubectl("apply", "-f", "-", given=given)
        self.grant()

    def take_namespaces(self) -> None:
        """Remove them, with whatever is in them."""
        self._cluster.kubectl("delete", "namespace", *NAMESPACES, "--ignore-not-found")

    def _has_binding(self, name: str) -> bool:
        found = self._cluster.kubectl("get", "clusterrolebinding", name, "--ignore-not-found")
        return bool(found.strip())

    def set_pull_request(self, commit: str) -> None:
        """What the jobs run for."""
        event = {"pull_request": {"number": 7, "head": {"sha": commit}}}
        self._event.write_text(json.dumps(event))

    def run(self, step: str, identity: str, status: int = 0) -> str:
        """What a step of a workflow prints, errors included."""
        return self._run(command(step), identity, status)

    def pulumi(self, *arguments: str, identity: str, status: int = 0) -> str:
        """What a command says that no step runs."""
        return self._run(["pulumi", *arguments], identity, status)

    def kubectl(self, *arguments: str, identity: str, given: str | None = None) -> tuple[bool, str]:
        """Whether a command succeeds, and what it says."""
        done = subprocess.run(
            ["kubectl", "--kubeconfig", self.kubeconfig, *arguments],
            env=self._environment(identity),
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode == 0, done.stdout

    @property
    def summary(self) -> str:
        """What the last preview was told as."""
        return (self.folder / "preview.md").read_text()

    def _run(self, arguments: list[str], identity: str, status: int) -> str:
        return local_stack.run_command(arguments, self._environment(identity), status)

    def _environment(self, identity: str) -> Mapping[str, str]:
        return {
            **toolchain.subprocess_environment(),
            **self._github.environment(GITHUB_EVENT_PATH=str(self._event)),
            "RUNNER_TEMP": str(self.folder),
            "PULUMI_STACK": stack.NAME,
            "POLICY_PACK": str(self._pack),
            "KUBECONFIG": "/dev/null",
            CREDENTIAL: str(self._credential(identity)),
        }

    def _credential(self, identity: str) -> Path:
        return self.folder / f"{identity}.json"

    def _make(self, identity: str) -> None:
        """An identity without rights."""
        ask = self._cluster.kubectl
        ask("create", "serviceaccount", identity, "-n", NAMESPACE)
        token = ask("create", "token", identity, "-n", NAMESPACE, "--duration=2h").strip()
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": token},
        }
        self._credential(identity).write_text(json.dumps(credential))


def _name(identity: str) -> str:
    return f"linkerd-canary-{identity}"


def _user(identity: str) -> str:
    return f"--user=system:serviceaccount:{NAMESPACE}:{identity}"


def _without_credentials(folder: Path) -> Path:
    """A kubeconfig as AKS gives it: a program is asked who one is. Here `cat` is kubelogin."""
    config: dict[str, Any] = yaml.safe_load(KUBECONFIG.read_text())
    config["users"][0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh",
            "args": ["-c", f'exec cat "${CREDENTIAL}"'],
            "interactiveMode": "Never",
        }
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
