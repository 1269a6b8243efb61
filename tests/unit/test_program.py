"""The program under Pulumi's mocks: every object of the 2018 walkthrough, as it is today."""

import asyncio
import json
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import mocks, rpc

from tests.unit.test_settings import ROOT, defaults

KUBECONFIG = yaml.safe_dump(
    {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1:6443"}}],
        "users": [{"name": "u", "user": {"token": "s3cret"}}],
    }
)


DEFINITION = "CustomResourceDefinitionPatch"
CLUSTER_WIDE = {"Namespace", "NamespacePatch", DEFINITION}


@dataclass
class Recorder(mocks.Mocks):
    """Takes every resource for made, and remembers what was asked for."""

    ingress: dict[str, str] = field(default_factory=lambda: {"ip": "192.0.2.7"})
    """What a load balancer says its address is."""
    made: list[mocks.MockResourceArgs] = field(default_factory=list)
    registered: list[Any] = field(default_factory=list)
    """The requests themselves, with the resources' options."""
    url: str = ""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.made.append(args)
        outputs = dict(args.inputs)
        if args.typ == "kubernetes:core/v1:Service" and args.name == "l5d-external":
            spec = args.inputs["spec"].get("value", args.inputs["spec"])
            (port,) = spec["ports"]
            outputs["spec"] = {**spec, "ports": [{**port, "nodePort": 30080}]}
            outputs["status"] = {"loadBalancer": {"ingress": [self.ingress]}}
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program called {args.token}")

    def get(self, kind: str, name: str) -> dict[str, Any]:
        (found,) = [one for one in self.made if one.typ.endswith(f":{kind}") and one.name == name]
        inputs: dict[str, Any] = found.inputs
        return inputs


PROGRAM = str(ROOT / "__main__.py")


class Monitor(mocks.MockMonitor):
    """Has the recorder remember the options too."""

    mocks: Recorder

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        self.mocks.registered.append(request)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def run_program(
    config: dict[str, str],
    secret: Sequence[str] = (),
    recorder: Recorder | None = None,
    foreign: Mapping[str, str] | None = None,
) -> Recorder:
    """What `__main__.py` declares with the defaults and `config`, some of whose keys are secret.

    `foreign` is config of other packages, by whole keys.
    """
    recorder = recorder or Recorder()
    _prepare(config, secret, recorder, foreign or {})

    def run() -> pulumi.Output[None]:
        linkerd = runpy.run_path(PROGRAM)["linkerd"]
        url: pulumi.Output[None] = linkerd.url.apply(lambda url: setattr(recorder, "url", url))
        return url

    # It waits until every resource that the program declared has been asked for.
    waiting: Any = pulumi.runtime.test
    waiting(run)()
    return recorder


def _prepare(
    config: dict[str, str], secret: Sequence[str], recorder: Recorder, foreign: Mapping[str, str]
) -> None:
    values = {**defaults(), "kubeconfig": KUBECONFIG, **config}
    pulumi.runtime.set_all_config(
        {f"linkerd-canary:{key}": text for key, text in values.items()} | dict(foreign),
        [f"linkerd-canary:{key}" for key in secret],
    )
    asyncio.set_event_loop(asyncio.new_event_loop())
    mocks.set_mocks(
        recorder,
        project="linkerd-canary",
        stack="test",
        preview=False,
        monitor=Monitor(recorder),
        organization="organization",
    )


@pytest.fixture(scope="module")
def program() -> Recorder:
    return run_program({})


def stopped_with(config: dict[str, str], caplog: pytest.LogCaptureFixture) -> str:
    """What a person is told by a program that stops before it declares anything."""
    recorder = Recorder()
    _prepare(config, (), recorder, {})
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(PROGRAM)
    assert stopped.value.code == 32
    assert recorder.made == []
    (said,) = caplog.messages
    assert "\n" not in said
    return said


def kubernetes_objects(recorder: Recorder) -> list[mocks.MockResourceArgs]:
    return [one for one in recorder.made if one.typ.startswith("kubernetes:")]


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def of_pod(field: str) -> dict[str, Any]:
    """The source of an environment variable, with the default that the API server fills in."""
    return {"fieldRef": {"apiVersion": "v1", "fieldPath": field}}


def container(workload: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in pod(workload)["containers"] if one["name"] == name]
    return dict(found)


