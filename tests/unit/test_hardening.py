"""What the stack's pods may do, what they may use, and how they come and go."""

import json
from typing import Any

import pytest

from policy.hardening import HARDENED_PODS
from policy.rights import TABLE_RIGHTS
from policy.rule import Seen
from tests.unit.test_program import Recorder, config_file, container, env, pod, run_program

ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
MODES = ("enforce", "warn", "audit")


@pytest.fixture(scope="module")
def program() -> Recorder:
    return run_program({})


def workloads(program: Recorder) -> dict[str, dict[str, Any]]:
    found = {
        one.name: one.inputs
        for one in program.made
        if one.typ.rpartition(":")[2] in ("Deployment", "DaemonSet")
    }
    assert set(found) >= {"namerd", "l5d", "hello", "world-v1", "world-v2"}
    return found


def order(program: Recorder) -> list[str]:
    """Kinds and names in the order in which they are made."""
    return [f"{one.typ.rpartition(':')[2]} {one.name}" for one in program.made]


def levels(program: Recorder, name: str) -> set[str]:
    labels = program.get("NamespacePatch", name)["metadata"]["labels"]
    assert set(labels) == {f"pod-security.kubernetes.io/{mode}" for mode in MODES}
    return set(labels.values())


def test_every_container_may_do_as_little_as_it_can(program: Recorder) -> None:
    for workload in workloads(program).values():
        spec = pod(workload)
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert {"name": "tmp", "emptyDir": {}} in spec["volumes"]
        for one in spec["containers"]:
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"name": "tmp", "mountPath": "/tmp"} in one["volumeMounts"]
            assert set(one["resources"]["requests"]) == {"cpu", "memory"}
            assert set(one["resources"]["limits"]) == {"memory"}


@pytest.mark.parametrize("where", ["daemonset", "both", "sidecar"])
def test_the_stacks_own_pods_and_roles_keep_the_policies(where: str) -> None:
    made = run_program({"meshTopology": where, "meshTls": "mutual"}).made
    stack = [Seen(f"urn:{one.name}", one.typ, one.inputs) for one in made]
    pods = [seen for seen in stack if HARDENED_PODS.types(seen.type)]
    assert len(pods) >= 5
    assert [line for seen in pods for line in HARDENED_PODS.violations(seen, {})] == []
    assert list(TABLE_RIGHTS.violations(stack, {})) == []


def test_only_what_asks_the_api_server_has_a_token(program: Recorder) -> None:
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    having = {
        (name, one["name"])
        for name, workload in workloads(program).items()
        for one in pod(workload)["containers"]
        if folder in [mount["mountPath"] for mount in one["volumeMounts"]]
    }
    assert having == {("namerd", "kubectl"), ("l5d", "kubectl")}
    (sources,) = [
        volume["projected"]["sources"]
        for volume in pod(program.get("DaemonSet", "l5d"))["volumes"]
        if "projected" in volume
    ]
    kinds = [next(iter(source)) for source in sources]
    assert kinds == ["serviceAccountToken", "configMap", "downwardAPI"]


def test_a_pod_goes_once_another_is_ready_and_serves_until_that_is_known(
    program: Recorder,
) -> None:
    for name, workload in workloads(program).items():
        strategy = "updateStrategy" if name == "l5d" else "strategy"
        assert workload["spec"][strategy] == ROLLING
        assert workload["spec"]["minReadySeconds"] == 5
        waits = {
            one["name"]: one["lifecycle"]["preStop"]["sleep"]["seconds"]
            for one in pod(workload)["containers"]
        }
        # linkerd watches by its kubectl, so that goes last; 10 s are for open requests.
        kubectl = {"kubectl": 20} if name in ("l5d", "namerd") else {}
        assert waits == {pod(workload)["containers"][0]["name"]: 8, **kubectl}
        assert pod(workload)["terminationGracePeriodSeconds"] >= max(waits.values()) + 10


def test_the_namespaces_refuse_other_pods_only_once_all_are_hardened(program: Recorder) -> None:
    made = order(program)
    for name, namespace, last in (
        ("mesh-pods", "linkerd", "DaemonSet l5d"),
        ("apps-pods", "hello-world", "Deployment world-v2"),
    ):
        assert program.get("NamespacePatch", name)["metadata"]["name"] == namespace
        assert levels(program, name) == {"restricted"}
        assert made.index(f"NamespacePatch {name}") > made.index(last)


