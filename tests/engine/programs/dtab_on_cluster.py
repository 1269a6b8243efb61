"""A table of a namerd on a cluster, which the program reaches as the project's own does."""

import json
import os

import pulumi
import pulumi_kubernetes as k8s

from dynamic import Dtab
from infra.existing import existing_cluster

namespace = os.environ["NAMESPACE"]
cluster = existing_cluster("here", os.environ["KUBECONFIG_CONTENT"], "")
beside = k8s.core.v1.ConfigMap(
    "beside",
    metadata={"name": "beside", "namespace": namespace},
    opts=pulumi.ResourceOptions(provider=cluster.provider),
)
Dtab(
    "internal",
    namespace="internal",
    dentries=json.loads(os.environ["DENTRIES"]),
    splits={},
    namerd={
        "cluster": cluster.identifier,
        "service": f"{namespace}/namerd",
        "kubeconfig": cluster.kubeconfig,
    },
    opts=pulumi.ResourceOptions(depends_on=[beside]),
)
