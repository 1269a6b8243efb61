"""The program in each topology: which linkerds there are, and who sends by which."""

import json
from typing import Any

import pytest

import settings
from mesh import topology
from tests.unit.test_hardening import ROLLING, order
from tests.unit.test_program import (
    Recorder,
    config_file,
    container,
    env,
    kubernetes_objects,
    pod,
    run_program,
)
from tests.unit.test_settings import defaults

APPS = ("hello", "world-v1", "world-v2")
BY_NODE = "http://l5d-node.linkerd.svc.cluster.local.:4140"
BY_SIDECAR = "http://127.0.0.1:4140"


@pytest.fixture(scope="module")
def programs() -> dict[str, Recorder]:
    return {each: run_program({"meshTopology": each}) for each in ("daemonset", "both", "sidecar")}


def names(program: Recorder) -> set[str]:
    return set(order(program))


def followers(program: Recorder) -> dict[str, dict[str, str]]:
    return {table: program.get("Dtab", table)["linkerds"] for table in ("external", "internal")}


def test_what_runs_where(programs: dict[str, Recorder]) -> None:
    nodes = {
        *("DaemonSet l5d", "Service l5d", "Service l5d-node", "ServiceAccount l5d"),
        *("ConfigMap l5d-config", "Role l5d-endpoints", "RoleBinding l5d-endpoints"),
    }
    edge = {
        *("Deployment l5d-edge", "PodDisruptionBudget l5d-edge", "ConfigMap l5d-edge-config"),
    }
    beside = {f"ConfigMap l5d-config-{app}" for app in APPS}
    everything = names(programs["both"])
    assert everything >= nodes | beside
    assert everything - beside == names(programs["daemonset"])
    assert (everything - nodes) | edge == names(programs["sidecar"])


def test_the_linkerds_of_nodes_find_each_other_until_the_last_has_stopped(
    programs: dict[str, Recorder],
) -> None:
    """In `both`, as the next update may delete them all at once."""
    shown = {
        where: programs[where].get("Service", "l5d")["spec"].get("publishNotReadyAddresses")
        for where in ("daemonset", "both")
    }
    assert shown == {"daemonset": None, "both": True}
    # What comes before them goes after them, when Pulumi deletes.
    made = order(programs["both"])
    for name in ("Service l5d", "Role l5d-endpoints", "RoleBinding l5d-endpoints"):
        assert made.index(name) < made.index("DaemonSet l5d")


@pytest.mark.parametrize(
    ("where", "sidecars", "proxy"),
    [("daemonset", False, BY_NODE), ("both", True, BY_NODE), ("sidecar", True, BY_SIDECAR)],
)
def test_what_apps_send_by(
    programs: dict[str, Recorder], where: str, sidecars: bool, proxy: str
) -> None:
    for name in APPS:
        workload = programs[where].get("Deployment", name)
        assert env(container(workload, "service"))["http_proxy"] == proxy
        containers = [one["name"] for one in pod(workload)["containers"]]
        assert containers == (["service", "l5d"] if sidecars else ["service"])
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert ("linkerd-canary/linkerd" in labels) == sidecars
        assert workload["spec"]["selector"] == {"matchLabels": {"app": name}}


def test_a_sidecar_asks_kubernetes_for_nothing(programs: dict[str, Recorder]) -> None:
    program = programs["sidecar"]
    for name in (*APPS, "l5d-edge"):
        spec = pod(program.get("Deployment", name))
        assert spec["automountServiceAccountToken"] is False
        assert "serviceAccountName" not in spec
        assert "projected" not in str(spec["volumes"])
        assert "kubectl" not in [one["name"] for one in spec["containers"]]
    for config in ("l5d-config-hello", "l5d-config-world-v1", "l5d-edge-config"):
        assert "8001" not in json.dumps(program.get("ConfigMap", config)["data"])


def sidecars_routers(program: Recorder, app: str) -> Any:
    return config_file(program, f"l5d-config-{app}")["routers"]


def test_a_sidecars_config(programs: dict[str, Recorder]) -> None:
    outgoing, incoming = sidecars_routers(programs["sidecar"], "hello")
    assert outgoing["servers"] == [{"ip": "127.0.0.1", "port": 4140}]
    assert outgoing["interpreter"]["transformers"] == [{"kind": "io.l5d.port", "port": 4141}]
    assert outgoing["interpreter"]["namespace"] == "internal"
    assert outgoing["service"]["responseClassifier"]["kind"] == "io.l5d.http.retryableRead5XX"
    assert outgoing["service"]["totalTimeoutMs"] == 10_000
    assert outgoing["client"]["hostConnectionPool"]["maxSize"] == 16
    assert incoming["servers"] == [{"ip": "0.0.0.0", "port": 4141}]
    assert incoming["identifier"] == {"kind": "io.l5d.header", "header": "l5d-dst-client"}


