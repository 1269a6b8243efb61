"""The service of EXPOSURE in front of linkerd's pods in NAMESPACE, and its URL."""

import os

import pulumi
import pulumi_kubernetes as k8s

from mesh import edge

namespace, exposure = os.environ["NAMESPACE"], os.environ["EXPOSURE"]
labels = {"app": "l5d"}
# The provider's user puts the service there; ASKING is the user who asks for nodes.
provider = k8s.Provider(
    "cluster", kubeconfig=os.environ["KUBECONFIG_CONTENT"], cluster_identifier="test"
)
exposed = edge.service(
    namespace, labels, 4142, exposure, [], pulumi.ResourceOptions(provider=provider)
)
kubeconfig = pulumi.Output.secret(os.environ["ASKING"])
node_address = os.environ["NODE_ADDRESS"]
pulumi.export(
    "url", edge.url(namespace, "cluster.local", labels, exposed, exposure, kubeconfig, node_address)
)
