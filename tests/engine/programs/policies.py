"""Resources that keep each rule, and ones that break it; their names say which."""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice

from dynamic import Dtab

NAMERD = {"app": "namerd"}
L5D = {"app": "l5d"}
INTERNAL = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}
ONE_NETWORK = ["203.0.113.0/24"]


def service(
    name: str,
    selector: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> None:
    k8s.core.v1.Service(
        name,
        metadata={"name": name, "namespace": "shop", "annotations": annotations or {}},
        spec={"selector": selector or {"app": name}, **spec},
    )


def port(number: int, target: int | str, name: str = "http") -> dict[str, Any]:
    return {"name": name, "port": number, "targetPort": target}


def balanced(**spec: Any) -> dict[str, Any]:
    return {"type": "LoadBalancer", "loadBalancerSourceRanges": ONE_NETWORK, **spec}


# private-admin
service("good-inside", NAMERD, type="ClusterIP", ports=[port(4180, 4180)])
service("good-internal", NAMERD, INTERNAL, type="LoadBalancer", ports=[port(4180, 4180)])
service("good-edge", L5D, **balanced(ports=[port(80, 4142)]))
service("bad-namerd", NAMERD, **balanced(ports=[port(80, 4180)]))
service("bad-linkerd-admin", L5D, **balanced(ports=[port(80, 4142), port(81, "admin", "stats")]))
service("bad-node-port", type="NodePort", ports=[port(9991, 9991)])
service("bad-external-ips", L5D, externalIPs=["203.0.113.7"], ports=[port(80, 9990)])


def ingress(name: str, backend: str, number: int) -> None:
    target = {"service": {"name": backend, "port": {"number": number}}}
    paths: Any = [{"path": "/", "pathType": "Prefix", "backend": target}]
    k8s.networking.v1.Ingress(
        name,
        metadata={"name": name, "namespace": "shop"},
        spec={"rules": [{"host": "shop.example", "http": {"paths": paths}}]},
    )


ingress("good-ingress", "hello", 80)
ingress("bad-ingress", "namerd", 4180)

# source-ranges
service("good-ranges", **balanced(ports=[port(80, 80)]))
service(
    "good-annotation",
    annotations={"service.beta.kubernetes.io/azure-allowed-ip-ranges": "203.0.113.0/24"},
    type="LoadBalancer",
    ports=[port(80, 80)],
)
service("bad-no-ranges", type="LoadBalancer", ports=[port(80, 80)])
service("bad-all-ranges", **balanced(loadBalancerSourceRanges=["0.0.0.0/0"], ports=[port(80, 80)]))


# pinned-images
HARDENED: dict[str, Any] = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


LIMITED: Any = {"limits": {"memory": "64Mi"}}


def container(name: str, image: Any, **more: Any) -> dict[str, Any]:
    hardened = {"securityContext": HARDENED, "resources": LIMITED}
    return {"name": name, "image": image, **hardened, **more}


def deployment(name: str, image: Any, init: Any = "example.com/init:1", **more: Any) -> None:
    labels = {"app": name}
    pod = {
        "containers": [container("main", image, **more)],
        "initContainers": [container("first", init)],
    }
    spec: Any = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    k8s.apps.v1.Deployment(name, metadata={"name": name, "namespace": "shop"}, spec=spec)


deployment("good-tag", "registry.example:5000/web:1.2")
deployment("good-digest", f"example.com/web@sha256:{'0' * 64}")
deployment("bad-no-tag", "registry.example:5000/web")
deployment("bad-latest", "example.com/web:latest")
deployment("bad-init", "example.com/web:1", init="busybox")
deployment("good-secret", pulumi.Output.secret("example.com/s3cret-key:1"))
deployment("bad-secret", pulumi.Output.secret("example.com/s3cret-key"))
job = {"template": {"spec": {"containers": [container("main", "busybox")]}}}
cron: Any = {"schedule": "0 0 * * *", "jobTemplate": {"spec": job}}
k8s.batch.v1.CronJob(
    "bad-cron",
    metadata={"name": "bad-cron", "namespace": "shop"},
    spec=cron,
)

# no-host-ports, hardened-pods
deployment("good-port", "example.com/web:1", ports=[{"containerPort": 80}])
deployment("bad-host-port", "example.com/web:1", ports=[{"containerPort": 80, "hostPort": 4140}])
deployment("bad-root", "example.com/web:1", securityContext={**HARDENED, "runAsNonRoot": False})
deployment("bad-bare", "example.com/web:1", securityContext={}, resources={})
added = {"drop": ["ALL"], "add": ["SYS_ADMIN"]}
deployment("bad-capable", "example.com/web:1", securityContext={**HARDENED, "capabilities": added})
of_node: Any = {
    "containers": [container("main", "example.com/web:1")],
    "hostPID": True,
    "volumes": [{"name": "all", "hostPath": {"path": "/"}}],
}
k8s.core.v1.Pod("bad-node", metadata={"name": "bad-node", "namespace": "shop"}, spec=of_node)
k8s.apps.v1.DeploymentPatch(
    "bad-patch",
    metadata={"name": "bad-patch", "namespace": "shop"},
    spec={"template": {"spec": {"containers": [{"name": "main", "image": "example.com/web:1"}]}}},
)


# table-rights
def role(name: str, verbs: list[str], account: str, **rule: list[str]) -> None:
    metadata: Any = {"name": name, "namespace": "shop"}
    rules: Any = [{"apiGroups": ["l5d.io"], "resources": ["dtabs"], "verbs": verbs, **rule}]
    k8s.rbac.v1.Role(name, metadata=metadata, rules=rules)
    k8s.rbac.v1.RoleBinding(
        name,
        metadata=metadata,
        role_ref={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": "shop"}],
    )


role("good-namerd", ["list", "watch"], "namerd")
role("bad-namerd-writes", ["*"], "namerd")
role("bad-endpoints", ["patch"], "web", apiGroups=[""], resources=["endpoints"])
role(
    "bad-binder",
    ["bind"],
    "web",
    apiGroups=["rbac.authorization.k8s.io"],
    resources=["roles"],
)
role("good-reader", ["get", "list", "watch"], "web")
role("bad-writer", ["get", "update"], "web")
role("bad-wildcard", ["*"], "web", apiGroups=["*"], resources=["*"])
k8s.rbac.v1.ClusterRole(
    "bad-everywhere",
    metadata={"name": "bad-everywhere"},
    rules=[{"apiGroups": ["l5d.io"], "resources": ["dtabs"], "verbs": ["patch"]}],
)
k8s.rbac.v1.ClusterRoleBinding(
    "bad-admin",
    metadata={"name": "bad-admin"},
    role_ref={
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "cluster-admin",
    },
    subjects=[{"kind": "ServiceAccount", "name": "namerd", "namespace": "shop"}],
)


# closed-api-server, supported-kubernetes
def cluster(name: str, ranges: list[str], version: str, **more: Any) -> None:
    profile = containerservice.ManagedClusterAPIServerAccessProfileArgs(
        authorized_ip_ranges=ranges, enable_private_cluster=more.pop("private", None)
    )
    containerservice.ManagedCluster(
        name,
        resource_group_name="shop",
        kubernetes_version=version,
        api_server_access_profile=profile,
        **more,
    )


cluster("good-cluster", ONE_NETWORK, "9.99.1")
cluster("good-private", [], "9.99", private=True)
cluster("bad-open", ["203.0.113.0/24", "0.0.0.0/0"], "9.99")
cluster("bad-no-authorised", [], "9.99")
cluster("bad-old", ONE_NETWORK, "1.27.3")
cluster("bad-ended", ONE_NETWORK, "1.31")
cluster("bad-version", ONE_NETWORK, "latest")


# declared-branches
def table(name: str, namespace: str, weights: dict[str, int]) -> None:
    Dtab(
        name,
        namespace=namespace,
        dentries=["/srv => /#/io.l5d.k8s/shop/http", "/host => /srv", "/svc => /host"],
        splits={"/host/web": weights},
        namerd={"cluster": "shop", "service": "linkerd/namerd", "kubeconfig": "s3cret-key"},
    )


service("web-v1", clusterIP="None", ports=[port(80, 80)])
service("web-v2", clusterIP="None", ports=[port(80, 80)])
service("web-v3", clusterIP="None", ports=[port(80, 80, "grpc")])
table("good-table", "good", {"/srv/web-v1": 90, "/srv/web-v2": 10})
table("good-retired", "retired", {"/srv/web-v1": 100, "/srv/web-v9": 0})
table("bad-undeclared", "undeclared", {"/srv/web-v1": 90, "/srv/web-v9": 10})
table("bad-port", "port", {"/srv/web-v1": 90, "/srv/web-v3": 10})
table("bad-nowhere", "nowhere", {"/srv/web-v1": 90, "/src/web-v2": 10})

# secret-outputs
KUBECONFIG = "apiVersion: v1\nkind: Config\nclusters: []\nusers: [{user: {token: s3cret-key}}]\n"
pulumi.export("goodUrl", "http://203.0.113.7")
pulumi.export("goodKubeconfig", pulumi.Output.secret(KUBECONFIG))
pulumi.export("goodNested", {"token": pulumi.Output.secret("s3cret-key"), "publicKey": "ssh-rsa A"})
pulumi.export("badContent", KUBECONFIG)
pulumi.export("badNested", {"cluster": {"clientKey": "s3cret-key"}})