def env(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value") or one["valueFrom"] for one in container["env"]}


def config_file(program: Recorder, name: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(program.get("ConfigMap", name)["data"]["config.json"])
    return parsed


def test_config_without_effect_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    run_program({}, foreign={"kubernetes:context": "production", "aws:region": "x"})
    said = [record.message for record in caplog.records if "without effect" in record.message]
    (line,) = said
    assert line == (
        "without effect: config aws:region, kubernetes:context (this project's key is "
        "kubeContext); remove with `pulumi config rm`"
    )


def test_all_on_the_cluster_waits_for_the_clusters_identity(program: Recorder) -> None:
    identity = program.get("ClusterIdentity", "cluster")
    assert identity["identifier"] == "test"
    assert identity["kubeconfig"] == program.get("kubernetes", "cluster")["kubeconfig"]
    made = [f"{one.typ}::{one.name}" for one in program.made]
    on_it = [name for name in made if name.startswith(("kubernetes:", "pulumi:providers:"))]
    first = min(map(made.index, on_it))
    assert made.index("pulumi-python:dynamic/kube:ClusterIdentity::cluster") < first


def test_both_namespaces_are_the_projects_own(program: Recorder) -> None:
    assert program.get("Namespace", "mesh")["metadata"]["name"] == "linkerd"
    assert program.get("Namespace", "apps")["metadata"]["name"] == "hello-world"


def test_every_namespaced_object_says_where_it_lies(program: Recorder) -> None:
    for one in kubernetes_objects(program):
        if one.typ.rsplit(":", 1)[1] not in CLUSTER_WIDE:
            assert one.inputs["metadata"]["namespace"] in {"linkerd", "hello-world"}, one.name


def test_two_stacks_with_their_own_namespaces_share_the_definition_of_tables_alone(
    program: Recorder,
) -> None:
    def cluster_wide(recorder: Recorder) -> set[tuple[str, str]]:
        return {
            (one.typ.rsplit(":", 1)[1], one.inputs["metadata"]["name"])
            for one in kubernetes_objects(recorder)
            if one.typ.rsplit(":", 1)[1] in CLUSTER_WIDE
        }

    other = run_program({"meshNamespace": "linkerd-b", "appsNamespace": "hello-world-b"})
    assert cluster_wide(program) & cluster_wide(other) == {(DEFINITION, "dtabs.l5d.io")}
    assert {kind for kind, _ in cluster_wide(other)} == CLUSTER_WIDE


def test_a_destroy_leaves_the_definition_of_tables(program: Recorder) -> None:
    (retained,) = [one for one in program.registered if one.retainOnDelete]
    assert (retained.type.rpartition(":")[2], retained.name) == (DEFINITION, "dtabs")
    former = {alias.spec.type for alias in retained.aliases}
    assert "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition" in former


def test_the_stack_claims_its_namespaces() -> None:
    program = run_program({"meshNamespace": "mesh"})
    claim = program.get("Claim", "claim")
    assert claim["namespaces"] == {"meshNamespace": "mesh", "appsNamespace": "hello-world"}
    assert claim["stack"] == "organization/linkerd-canary/test"
    assert claim["kubeconfig"][rpc._special_sig_key] == rpc._special_secret_sig
    for name in ("mesh", "apps"):
        annotations = program.get("Namespace", name)["metadata"]["annotations"]
        assert annotations == {"linkerd-canary/stack": "organization/linkerd-canary/test"}


def test_apps_reach_the_linkerd_of_their_own_node_by_a_service() -> None:
    program = run_program({"meshNamespace": "mesh"})
    spec = program.get("Service", "l5d-node")["spec"]
    assert (spec["type"], spec["internalTrafficPolicy"]) == ("ClusterIP", "Local")
    assert spec["selector"] == {"app": "l5d"}
    assert [(one["name"], one["port"]) for one in spec["ports"]] == [("outgoing", 4140)]
    for name in ("hello", "world-v1", "world-v2"):
        app = container(program.get("Deployment", name), "service")
        assert env(app)["http_proxy"] == "http://l5d-node.mesh.svc.cluster.local.:4140"


@pytest.mark.parametrize("where", ["daemonset", "both", "sidecar"])
def test_all_names_in_the_cluster_have_its_domain(where: str) -> None:
    config = {"clusterDomain": "k8s.example", "meshTopology": where, "exposure": "ClusterIP"}
    program = run_program(config)
    said = json.dumps([one.inputs for one in program.made], default=str)
    assert "cluster.local" not in said
    assert program.url == "http://l5d-external.linkerd.svc.k8s.example"
    entries = program.get("Dtab", "internal")["dentries"]
    pfx = "/$/io.buoyant.http.subdomainOfPfx"
    assert f"/svc => {pfx}/hello-world.svc.k8s.example/host" in entries
    assert said.count("/$/inet/namerd.linkerd.svc.k8s.example/4100") > 1
    proxy = env(container(program.get("Deployment", "hello"), "service"))["http_proxy"]
    by_node = proxy == "http://l5d-node.linkerd.svc.k8s.example.:4140"
    assert by_node is (where != "sidecar")


def test_the_usual_cluster_domain_is_not_in_the_state(program: Recorder) -> None:
    """Or the next preview of a stack of an earlier release would show an update."""
    assert "clusterDomain" not in program.get("Topology", "topology")["linkerd"]


def test_a_stack_leaves_its_host_port_service_first_and_linkerd_last(program: Recorder) -> None:
    """As its apps go on by the linkerds that have the port until they use the service."""
    made = [f"{one.typ.rpartition(':')[2]} {one.name}" for one in program.made]
    apps = [made.index(f"Deployment {name}") for name in ("hello", "world-v1", "world-v2")]
    assert made.index("Service l5d-node") < min(apps)
    assert max(apps) < made.index("DaemonSet l5d") < made.index("Service l5d-external")
    # Pulumi does not wait for pods that come later.
    annotations = program.get("Service", "l5d-node")["metadata"]["annotations"]
    assert annotations == {"pulumi.com/skipAwait": "true"}


@pytest.mark.parametrize(
    ("name", "namespace", "account"),
    [("namerd-endpoints", "apps", "namerd"), ("l5d-endpoints", "mesh", "l5d")],
)
def test_endpoints_may_be_read_where_they_are_needed(
    name: str, namespace: str, account: str
) -> None:
    program = run_program({"meshNamespace": "mesh", "appsNamespace": "apps"})
    role, binding = program.get("Role", name), program.get("RoleBinding", name)
    (rule,) = role["rules"]
    assert rule == {"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "watch"]}
    assert role["metadata"] == binding["metadata"] == {"name": name, "namespace": namespace}
    assert binding["roleRef"]["name"] == name
    (subject,) = binding["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": account, "namespace": "mesh"}


def test_dtab_storage_is_confined_to_the_mesh_and_writes_nothing(program: Recorder) -> None:
    role = program.get("Role", "namerd-dtab-storage")
    assert role["metadata"]["namespace"] == "linkerd"
    (rule,) = role["rules"]
    assert (rule["apiGroups"], rule["resources"]) == (["l5d.io"], ["dtabs"])
    assert rule["verbs"] == ["list", "watch"]


def test_the_definition_declares_dentries_at_the_top(program: Recorder) -> None:
    spec = program.get(DEFINITION, "dtabs")["spec"]
    assert (spec["group"], spec["scope"]) == ("l5d.io", "Namespaced")
    assert spec["names"] == {"kind": "DTab", "plural": "dtabs", "singular": "dtab"}
    (version,) = spec["versions"]
    assert version["name"] == "v1alpha1"
    dentry = version["schema"]["openAPIV3Schema"]["properties"]["dentries"]["items"]
    assert set(dentry["properties"]) == {"prefix", "dst"}


def test_namerd_is_reached_only_from_inside(program: Recorder) -> None:
    spec = program.get("Service", "namerd")["spec"]
    assert spec["type"] == "ClusterIP"
    assert {one["name"]: one["port"] for one in spec["ports"]} == {
        "thrift": 4100,
        "mesh": 4321,
        "admin": 9991,
    }


def test_namerds_config(program: Recorder) -> None:
    config = config_file(program, "namerd-config")
    assert config["admin"] == {
        "ip": "0.0.0.0",
        "port": 9991,
        "security": {"controlEnabled": False},
    }
    assert config["namers"] == [{"kind": "io.l5d.k8s", "host": "localhost", "port": 8001}]
    assert config["storage"]["namespace"] == "linkerd"
    assert [(one["kind"], one["ip"], one["port"]) for one in config["interfaces"]] == [
        ("io.l5d.thriftNameInterpreter", "0.0.0.0", 4100),
        ("io.l5d.httpController", "127.0.0.1", 4180),
        ("io.l5d.mesh", "0.0.0.0", 4321),
    ]


def test_who_follows_a_table_is_told_to_it(program: Recorder) -> None:
    for name, router in (("external", "external"), ("internal", "outgoing")):
        assert program.get("Dtab", name)["linkerds"] == {
            "namespace": "linkerd",
            "selector": "app=l5d",
            "router": router,
            "port": "9990",
        }


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "namerd"), ("DaemonSet", "l5d")])
def test_both_reach_the_api_through_a_proxy_of_their_own_account(
    program: Recorder, kind: str, name: str
) -> None:
    workload = program.get(kind, name)
    assert container(workload, "kubectl")["args"] == ["proxy", "--port=8001"]
    assert pod(workload)["serviceAccountName"] == name
    program.get("ServiceAccount", name)
    assert container(workload, name)["readinessProbe"]["httpGet"]["path"] == "/admin/ping"


