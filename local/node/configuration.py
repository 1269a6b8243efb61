"""The node's configuration files: the templates of config/ with this node's values."""

from pathlib import Path
from string import Template

from local.binaries import KUBERNETES_VERSION
from local.node import cgroups
from local.node.identity import KUBERNETES, NODE_NAME
from local.node.network import Network

TEMPLATES = Path(__file__).parent / "config"

PLACES = {"cni.conflist": "cni/node.conflist"}
"""Where a file goes below /etc/kubernetes, if not there under its own name."""

KEPT_UP = """\
stdout_logfile = /var/log/%(program_name)s.log
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 1
redirect_stderr = true
autorestart = true
startretries = 1000000"""
"""What supervisord is told of every program."""


def rendered(network: Network, images: dict[str, str]) -> dict[str, str]:
    """Every configuration file's text by its place below /etc/kubernetes.

    `images` are the names of the node's own images: PAUSE_IMAGE and COREDNS_IMAGE.
    """
    values = {
        "CERTIFICATES": str(KUBERNETES / "pki"),
        "CGROUP": cgroups.NAME,
        "DNS_IP": str(network.dns),
        "HOST_IP": str(network.host),
        "KEPT_UP": KEPT_UP,
        "KUBERNETES_VERSION": KUBERNETES_VERSION,
        "LOAD_BALANCERS": str(network.load_balancers),
        "NODE_IP": str(network.node),
        "NODE_NAME": NODE_NAME,
        "PODS": str(network.pods),
        "SERVICES": str(network.services),
        **images,
    }
    return {
        PLACES.get(template.name, template.name): Template(template.read_text()).substitute(values)
        for template in sorted(TEMPLATES.iterdir())
    }


def write(files: dict[str, str]) -> None:
    """Put the files where the node reads them; only root may."""
    KUBERNETES.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place, text in files.items():
        file = KUBERNETES / place
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
