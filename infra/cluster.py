"""What the rest of the program knows of a cluster."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from dynamic.cluster_identity import ClusterIdentity
from kube.errors import OneLineError


class ClusterError(OneLineError):
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
    identity: ClusterIdentity
    """Says which cluster it is; what is put there waits for it."""
    made: pulumi.Resource | None = None
    """The cluster itself, where the program may delete it: what is on it goes with it."""


def identified(
    identifier: pulumi.Input[str],
    kubeconfig: pulumi.Output[str],
    *,
    is_default: bool = False,
    made: pulumi.Resource | None = None,
) -> Cluster:
    """A cluster that is known by its UID: another one is refused where the identifier is the same.

    Renewed addresses and credentials update it, only another identifier replaces what is on it. An
    identifier by default stays what it was at first, whatever the stack is called by now.
    """
    identity = ClusterIdentity(
        "cluster",
        identifier=identifier,
        kubeconfig=kubeconfig,
        opts=pulumi.ResourceOptions(
            deleted_with=made, ignore_changes=["identifier"] if is_default else None
        ),
    )
    provider = k8s.Provider(
        "cluster",
        kubeconfig=kubeconfig,
        cluster_identifier=identifier,
        # Without these a changed ConfigMap or Secret is replaced, and its pods miss it meanwhile.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        opts=pulumi.ResourceOptions(
            depends_on=[identity],
            ignore_changes=["clusterIdentifier"] if is_default else None,
        ),
    )
    return Cluster(identity.identifier, kubeconfig, provider, identity, made)
