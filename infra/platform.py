"""The one choice of where the stack runs."""

from typing import TYPE_CHECKING

from infra.cluster import Cluster

if TYPE_CHECKING:
    from settings import Settings


def cluster_of(config: "Settings") -> Cluster:
    """The stack's cluster. Only the modules of its own platform are loaded.

    Raises ClusterError.
    """
    if config.aks:
        from infra.aks import aks_cluster  # noqa: PLC0415 - Azure's types take a while to load

        return aks_cluster(config.cluster_identifier, config.aks)
    from infra.existing import existing_cluster  # noqa: PLC0415

    return existing_cluster(config.cluster_identifier, config.kubeconfig, config.kube_context)