def test_a_changed_config_file_rolls_the_pods_out_anew(program: Recorder) -> None:
    def annotations(recorder: Recorder) -> dict[str, str]:
        template = recorder.get("Deployment", "namerd")["spec"]["template"]
        found: dict[str, str] = template["metadata"]["annotations"]
        return found

    other = run_program({"meshNamespace": "mesh"})
    assert annotations(program) != annotations(other)
    assert annotations(program) == annotations(run_program({"canaryWeight": "7"}))


def test_linkerd_has_no_port_of_its_node(program: Recorder) -> None:
    l5d = container(program.get("DaemonSet", "l5d"), "l5d")
    assert l5d["ports"] == [
        {"name": "outgoing", "containerPort": 4140},
        {"name": "incoming", "containerPort": 4141},
        {"name": "external", "containerPort": 4142},
        {"name": "admin", "containerPort": 9990},
    ]
    assert env(l5d)["POD_IP"] == of_pod("status.podIP")
    assert env(l5d)["NODE_NAME"] == of_pod("spec.nodeName")


def test_linkerds_config(program: Recorder) -> None:
    config = config_file(program, "l5d-config")
    assert config["usage"] == {"enabled": False}
    assert {one["kind"] for one in config["telemetry"]} == {
        "io.l5d.prometheus",
        "io.l5d.recentRequests",
    }
    routers = {one["label"]: one for one in config["routers"]}
    ports = {label: one["servers"][0]["port"] for label, one in routers.items()}
    assert ports == {"outgoing": 4140, "incoming": 4141, "external": 4142}
    tables = {label: one["interpreter"]["namespace"] for label, one in routers.items()}
    assert tables == {"outgoing": "internal", "incoming": "internal", "external": "external"}
    for router in routers.values():
        assert router["interpreter"]["dst"] == "/$/inet/namerd.linkerd.svc.cluster.local/4100"


