"""TLS by MODE, PERMISSIVE, SECRET, ROTATION and SERIAL in NAMESPACE, DAYS_LATER from now.

With PODS=refused, the API server refuses what stands for linkerd's pods.
"""

import os

import pulumi
import pulumi_kubernetes as k8s

from mesh import encryption
from mesh.tls import Way
from tests.harness.later import judge_later

judge_later(float(os.environ["DAYS_LATER"]))
namespace, kubeconfig = os.environ["NAMESPACE"], os.environ["KUBECONFIG_CONTENT"]
provider = k8s.Provider(
    "cluster", kubeconfig=kubeconfig, cluster_identifier="test", enable_config_map_mutable=True
)
way = Way.of(os.environ["MODE"], os.environ["PERMISSIVE"] == "true", os.environ["SECRET"])
rotation, serial = os.environ["ROTATION"], int(os.environ["SERIAL"])
found = encryption.Encryption(way, rotation, serial, [namespace], kubeconfig)
after = pulumi.ResourceOptions(provider=provider, depends_on=found.resources)
mounted = found.mounted_in(namespace, after)
# As a DaemonSet that mounts it: made after the Secret, changed with it.
k8s.core.v1.ConfigMap(
    "pods",
    metadata={"name": "pods", "namespace": namespace},
    data={
        **({"not a key": ""} if os.environ["PODS"] == "refused" else {}),
        "annotations": pulumi.Output.json_dumps(dict(mounted.annotations)),
        "volumes": pulumi.Output.json_dumps(list(mounted.volumes)),
    },
    opts=after,
)
pulumi.export("expires", found.expires)
pulumi.export("volumes", list(mounted.volumes))
