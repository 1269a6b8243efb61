"""A cluster, the linkerd mesh on it, hello and two versions of world, and the tables between them.

The canary is one config value: `pulumi config set canaryWeight 10` and `pulumi up` move ten percent
of world's traffic to world-v2.
"""

import sys
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

import settings
from apps.services import Services
from dynamic import Dtab
from infra.cluster import ClusterError
from infra.platform import cluster_of
from kube.errors import OneLineError
from mesh import claim, pod_security, routes
from mesh.discovery import Discovery
from mesh.encryption import Encryption
from mesh.linkerd import Linkerd, own_nodes_service, proxy_url
from mesh.namerd import Namerd
from mesh.routers import Routing
from mesh.tls import Way
from mesh.workload import Memory

MESSAGE_SHOWN = 32
"""The exit status by which the SDK's language host knows that a person was told what is wrong."""

try:
    config = settings.load()
    cluster = cluster_of(config)
except (settings.SettingsError, ClusterError, OneLineError) as error:
    # After a RunError the engine has a line of its own: "an unhandled error occurred".
    pulumi.log.error(str(error))
    sys.exit(MESSAGE_SHOWN)
if ignored := settings.ignored_keys(config):
    pulumi.log.warn(ignored)


def kept(key: str, value: Any) -> Any:
    """A config value, a secret one where it was set as that."""
    return pulumi.Output.secret(value) if value and key in config.secret else value


# What is on a cluster that the program deletes goes with it: a destroy need not reach it.
made = cluster.made
on_cluster = pulumi.ResourceOptions(provider=cluster.provider, deleted_with=made)
claimed = claim.Claim(
    "claim",
    stack=f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}",
    namespaces={
        "meshNamespace": config.mesh_namespace,
        "appsNamespace": config.apps_namespace,
    },
    cluster=cluster.identifier,
    kubeconfig=cluster.kubeconfig,
    opts=pulumi.ResourceOptions(deleted_with=made),
)
encryption = Encryption(
    Way.of(config.tls.mesh_tls, config.tls.mesh_tls_permissive, config.tls.mesh_tls_secret),
    config.tls.mesh_tls_rotation,
    config.tls.mesh_tls_serial,
    [config.mesh_namespace],
    cluster.kubeconfig,
    opts=pulumi.ResourceOptions(deleted_with=made),
)
# What may not be changed, or not like this, is refused before anything else is.
on_cluster = pulumi.ResourceOptions.merge(
    on_cluster, pulumi.ResourceOptions(depends_on=[claimed, *encryption.resources])
)
ours = {claim.STACK: claimed.stack}
mesh_ns = k8s.core.v1.Namespace(
    "mesh", metadata={"name": config.mesh_namespace, "annotations": ours}, opts=on_cluster
)
apps_ns = k8s.core.v1.Namespace(
    "apps", metadata={"name": config.apps_namespace, "annotations": ours}, opts=on_cluster
)
providers = [cluster.provider]
in_mesh = pulumi.ResourceOptions(providers=providers, depends_on=[mesh_ns], deleted_with=made)
in_apps = pulumi.ResourceOptions(providers=providers, depends_on=[apps_ns], deleted_with=made)

in_both = pulumi.ResourceOptions.merge(in_mesh, pulumi.ResourceOptions(depends_on=[apps_ns]))

discovery = Discovery(config.mesh_namespace, config.apps_namespace, opts=in_both)
namerd = Namerd(
    config.mesh_namespace,
    config.namerd_image,
    config.kubectl_image,
    config.namerd_replicas,
    opts=in_mesh,
)
own_nodes = own_nodes_service(config.mesh_namespace, opts=in_mesh)
apps = Services(
    config.apps_namespace,
    config.services,
    proxy_url(config.mesh_namespace),
    "services" in config.secret,
    opts=pulumi.ResourceOptions.merge(in_apps, pulumi.ResourceOptions(depends_on=[own_nodes])),
)
linkerd = Linkerd(
    Routing(config.mesh_namespace, config.total_timeout_ms, config.max_connections, encryption.way),
    config.linkerd_image,
    config.kubectl_image,
    config.exposure,
    kept("sourceRanges", config.source_ranges),
    cluster.kubeconfig,
    kept("nodeAddress", config.node_address),
    Memory(config.linkerd_heap_mb, config.linkerd_memory_mb),
    encryption.mounted_in(config.mesh_namespace, in_mesh),
    after=[apps],
    opts=in_mesh,
)
root = any(each.run_as_user == 0 for service in config.services for each in service.deployments)
pod_security.enforce(
    "mesh-pods", config.mesh_namespace, pod_security.RESTRICTED, [namerd, linkerd], in_mesh
)
pod_security.enforce(
    "apps-pods",
    config.apps_namespace,
    pod_security.BASELINE if root else pod_security.RESTRICTED,
    [apps],
    in_apps,
)

reach_namerd: dict[str, pulumi.Input[str] | None] = {
    "cluster": cluster.identifier,
    "service": f"{config.mesh_namespace}/namerd",
    "kubeconfig": cluster.kubeconfig,
}
# A table leads to services that are there: namerd would drop a branch without pods in silence. Made
# last, the tables are also the first to go: what they refuse keeps the rest from being deleted.
in_use = pulumi.ResourceOptions(
    depends_on=[mesh_ns, apps_ns, discovery, namerd, linkerd, apps], deleted_with=made
)
Dtab(
    "external",
    namespace="external",
    dentries=routes.external(config.apps_namespace, config.entry),
    splits=routes.external_splits(config.apps_namespace, config.entry),
    baseline=routes.external_baselines(config.apps_namespace, config.entry),
    namerd=reach_namerd,
    linkerds=linkerd.followers("external"),
    owner=cluster.identity.stack_id,
    adopt=config.adopt_existing,
    max_weight_step=config.max_weight_step,
    opts=in_use,
)
internal = Dtab(
    "internal",
    namespace="internal",
    dentries=routes.internal(config.apps_namespace),
    splits=routes.internal_splits(config.services),
    baseline=routes.internal_baselines(config.services),
    namerd=reach_namerd,
    linkerds=linkerd.followers("outgoing"),
    owner=cluster.identity.stack_id,
    adopt=config.adopt_existing,
    max_weight_step=config.max_weight_step,
    opts=in_use,
)

pulumi.export("cluster", {"server": cluster.identity.server, "uid": cluster.identity.uid})
pulumi.export("url", linkerd.url)
pulumi.export(
    "portForward", f"kubectl -n {config.mesh_namespace} port-forward svc/l5d-external 8080:80"
)
pulumi.export("linkerdAdmin", f"kubectl -n {config.mesh_namespace} port-forward svc/l5d 9990")
pulumi.export("namerdAdmin", f"kubectl -n {config.mesh_namespace} port-forward svc/namerd 9991")
pulumi.export("split", internal.splits)
pulumi.export("meshTls", {"way": str(encryption.way), "expires": encryption.expires})
