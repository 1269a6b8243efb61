"""A Deployment in NAMESPACE that is waited for two seconds."""

import os
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

labels = {"app": "web"}
spec: Any = {
    "selector": {"matchLabels": labels},
    "template": {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "web", "image": "example.com/none:1"}]},
    },
}
k8s.apps.v1.Deployment(
    "web",
    metadata={"name": "web", "namespace": os.environ["NAMESPACE"]},
    spec=spec,
    opts=pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts("2s", "2s")),
)
