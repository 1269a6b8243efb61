"""The cluster's certificates and kubeconfigs, made once by kubeadm's phases."""

import subprocess
from pathlib import Path

from local.errors import LocalError
from local.node.identity import KUBERNETES
from local.paths import KUBECONFIG

CONTEXT = "local"
"""The context of the kubeconfig that people get."""

SUPER_ADMIN = KUBERNETES / "super-admin.conf"
"""Rights that need no RBAC object; for the node's own setting up."""

USERS = {"kube-proxy": "system:kube-proxy", "load-balancer": "linkerd-canary:load-balancer"}
"""Components for which kubeadm has no phase, by the name of their kubeconfig."""


def make(programs: Path) -> None:
    """Make what is missing of it; needs kubeadm.yaml in place."""
    if (KUBERNETES / "complete").exists() and KUBECONFIG.exists():
        return
    kubeadm, config = programs / "kubeadm", KUBERNETES / "kubeadm.yaml"
    _run(kubeadm, "init", "phase", "certs", "all", "--config", config)
    _run(kubeadm, "init", "phase", "kubeconfig", "all", "--config", config,
         "--kubeconfig-dir", KUBERNETES)  # fmt: skip
    for name, user in USERS.items():
        made = _run(kubeadm, "kubeconfig", "user", "--client-name", user, "--config", config)
        _write_secret(KUBERNETES / f"{name}.conf", made)
    _give(programs / "kubectl")
    (KUBERNETES / "complete").touch()


def _give(kubectl: Path) -> None:
    """The administrator's kubeconfig, under a context name that is easy to type."""
    _write_secret(KUBECONFIG, (KUBERNETES / "admin.conf").read_text())
    context = f"kubernetes-admin@{CONTEXT}"
    _run(kubectl, "config", "rename-context", context, CONTEXT, "--kubeconfig", KUBECONFIG)


def _write_secret(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise LocalError(f"`{' '.join(map(str, command))}`: {said[-1]}")
    return done.stdout
