"""The cluster's certificates and kubeconfigs, made once by kubeadm's phases."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from local.cache import key
from local.node.commands import said_by
from local.node.identity import FIRST, KUBERNETES, Node
from local.node.network import Network
from local.paths import KUBECONFIG

CONTEXT = "local"
"""The context, and the cluster's name, of the kubeconfig that people get."""

SUPER_ADMIN = KUBERNETES / "super-admin.conf"
"""Rights that need no RBAC object; for the nodes' own setting up."""

USERS = {
    "kube-proxy": "system:kube-proxy",
    "load-balancer": "linkerd-canary:load-balancer",
    "network-policies": "linkerd-canary:network-policies",
}
"""Components for which kubeadm has no phase, by the name of their kubeconfig."""

SHARED = ("kube-proxy.conf", "network-policies.conf", "pki/ca.crt")
"""What every node has a copy of."""


def make(programs: Path, nodes: Iterable[Node], network: Network) -> None:
    """Make what is missing for these nodes; needs kubeadm.yaml in place."""
    kubeadm, config = programs / "kubeadm", KUBERNETES / "kubeadm.yaml"
    complete, made_from = KUBERNETES / "complete", key([config])
    if not complete.exists():
        said_by([kubeadm, "init", "phase", "certs", "all", "--config", config])
        said_by([kubeadm, "init", "phase", "kubeconfig", "all", "--config", config,
                 "--kubeconfig-dir", KUBERNETES])  # fmt: skip
        KUBECONFIG.unlink(missing_ok=True)  # that of nodes whose data was deleted knows their CA
        complete.write_text(made_from)
    elif complete.read_text() != made_from:
        # An older release's data: its API server had no address on loopback.
        for file in ("apiserver.crt", "apiserver.key"):
            (KUBERNETES / "pki" / file).unlink(missing_ok=True)
        said_by([kubeadm, "init", "phase", "certs", "apiserver", "--config", config])
        complete.write_text(made_from)
    for name, user in USERS.items():
        # An older release's data has not all of them.
        if not (kubeconfig := KUBERNETES / f"{name}.conf").exists():
            _write_secret(kubeconfig, _kubeconfig(kubeadm, user))
    for node in nodes:
        if node != FIRST:
            _make_for(node, kubeadm)
    if not KUBECONFIG.exists() or network.api_url not in KUBECONFIG.read_text():
        _give(programs / "kubectl", network)


def _make_for(node: Node, kubeadm: Path) -> None:
    kubeconfig = node.kubernetes / "kubelet.conf"
    if not kubeconfig.exists():
        user, group = f"system:node:{node.name}", "system:nodes"
        _write_secret(kubeconfig, _kubeconfig(kubeadm, user, "--org", group))
    for file in SHARED:
        (node.kubernetes / file).parent.mkdir(exist_ok=True)
        shutil.copy2(KUBERNETES / file, node.kubernetes / file)


def _kubeconfig(kubeadm: Path, user: str, *more: str) -> str:
    config = KUBERNETES / "kubeadm.yaml"
    return said_by(
        [str(kubeadm), "kubeconfig", "user", "--client-name", user, *more, "--config", str(config)]
    )


def _give(kubectl: Path, network: Network) -> None:
    """The administrator's kubeconfig, for this machine's programs.

    Its context has a name that is easy to type, its server is the API server on loopback.
    """
    made = KUBECONFIG.with_suffix(".part")
    _write_secret(made, (KUBERNETES / "admin.conf").read_text())
    for change in (
        ("rename-context", f"kubernetes-admin@{CONTEXT}", CONTEXT),
        ("set-cluster", CONTEXT, f"--server={network.api_url}"),
    ):
        said_by([kubectl, "config", *change, "--kubeconfig", made])
    made.rename(KUBECONFIG)


def _write_secret(file: Path, text: str) -> None:
    # In one piece: a file that is there is not made again.
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(text)
    part.replace(file)
