"""What the rest of the program knows of a cluster."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s


class ClusterError(Exception):
    """A cluster that cannot be reached or made: why, and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes cluster that resources can be put on."""

    identifier: pulumi.Input[str]
    """Names the cluster for good: other addresses or credentials do not change it."""
    kubeconfig: pulumi.Output[str]
    """Content of a kubeconfig whose current context is the one to use; a secret."""
    provider: k8s.Provider
    """Puts Kubernetes objects on the cluster."""
    made: pulumi.Resource | None = None
    """The cluster itself, where the program may delete it: what is on it goes with it."""


def provider(
    identifier: pulumi.Input[str],
    kubeconfig: pulumi.Input[str],
    opts: pulumi.ResourceOptions | None = None,
) -> k8s.Provider:
    """A Kubernetes provider: renewed credentials update it, only another identifier replaces it."""
    return k8s.Provider(
        "cluster",
        kubeconfig=kubeconfig,
        cluster_identifier=identifier,
        # Without these a changed ConfigMap or Secret is replaced, and its pods miss it meanwhile.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        opts=opts,
    )
