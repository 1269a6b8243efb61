"""A node's configuration files: the templates of config/ with its values.

Those of config/first are the first node's alone.
"""

from pathlib import Path
from string import Template

from local.binaries import KUBERNETES_VERSION
from local.node import cgroups
from local.node.identity import FIRST, KUBERNETES, SCRATCH, Node
from local.node.network import API_PORT, Network

TEMPLATES = Path(__file__).parent / "config"

PLACES = {
    "cni.conflist": "cni/node.conflist",
    "hosts.toml": "registries/_default/hosts.toml",
}
"""Where a file goes below /etc/kubernetes, if not there under its own name."""

KEPT_UP = """\
stdout_logfile = /var/log/%(program_name)s.log
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 1
redirect_stderr = true
autorestart = true
startretries = 1000000"""
"""What supervisord is told of every program."""


def rendered(network: Network, node: Node, images: dict[str, str]) -> dict[str, str]:
    """Every configuration file's text of a node by its place below /etc/kubernetes.

    `images` are the names of the node's own images: PAUSE_IMAGE and COREDNS_IMAGE.
    """
    values = {
        "API_IP": str(network.api),
        "API_PORT": str(API_PORT),
        "CERTIFICATES": str(KUBERNETES / "pki"),
        "CGROUP": cgroups.NAME,
        "DNS_IP": str(network.dns),
        "HOST_IP": str(network.host),
        "KEPT_UP": KEPT_UP,
        "KUBERNETES_VERSION": KUBERNETES_VERSION,
        "LOAD_BALANCERS": str(network.load_balancers),
        "NODE_IP": str(network.address(node)),
        "NODE_NAME": node.name,
        "PODS": str(network.pods_of(node)),
        "REGISTRY": network.registry,
        "SCRATCH": str(SCRATCH),
        "SERVICES": str(network.services),
        **images,
    }
    return {
        PLACES.get(template.name, template.name): Template(template.read_text()).substitute(values)
        for folder in (TEMPLATES, *([TEMPLATES / "first"] if node == FIRST else []))
        for template in sorted(folder.iterdir())
        if template.is_file()
    }


def write(node: Node, files: dict[str, str]) -> None:
    """Put the files where the node reads them; only root may."""
    node.kubernetes.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place, text in files.items():
        file = node.kubernetes / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