def test_a_service_may_have_what_it_needs_more() -> None:
    services = {
        "hello": {"port": 80, "runAsUser": 0, "writableRoot": True, "memoryMb": 300},
        "other": {"port": 8080, "runAsUser": 1000},
    }
    program = run_program({"services": json.dumps(services)})
    hello = program.get("Deployment", "hello")
    context = pod(hello)["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"], context["runAsGroup"]) == (False, 0, 0)
    assert context["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    service = container(hello, "service")
    assert service["securityContext"]["readOnlyRootFilesystem"] is False
    assert service["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert service["resources"]["limits"] == {"memory": "300Mi"}
    other = pod(program.get("Deployment", "other"))["securityContext"]
    assert (other["runAsNonRoot"], other["runAsUser"]) == (True, 1000)
    assert "sysctls" not in other
    assert levels(program, "apps-pods") == {"baseline"}, "restricted refuses root"
    made = order(program)
    assert made.index("NamespacePatch apps-pods") < made.index("Deployment hello")
    assert levels(program, "mesh-pods") == {"restricted"}


def test_a_linkerd_beside_an_app_is_nobody_whoever_the_app_is() -> None:
    services = {"hello": {"port": 8080, "runAsUser": 0}}
    config = {"services": json.dumps(services), "meshTopology": "sidecar"}
    beside = container(run_program(config).get("Deployment", "hello"), "l5d")["securityContext"]
    assert (beside["runAsNonRoot"], beside["runAsUser"], beside["runAsGroup"]) == (
        True,
        65532,
        65532,
    )


def test_linkerd_has_the_memory_that_the_stack_gives_it() -> None:
    program = run_program({"linkerdHeapMb": "100", "linkerdMemoryMb": "300"})
    l5d = container(program.get("DaemonSet", "l5d"), "l5d")
    assert (env(l5d)["JVM_HEAP_MIN"], env(l5d)["JVM_HEAP_MAX"]) == ("64M", "100M")
    assert l5d["resources"]["limits"] == {"memory": "300Mi"}
    namerd = container(program.get("Deployment", "namerd"), "namerd")
    assert env(namerd)["JVM_HEAP_MAX"] == "256M"


def test_a_jvm_is_fast_soon_and_logs_where_it_may_write(program: Recorder) -> None:
    for kind, name in (("DaemonSet", "l5d"), ("Deployment", "namerd")):
        variables = env(container(program.get(kind, name), name))
        assert variables["LOCAL_JVM_OPTIONS"] == "-XX:+TieredCompilation"
        assert variables["GC_LOG"] == "/tmp/log"


def test_namerd_runs_on_several_nodes_and_gives_up_one_pod_at_a_time() -> None:
    program = run_program({"namerdReplicas": "3"})
    spec = program.get("Deployment", "namerd")["spec"]
    assert spec["replicas"] == 3
    (constraint,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert constraint["topologyKey"] == "kubernetes.io/hostname"
    assert constraint["labelSelector"] == spec["selector"] == {"matchLabels": {"app": "namerd"}}
    assert program.get("PodDisruptionBudget", "namerd")["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {"app": "namerd"}},
    }
    assert run_program({}).get("Deployment", "namerd")["spec"]["replicas"] == 2


@pytest.mark.parametrize("topology", ["daemonset", "both", "sidecar"])
def test_each_service_gives_up_one_pod_at_a_time(topology: str) -> None:
    """Or a drained node gives up all of them at once, where all are on it."""
    program = run_program({"meshTopology": topology})
    for name in ("hello", "world-v1", "world-v2"):
        pods = program.get("Deployment", name)["spec"]["selector"]
        budget = program.get("PodDisruptionBudget", name)
        assert budget["spec"] == {"maxUnavailable": 1, "selector": pods}
        assert budget["metadata"]["namespace"] == "hello-world"


def test_requests_and_connections_have_bounds() -> None:
    config = {"totalTimeoutMs": "2500", "maxConnections": "7"}
    outgoing, incoming, external = config_file(run_program(config), "l5d-config")["routers"]
    for sender in (outgoing, external):
        assert sender["client"] == {"hostConnectionPool": {"maxSize": 7, "maxWaiters": 2000}}
    assert "client" not in incoming
    assert outgoing["service"]["totalTimeoutMs"] == 2500
    assert external["service"]["totalTimeoutMs"] == 5000
    config = {"totalTimeoutMs": "0"}
    outgoing, _, external = config_file(run_program(config), "l5d-config")["routers"]
    assert "totalTimeoutMs" not in {**outgoing["service"], **external["service"]}


def test_counters_outlive_a_pause(program: Recorder) -> None:
    for router in config_file(program, "l5d-config")["routers"]:
        assert router["bindingCache"] == {"idleTtlSecs": 3600}