def test_linkerds_routers_go_by_node(program: Recorder) -> None:
    outgoing, incoming, external = config_file(program, "l5d-config")["routers"]
    for sender in (outgoing, external):
        (by_daemonset,) = sender["interpreter"]["transformers"]
        assert by_daemonset == {
            "kind": "io.l5d.k8s.daemonset",
            "namespace": "linkerd",
            "service": "l5d",
            "port": "incoming",
            "k8sHost": "localhost",
            "k8sPort": 8001,
        }
    assert outgoing["service"]["responseClassifier"]["kind"] == "io.l5d.http.retryableRead5XX"
    assert incoming["interpreter"]["transformers"] == [{"kind": "io.l5d.k8s.localnode"}]


def test_a_split_is_drawn_at_the_first_linkerd_alone() -> None:
    program = run_program({"meshNamespace": "mesh"})
    outgoing, incoming, external = config_file(program, "l5d-config")["routers"]
    assert incoming["identifier"] == {"kind": "io.l5d.header", "header": "l5d-dst-client"}
    chosen = "/svc/%/io.l5d.k8s.daemonset/mesh/incoming/l5d"
    assert incoming["dtab"] == f"/svc => ! ; {chosen} => / ;"
    for router in (outgoing, external):
        assert not {"identifier", "dtab"} & set(router)


def test_linkerd_is_back_within_seconds_of_namerd(program: Recorder) -> None:
    for router in config_file(program, "l5d-config")["routers"]:
        assert router["interpreter"]["retry"] == {"baseSeconds": 1, "maxSeconds": 5}


