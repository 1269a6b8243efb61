"""A cluster that exists already, reached by a kubeconfig."""

import pulumi

from infra.cluster import Cluster, identified
from kube import minified


def existing_cluster(identifier: str, config: str, context: str) -> Cluster:
    """The cluster of a kubeconfig (its path, its content, or empty for the ambient one).

    Raises KubeconfigError where there is no such file or context.
    """
    content = pulumi.Output.secret(minified.load(config, context))
    return identified(identifier or pulumi.get_stack(), content, is_default=not identifier)