@pytest.mark.parametrize(("app", "port"), [("hello", 7777), ("world-v1", 7778), ("world-v2", 7778)])
def test_a_sidecar_leads_to_its_own_app_whatever_the_endpoints_are(
    programs: dict[str, Recorder], app: str, port: int
) -> None:
    for where in ("both", "sidecar"):
        _, incoming = sidecars_routers(programs[where], app)
        assert incoming["dtab"] == (
            f"/svc => ! ; /svc/%/io.l5d.port/4141/#/io.l5d.k8s/hello-world/http/{app} => "
            f"/$/inet/127.0.0.1/{port} ;"
        )
        assert incoming["interpreter"]["transformers"] == [
            {"kind": "io.l5d.replace", "path": f"/$/inet/127.0.0.1/{port}"}
        ]
        workload = programs[where].get("Deployment", app)
        (volume,) = [one for one in pod(workload)["volumes"] if one["name"] == "l5d-config"]
        assert volume["configMap"] == {"name": f"l5d-config-{app}"}


def test_no_object_grows_with_the_number_of_services() -> None:
    """An API server takes a ConfigMap of up to 1 MiB, and one for all apps exceeded that."""
    services: dict[str, Any] = {
        f"{'s' * 56}-{number:03}": {"port": 80, "image": "i", "versions": {"v1": {}, "v2": {}}}
        for number in range(50)
    }
    config = {"meshTopology": "sidecar", "meshTls": "mutual", "meshTlsPermissive": "true"}
    config |= {"services": json.dumps(services), "entryService": next(iter(services))}
    found = run_program({**config, "meshTlsSecret": "given"})
    maps = [one.inputs for one in kubernetes_objects(found) if one.typ.endswith(":ConfigMap")]
    assert len(maps) == 100 + len(("namerd", "edge"))
    for each in maps:
        assert len(json.dumps(each)) < 5000
        assert len(each["metadata"]["name"]) <= 253


def test_a_config_is_there_before_the_pods_that_mount_it(programs: dict[str, Recorder]) -> None:
    """And is deleted after them: a deletion goes by the dependencies, from their end."""
    for registered in programs["sidecar"].registered:
        if registered.type.endswith(":Deployment") and registered.name in APPS:
            config = f"::l5d-config-{registered.name}"
            assert [each for each in registered.dependencies if each.endswith(config)]


def test_no_apps_config_has_the_name_of_the_former_one() -> None:
    """All apps shared l5d-sidecar-config: pods mount that until they are replaced."""
    services = json.dumps({"config": {"port": 80, "image": "example.com/config:1"}})
    config = {"meshTopology": "sidecar", "entryService": "config", "canaryWeight": "0"}
    assert "ConfigMap l5d-sidecar-config" not in names(
        run_program({**config, "services": services})
    )


def test_the_edges_config(programs: dict[str, Recorder]) -> None:
    (external,) = config_file(programs["sidecar"], "l5d-edge-config")["routers"]
    assert external["servers"] == [{"ip": "0.0.0.0", "port": 4142, "clearContext": True}]
    assert external["interpreter"]["namespace"] == "external"
    assert external["interpreter"]["transformers"] == [{"kind": "io.l5d.port", "port": 4141}]


def test_a_sidecar_outlives_its_app(programs: dict[str, Recorder]) -> None:
    workload = programs["sidecar"].get("Deployment", "hello")
    waits = {
        one["name"]: one["lifecycle"]["preStop"]["sleep"]["seconds"]
        for one in pod(workload)["containers"]
    }
    assert waits == {"service": 8, "l5d": 20}
    assert pod(workload)["terminationGracePeriodSeconds"] == 30
    assert workload["spec"]["strategy"] == ROLLING


def test_each_container_of_a_pod_has_a_tmp_of_its_own(programs: dict[str, Recorder]) -> None:
    workload = programs["sidecar"].get("Deployment", "hello")
    mounted = {
        one["name"]: [each["name"] for each in one["volumeMounts"] if each["mountPath"] == "/tmp"]
        for one in pod(workload)["containers"]
    }
    assert mounted == {"service": ["tmp"], "l5d": ["l5d-tmp"]}


def test_a_changed_config_rolls_the_apps_out(programs: dict[str, Recorder]) -> None:
    def annotations(program: Recorder) -> Any:
        return program.get("Deployment", "hello")["spec"]["template"]["metadata"]["annotations"]

    other = run_program({"meshTopology": "sidecar", "totalTimeoutMs": "1"})
    assert annotations(programs["sidecar"]) != annotations(other)


