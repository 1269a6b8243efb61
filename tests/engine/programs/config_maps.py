"""As many ConfigMaps as $COUNT says, in the namespace `default`."""

import os

import pulumi_kubernetes as k8s

for i in range(int(os.environ["COUNT"])):
    metadata = {"name": f"bench-{i}", "namespace": "default"}
    k8s.core.v1.ConfigMap(f"bench-{i}", metadata=metadata, data={"number": str(i)})
