"""One ConfigMap by a provider whose options are JSON in PROVIDER, by their Python names."""

import json
import os

import pulumi
import pulumi_kubernetes as k8s

provider = k8s.Provider("cluster", **json.loads(os.environ.get("PROVIDER", "{}")))
k8s.core.v1.ConfigMap(
    "settings",
    metadata={"name": os.environ.get("NAME", "settings"), "namespace": "default"},
    opts=pulumi.ResourceOptions(provider=provider),
)
