"""Config keys of other packages, which Pulumi's default providers read and this program does not.

Its Kubernetes provider is made from its own keys, and what it makes in Azure says its own location.
"""

from collections.abc import Collection

from kube.errors import printable

OWN = {
    "azure-native:location": "location",
    "kubernetes:clusterIdentifier": "clusterIdentifier",
    "kubernetes:context": "kubeContext",
    "kubernetes:kubeconfig": "kubeconfig",
}
"""This project's key for the same thing."""

_ENGINES = "pulumi:"
"""What the engine itself reads: tags, autonaming."""


def warning(keys: Collection[str], project: str, platform: str) -> str | None:
    """One line that names the keys without effect; None where there are none."""
    ignored = sorted(key for key in keys if not _has_effect(key, project, platform))
    if not ignored:
        return None
    return printable(
        f"without effect: config {', '.join(map(_described, ignored))}; remove with "
        "`pulumi config rm`"
    )


def _has_effect(key: str, project: str, platform: str) -> bool:
    if key.startswith((f"{project}:", _ENGINES)):
        return True
    # Which subscription, and who asks.
    return platform == "aks" and key.startswith("azure-native:") and key not in OWN


def _described(key: str) -> str:
    return f"{key} (this project's key is {OWN[key]})" if key in OWN else key
