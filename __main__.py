"""A cluster, the linkerd mesh on it, hello and two versions of world, and the tables between them.

The canary is one config value: `pulumi config set canaryWeight 10` and `pulumi up` move ten percent
of world's traffic to world-v2.
"""

import sys
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

import settings
from apps.services import Services
from dynamic import Dtab
from infra.platform import cluster_of
from kube.errors import OneLineError
from mesh import claim, linkerds, pod_security, policies, routers, routes, sidecar, topology
from mesh.discovery import Discovery
from mesh.encryption import Encryption
from mesh.linkerd import own_nodes_service, proxy_url
from mesh.linkerds import Exposure, Linkerd, Programs
from mesh.namerd import Namerd
from mesh.routers import Routing
from mesh.sidecar import Sidecar
from mesh.tls import Way
from mesh.topology_change import Topology
from mesh.workload import Memory

MESSAGE_SHOWN = 32
"""The exit status by which the SDK's language host knows that a person was told what is wrong."""

try:
    config = settings.load()
    cluster = cluster_of(config)
except (settings.SettingsError, OneLineError) as error:
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
where = config.mesh_topology
change = Topology(
    "topology",
    topology=where,
    namespace=config.apps_namespace,
    linkerd={key: kept(key, value) for key, value in config.of_linkerd.items()},
    replicas={each.name: each.replicas for one in config.services for each in one.deployments},
    kubeconfig=cluster.kubeconfig,
    opts=pulumi.ResourceOptions(deleted_with=made),
)
encryption = Encryption(
    Way.of(config.tls.mesh_tls, config.tls.mesh_tls_permissive, config.tls.mesh_tls_secret),
    config.tls.mesh_tls_rotation,
    config.tls.mesh_tls_serial,
    [config.mesh_namespace, *([config.apps_namespace] if topology.beside_apps(where) else [])],
    cluster.kubeconfig,
    opts=pulumi.ResourceOptions(depends_on=[change], deleted_with=made),
)
# Pulumi goes on with what does not depend on what is refused, so everything depends on these.
allowed = [change, *encryption.resources]
claimed = claim.Claim(
    "claim",
    stack=f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}",
    namespaces={
        "meshNamespace": config.mesh_namespace,
        "appsNamespace": config.apps_namespace,
    },
    makes_namespaces=config.create_namespaces,
    cluster=cluster.identifier,
    kubeconfig=cluster.kubeconfig,
    opts=pulumi.ResourceOptions(depends_on=allowed, deleted_with=made),
)
on_cluster = pulumi.ResourceOptions(
    provider=cluster.provider, depends_on=allowed, deleted_with=made
)


def namespace(name: str, called: str) -> pulumi.Resource:
    """A namespace of this stack; where an administrator has made it, the claim on it."""
    if not config.create_namespaces:
        return claimed
    metadata: Any = {"name": called, "annotations": {claim.STACK: claimed.stack}}
    return k8s.core.v1.Namespace(name, metadata=metadata, opts=on_cluster)


mesh_ns = namespace("mesh", config.mesh_namespace)
apps_ns = namespace("apps", config.apps_namespace)
providers = [cluster.provider]
in_mesh = pulumi.ResourceOptions(providers=providers, depends_on=[mesh_ns], deleted_with=made)
in_apps = pulumi.ResourceOptions(providers=providers, depends_on=[apps_ns], deleted_with=made)

in_both = pulumi.ResourceOptions.merge(in_mesh, pulumi.ResourceOptions(depends_on=[apps_ns]))

routing = Routing(
    config.mesh_namespace,
    config.total_timeout_ms,
    config.max_connections,
    encryption.way,
    config.cluster_domain,
)
if config.has_network_policies:
    shape = policies.Shape(
        config.mesh_namespace,
        config.apps_namespace,
        routers.incoming_ports(routing.way),
        on_nodes=topology.on_nodes(where),
        beside_apps=topology.beside_apps(where),
    )
    # Before the pods, so that what speaks in a new way may do so from its start.
    first = pulumi.ResourceOptions(depends_on=[policies.Policies(shape, opts=in_both)])
    in_mesh = pulumi.ResourceOptions.merge(in_mesh, first)
    in_apps = pulumi.ResourceOptions.merge(in_apps, first)