def test_latencies_are_of_ten_seconds(program: Recorder) -> None:
    flag, path = container(program.get("DaemonSet", "l5d"), "l5d")["args"]
    assert flag == "-io.buoyant.telemetry.admin.histogramSnapshotInterval=10.seconds"
    assert path == "/io.buoyant/config/config.json"
    assert container(program.get("Deployment", "namerd"), "namerd")["args"] == [path]


def test_nobody_outside_may_choose_his_own_route(program: Recorder) -> None:
    routers = {one["label"]: one for one in config_file(program, "l5d-config")["routers"]}
    cleared = {label: one["servers"][0].get("clearContext") for label, one in routers.items()}
    assert cleared == {"outgoing": None, "incoming": None, "external": True}


def test_only_the_external_router_is_public(program: Recorder) -> None:
    inside = program.get("Service", "l5d")["spec"]
    assert inside["type"] == "ClusterIP"
    assert {one["name"]: one["port"] for one in inside["ports"]} == {
        "outgoing": 4140,
        "incoming": 4141,
        "admin": 9990,
    }
    outside = program.get("Service", "l5d-external")["spec"]
    assert outside["type"] == "LoadBalancer"
    assert [(one["port"], one["targetPort"]) for one in outside["ports"]] == [(80, 4142)]


def test_source_ranges_reach_the_load_balancer() -> None:
    spec = run_program({"sourceRanges": '["203.0.113.0/24"]'}).get("Service", "l5d-external")[
        "spec"
    ]
    assert spec["loadBalancerSourceRanges"] == ["203.0.113.0/24"]


@pytest.mark.parametrize(
    ("ingress", "url"),
    [
        ({"ip": "192.0.2.7"}, "http://192.0.2.7"),
        ({"ip": "2001:db8::7"}, "http://[2001:db8::7]"),
        ({"hostname": "lb.example"}, "http://lb.example"),
        ({"ip": "192.0.2.7", "hostname": "lb.example"}, "http://192.0.2.7"),
    ],
)
def test_the_url_of_a_load_balancer(ingress: dict[str, str], url: str) -> None:
    assert run_program({}, recorder=Recorder(ingress)).url == url


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({"exposure": "NodePort", "nodeAddress": "node.example"}, "http://node.example:30080"),
        ({"exposure": "NodePort", "nodeAddress": "2001:db8::7"}, "http://[2001:db8::7]:30080"),
        (
            {"exposure": "ClusterIP", "meshNamespace": "mesh"},
            "http://l5d-external.mesh.svc.cluster.local",
        ),
    ],
)
def test_the_url_without_a_load_balancer(config: dict[str, str], url: str) -> None:
    program = run_program(config)
    assert program.url == url
    spec = program.get("Service", "l5d-external")["spec"]
    assert "loadBalancerSourceRanges" not in spec


def test_both_tables_take_the_stacks_largest_step() -> None:
    program = run_program({"maxWeightStep": "25"})
    for table in ("external", "internal"):
        assert program.get("Dtab", table)["max_weight_step"] == 25


@pytest.mark.parametrize(
    ("name", "port", "args", "world"),
    [
        ("hello", 7777, ["-addr=:7777", "-text=Hello", "-target=world"], None),
        ("world-v1", 7778, ["-addr=:7778"], "world"),
        ("world-v2", 7778, ["-addr=:7778"], "worldv2"),
    ],
)
def test_the_apps(
    program: Recorder, name: str, port: int, args: list[str], world: str | None
) -> None:
    deployment = program.get("Deployment", name)
    assert deployment["spec"]["replicas"] == 3
    service = container(deployment, "service")
    assert service["args"] == args
    assert env(service).get("TARGET_WORLD") == world
    assert env(service)["POD_IP"] == of_pod("status.podIP")
    assert env(service)["HOST_IP"] == of_pod("status.hostIP")
    spec = program.get("Service", name)["spec"]
    assert spec["clusterIP"] == "None"
    assert [(one["name"], one["port"]) for one in spec["ports"]] == [("http", port)]


OWN_HOSTS = "localhost,127.0.0.1,::1,169.254.169.254"