def test_the_edge_is_spread_and_gives_up_one_pod_at_a_time() -> None:
    program = run_program({"meshTopology": "sidecar", "edgeReplicas": "4"})
    spec = program.get("Deployment", "l5d-edge")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (4, ROLLING)
    (constraint,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert constraint["labelSelector"] == {"matchLabels": {"app": "l5d-edge"}}
    budget = program.get("PodDisruptionBudget", "l5d-edge")["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "l5d-edge"}}}


@pytest.mark.parametrize(
    ("where", "app", "before"),
    [
        ("daemonset", "l5d", ["Deployment hello", "DaemonSet l5d", "Service l5d-external"]),
        ("both", "l5d", ["DaemonSet l5d", "Service l5d-external", "Deployment hello"]),
        (
            "sidecar",
            "l5d-edge",
            ["Deployment hello", "Deployment l5d-edge", "Service l5d-external"],
        ),
    ],
)
def test_what_is_sent_to_is_there_first(
    programs: dict[str, Recorder], where: str, app: str, before: list[str]
) -> None:
    program = programs[where]
    assert program.get("Service", "l5d-external")["spec"]["selector"] == {"app": app}
    made = order(program)
    assert [made.index(each) for each in before] == sorted(made.index(each) for each in before)


def test_those_are_asked_what_they_follow_that_requests_go_by(
    programs: dict[str, Recorder],
) -> None:
    by_node = {"namespace": "linkerd", "selector": "app=l5d", "port": "9990"}
    for where in ("daemonset", "both"):
        assert followers(programs[where]) == {
            "external": {**by_node, "router": "external"},
            "internal": {**by_node, "router": "outgoing"},
        }
    assert followers(programs["sidecar"]) == {
        "external": {**by_node, "selector": "app=l5d-edge", "router": "external"},
        "internal": {
            "namespace": "hello-world",
            "selector": "linkerd-canary/linkerd=sidecar",
            "router": "outgoing",
            "port": "9990",
        },
    }


def test_the_stack_notes_its_topology_before_all_else(programs: dict[str, Recorder]) -> None:
    for where, program in programs.items():
        noted = program.get("Topology", "topology")
        assert (noted["topology"], noted["namespace"]) == (where, "hello-world")
        made = order(program)
        assert made.index("Topology topology") < made.index("Namespace mesh")


@pytest.mark.parametrize("port", [4140, 4141, 4143, 9990])
def test_an_app_cannot_have_a_port_of_the_linkerd_beside_it(port: int) -> None:
    services = {"hello": {"port": 80}, "other": {"port": port}}
    config = {**defaults(), "services": json.dumps(services)}
    settings.parse({**config, "meshTopology": "daemonset"})
    for where in ("both", "sidecar"):
        with pytest.raises(settings.SettingsError) as raised:
            settings.parse({**config, "meshTopology": where})
        assert str(raised.value) == (
            f"config services: other listens on port {port}, which the linkerd beside it takes "
            f"with meshTopology {where}: give it another port"
        )


@pytest.mark.parametrize(
    ("former", "new"), [({}, {"clusterDomain": "a.b"}), ({"clusterDomain": "a.b"}, {})]
)
def test_a_value_that_is_only_before_or_after_is_a_change(
    former: dict[str, str], new: dict[str, str]
) -> None:
    reason = topology.refusal_to_roll_out("both", "both", former, new)
    assert reason is not None
    assert reason.startswith("clusterDomain may not change on the way")


@pytest.mark.parametrize("before", ["daemonset", "both", "sidecar"])
@pytest.mark.parametrize("after", ["daemonset", "both", "sidecar"])
def test_one_goes_by_both(before: str, after: str) -> None:
    reason = topology.refusal(before, after)
    if {before, after} == {"daemonset", "sidecar"}:
        assert reason == (
            f"meshTopology goes from {before} to {after} at once: pods of the one send to linkerds "
            "that pods of the other do not have; run `pulumi config set meshTopology both` and "
            "`pulumi up` first"
        )
    else:
        assert reason is None


@pytest.mark.parametrize(
    ("key", "value", "replaces"),
    [
        ("linkerdImage", "example.com/linkerd:2", True),
        ("kubectlImage", "example.com/kubectl:2", True),
        ("linkerdHeapMb", "300", True),
        ("linkerdMemoryMb", "600", True),
        ("totalTimeoutMs", "5000", True),
        ("maxConnections", "20", True),
        ("clusterDomain", "k8s.example", True),
        ("meshTls", "server", True),
        ("meshTlsPermissive", "true", True),
        ("namerdImage", "example.com/namerd:2", False),
        ("namerdReplicas", "3", False),
        ("edgeReplicas", "3", False),
        ("replicas", "2", False),
        ("canaryWeight", "10", False),
        ("noProxy", '["example.com"]', False),
        ("exposure", "ClusterIP", False),
        ("networkPolicies", "true", False),
    ],
)
def test_what_the_nodes_linkerds_are_started_with_is_watched(
    programs: dict[str, Recorder], key: str, value: str, replaces: bool
) -> None:
    before, after = programs["both"], run_program({"meshTopology": "both", key: value})
    pods = [each.get("DaemonSet", "l5d")["spec"]["template"] for each in (before, after)]
    assert (pods[0] != pods[1]) is replaces
    watched = [each.get("Topology", "topology")["linkerd"] for each in (before, after)]
    assert {each for each in watched[1] if watched[0].get(each) != watched[1][each]} == (
        {key} if replaces else set()
    )
