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
        for identity in ("preview", "deploy"):
            self._make(identity)

    def restore(self) -> None:
        """Bring the stack back to its settings, whatever a test that failed has left."""
        who: Any = {CREDENTIAL: str(self._credential("deploy"))}
        local_stack.command("pulumi", "up", "--yes", "--skip-preview", "--refresh", **who)

    def close(self) -> None:
        """Remove the identities."""
        names = [f"linkerd-canary-{identity}" for identity in ("preview", "deploy")]
        for kind, of in (("namespace", [NAMESPACE]), ("clusterrolebinding,clusterrole", names)):
            self._cluster.kubectl("delete", kind, *of, "--ignore-not-found")

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
        """An identity with the rights that docs/pull-requests.md gives it, by its commands."""
        name, rights = f"linkerd-canary-{identity}", RIGHTS / f"{identity}.yaml"
        user = f"system:serviceaccount:{NAMESPACE}:{identity}"
        ask = self._cluster.kubectl
        ask("apply", "-f", str(rights))
        ask("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--user={user}")
        ask("create", "serviceaccount", identity, "-n", NAMESPACE)
        token = ask("create", "token", identity, "-n", NAMESPACE, "--duration=2h").strip()
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": token},
        }
        self._credential(identity).write_text(json.dumps(credential))


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
