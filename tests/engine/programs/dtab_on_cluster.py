"""A table on a cluster, which the program reaches as the project's own does.

Its NAME is `internal` by default; ALIAS is a former one; BELOW a component it lies, if that is set.
"""

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
parent = pulumi.ComponentResource("shop:Below", "below") if os.environ.get("BELOW") else None
aliases = [pulumi.Alias(name=former)] if (former := os.environ.get("ALIAS")) else None
Dtab(
    os.environ.get("NAME") or "internal",
    namespace="internal",
    dentries=json.loads(os.environ["DENTRIES"]),
    splits={},
    namerd={
        "cluster": cluster.identifier,
        "service": f"{namespace}/namerd",
        "kubeconfig": cluster.kubeconfig,
    },
    opts=pulumi.ResourceOptions(depends_on=[beside], parent=parent, aliases=aliases),
)
