"""A program with some of everything: NAMESPACE, a WEIGHT in a ConfigMap, an IMAGE, a PASSWORD."""

import os
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

namespace, password = os.environ["NAMESPACE"], os.environ["PASSWORD"]
image = os.environ.get("IMAGE", "example.com/web:1")

provider = k8s.Provider(
    "cluster",
    kubeconfig=pulumi.Output.secret(os.environ["KUBECONFIG_CONTENT"]),
    enable_config_map_mutable=True,
)
opts = pulumi.ResourceOptions(provider=provider)
home = k8s.core.v1.Namespace("home", metadata={"name": namespace}, opts=opts)
inside = pulumi.ResourceOptions(provider=provider, depends_on=[home])
metadata: Any = {"name": "web", "namespace": namespace}
weight = {"weight": os.environ.get("WEIGHT", "0")}
k8s.core.v1.ConfigMap("web", metadata=metadata, data=weight, opts=inside)
k8s.core.v1.Secret("web", metadata=metadata, string_data={"password": password}, opts=inside)
robot = k8s.core.v1.ServiceAccount("robot", metadata={"namespace": namespace}, opts=inside)
labels = {"app": "web", "version": image.rpartition(":")[2]}
container = {
    "name": "web",
    "image": image,
    "env": [{"name": "PASSWORD", "value": pulumi.Output.secret(password)}],
}
# No pod ever runs here. A delete that is not waited for must not leave the object behind either.
annotations = {
    "pulumi.com/skipAwait": "true",
    "pulumi.com/deletionPropagationPolicy": "background",
}
deployment: Any = {
    "metadata": {**metadata, "annotations": annotations},
    "spec": {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"serviceAccountName": robot.metadata["name"], "containers": [container]},
        },
    },
}
k8s.apps.v1.Deployment("web", **deployment, opts=inside)
ports: Any = {"ports": [{"port": 80}]}
service = k8s.core.v1.Service("web", metadata=metadata, spec=ports, opts=inside)
pulumi.export("address", service.spec.apply(lambda spec: spec.get("cluster_ip")))
pulumi.export("robot", robot.metadata["name"])
