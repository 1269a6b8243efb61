"""The cluster's certificates and kubeconfigs, made once by kubeadm's phases."""

from pathlib import Path

from local.node.commands import said_by
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
    said_by([kubeadm, "init", "phase", "certs", "all", "--config", config])
    said_by([kubeadm, "init", "phase", "kubeconfig", "all", "--config", config,
             "--kubeconfig-dir", KUBERNETES])  # fmt: skip
    for name, user in USERS.items():
        made = said_by([kubeadm, "kubeconfig", "user", "--client-name", user, "--config", config])
        _write_secret(KUBERNETES / f"{name}.conf", made)
    _give(programs / "kubectl")
    (KUBERNETES / "complete").touch()


def _give(kubectl: Path) -> None:
    """The administrator's kubeconfig, under a context name that is easy to type."""
    _write_secret(KUBECONFIG, (KUBERNETES / "admin.conf").read_text())
    context = f"kubernetes-admin@{CONTEXT}"
    said_by([kubectl, "config", "rename-context", context, CONTEXT, "--kubeconfig", KUBECONFIG])


def _write_secret(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)