def test_hosts_that_services_call_past_linkerd(program: Recorder) -> None:
    assert env(container(program.get("Deployment", "hello"), "service"))["no_proxy"] == OWN_HOSTS
    hosts = ["example.com", ".example.org", "203.0.113.0/24"]
    own = {"port": 80, "env": {"no_proxy": "only.example"}}
    services = {"hello": {"port": 80}, "own": own}
    program = run_program({"noProxy": json.dumps(hosts), "services": json.dumps(services)})
    for name, expected in (
        ("hello", ",".join([OWN_HOSTS, *hosts])),
        ("own", "only.example"),
    ):
        variables = container(program.get("Deployment", name), "service")["env"]
        assert [one["value"] for one in variables if one["name"] == "no_proxy"] == [expected]


def test_the_base_tables(program: Recorder) -> None:
    assert program.get("Dtab", "external")["dentries"] == [
        "/host => /#/io.l5d.k8s/hello-world/http/hello",
        "/svc/* => /host",
    ]
    assert program.get("Dtab", "external")["splits"] == {}
    assert program.get("Dtab", "internal")["dentries"] == [
        "/portless/* => /svc",
        "/svc => /$/io.buoyant.porthostPfx/portless",
        "/svc => /$/io.buoyant.http.subdomainOfPfx/hello-world/host",
        "/svc => /$/io.buoyant.http.subdomainOfPfx/hello-world.svc/host",
        "/svc => /$/io.buoyant.http.subdomainOfPfx/hello-world.svc.cluster.local/host",
        "/srv => /#/io.l5d.k8s/hello-world/http",
        "/host => /srv",
        "/tmp => /srv",
        "/svc => /host",
    ]


@pytest.mark.parametrize("weight", [0, 10, 100])
def test_the_canarys_weight_is_the_split(weight: int) -> None:
    program = run_program({"canaryWeight": str(weight)})
    split = program.get("Dtab", "internal")["splits"]
    assert split == {"/host/world": {"/srv/world-v1": 100 - weight, "/srv/world-v2": weight}}


def test_the_canarys_weight_may_have_decimals() -> None:
    program = run_program({"canaryWeight": "0.5", "maxWeightStep": "0.5"})
    table = program.get("Dtab", "internal")
    assert table["splits"] == {"/host/world": {"/srv/world-v1": 99.5, "/srv/world-v2": 0.5}}
    assert table["max_weight_step"] == 0.5


def test_the_first_version_is_the_baseline() -> None:
    versions = {"versions": {"v2": {}, "v1": {}, "v3": {}}, "weights": {"v3": 100}}
    services = json.dumps({"hello": {"port": 80, **versions}, "plain": {"port": 80}})
    program = run_program({"services": services})
    assert program.get("Dtab", "internal")["baseline"] == {"/host/hello": "/srv/hello-v1"}
    assert program.get("Dtab", "external")["baseline"] == {
        "/host": "/#/io.l5d.k8s/hello-world/http/hello-v1"
    }


def test_a_secret_address_makes_a_secret_url() -> None:
    config = {"exposure": "NodePort", "nodeAddress": "node.example"}
    program = run_program(config, secret=["nodeAddress"])
    assert program.url == "http://node.example:30080"
    assert "node.example" not in str([one.inputs for one in program.made])


def test_secret_source_ranges_are_secret_in_the_service() -> None:
    config = {"sourceRanges": '["203.0.113.0/24"]'}
    program = run_program(config, secret=["sourceRanges"])
    spec = program.get("Service", "l5d-external")["spec"]
    assert spec[rpc._special_sig_key] == rpc._special_secret_sig
    assert spec["value"]["loadBalancerSourceRanges"] == ["203.0.113.0/24"]


def test_the_tables_are_reached_through_the_api_server(program: Recorder) -> None:
    for table in ("external", "internal"):
        secret = program.get("Dtab", table)["namerd"]
        assert rpc._special_secret_sig in secret.values(), "the kubeconfig is a secret"
        namerd = secret["value"]
        assert namerd["service"] == "linkerd/namerd"
        assert namerd["cluster"] == "test"


def test_a_wrong_setting_stops_the_program_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    said = stopped_with({"canaryWeight": "101"}, caplog)
    assert said.startswith("config canaryWeight is '101': it must be")


def test_a_wrong_context_stops_the_program_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    said = stopped_with({"kubeContext": "elsewhere"}, caplog)
    assert "has no context 'elsewhere': it has here" in said