if config.create_namespaces and config.runs_as_root:
    # What loosens comes before the pods that need it, and what tightens after those that did.
    loosened = pod_security.enforce(
        "apps-pods", config.apps_namespace, pod_security.BASELINE, [], in_apps
    )
    in_apps = pulumi.ResourceOptions.merge(in_apps, pulumi.ResourceOptions(depends_on=[loosened]))

discovery = Discovery(
    config.mesh_namespace, config.apps_namespace, topology.on_nodes(where), opts=in_both
)
namerd = Namerd(
    config.mesh_namespace,
    config.namerd_image,
    config.kubectl_image,
    config.namerd_replicas,
    opts=in_mesh,
)
memory = Memory(config.linkerd_heap_mb, config.linkerd_memory_mb)


def declare_linkerd(after: Sequence[pulumi.Resource]) -> Linkerd:
    """The linkerds on nodes and at the edge."""
    return Linkerd(
        routing,
        where,
        Programs(
            config.linkerd_image,
            config.kubectl_image,
            memory,
            config.edge_replicas,
            encryption.mounted_in(config.mesh_namespace, in_mesh),
        ),
        Exposure(
            config.exposure,
            kept("sourceRanges", config.source_ranges),
            cluster.kubeconfig,
            kept("nodeAddress", config.node_address),
        ),
        after,
        opts=in_mesh,
    )


def declare_apps(after: Sequence[pulumi.Resource]) -> Services:
    """The apps, each with the linkerd that it sends by, and the one beside it if there is one."""
    beside: dict[str, Sidecar] = {}
    proxy = sidecar.PROXY_URL
    first = list(after)
    if topology.beside_apps(where):
        ports = {each.name: each.port for one in config.services for each in one.deployments}
        beside = sidecar.sidecars(
            routing,
            config.apps_namespace,
            ports,
            config.linkerd_image,
            memory,
            encryption.mounted_in(config.apps_namespace, in_apps),
        )
    if not topology.sends_by_sidecar(where):
        proxy = proxy_url(config.mesh_namespace, config.cluster_domain)
        first.append(own_nodes_service(config.mesh_namespace, in_mesh))
    return Services(
        config.apps_namespace,
        config.services,
        proxy,
        config.no_proxy,
        beside,
        "services" in config.secret,
        opts=pulumi.ResourceOptions.merge(in_apps, pulumi.ResourceOptions(depends_on=first)),
    )


# On the way back from sidecars the apps need the nodes' linkerds before they send by them. Else the
# apps go first: those of a stack whose linkerd had a port of its node send there until they are
# moved, and with sidecars requests from outside go straight to them.
if where == topology.BOTH:
    linkerd = declare_linkerd([discovery])
    apps = declare_apps([linkerd])
else:
    apps = declare_apps([])
    linkerd = declare_linkerd([discovery, apps])
if config.create_namespaces:
    # Of other namespaces their administrator decides which pods they admit.
    pod_security.enforce(
        "mesh-pods", config.mesh_namespace, pod_security.RESTRICTED, [namerd, linkerd], in_mesh
    )
    if not config.runs_as_root:
        pod_security.enforce(
            "apps-pods", config.apps_namespace, pod_security.RESTRICTED, [apps], in_apps
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
    linkerds=linkerds.follow_external(where, config.mesh_namespace),
    owner=cluster.identity.stack_id,
    adopt=config.adopt_existing,
    max_weight_step=config.max_weight_step,
    opts=in_use,
)
internal = Dtab(
    "internal",
    namespace="internal",
    dentries=routes.internal(config.apps_namespace, config.cluster_domain),
    splits=routes.internal_splits(config.services),
    baseline=routes.internal_baselines(config.services),
    namerd=reach_namerd,
    linkerds=linkerds.follow_internal(where, config.mesh_namespace, config.apps_namespace),
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
admin = linkerds.admin(
    where, config.mesh_namespace, config.apps_namespace, config.entry.deployments[0].name
)
pulumi.export("linkerdAdmin", f"kubectl {admin}")
pulumi.export("namerdAdmin", f"kubectl -n {config.mesh_namespace} port-forward svc/namerd 9991")
pulumi.export("split", internal.splits)
pulumi.export("meshTls", {"way": str(encryption.way), "expires": encryption.expires})
