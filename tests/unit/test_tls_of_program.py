"""What the program declares for TLS: routers, ports, Secrets, and what linkerd's pods mount."""

from typing import Any

import pytest
from pulumi.runtime import mocks

from tests.unit.test_program import Recorder, config_file, container, pod, run_program

PAIR = {"certPath": "/io.buoyant/tls/tls.crt", "keyPath": "/io.buoyant/tls/tls.key"}
TRUST = {"commonName": "linkerd", "trustCertsBundle": "/io.buoyant/tls/ca.crt"}
OPEN, TLS_OPEN = {"ip": "0.0.0.0", "port": 4141}, {"ip": "0.0.0.0", "port": 4143}
REQUIRED = {"requireClientAuth": True, "caCertPath": "/io.buoyant/tls/ca.crt"}

PREFIX = "/svc/%/io.l5d.k8s.daemonset/linkerd"
FROM_PLAIN, FROM_TLS = f"{PREFIX}/incoming/l5d => / ;", f"{PREFIX}/incoming-tls/l5d => / ;"


class Issuing(Recorder):
    """Issues certificates."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        id_, outputs = super().new_resource(args)
        if args.typ == "pulumi-python:dynamic/mesh:Certificates":
            expires = {"certificate": "2099-01-01T00:00:00Z", "authority": "2099-01-01T00:00:00Z"}
            issued = {"bundle": "CA", "certificate": "CERT", "key": "KEY", "digest": "0123456789"}
            outputs |= {**issued, "expires": expires, "authorities": "a by a"}
        return id_, outputs


def program(mode: str, permissive: bool = False, **more: str) -> Recorder:
    config = {"meshTls": mode, "meshTlsPermissive": str(permissive).lower(), **more}
    return run_program(config, recorder=Issuing())


def routers(found: Recorder) -> dict[str, Any]:
    return {each["label"]: each for each in config_file(found, "l5d-config")["routers"]}


@pytest.mark.parametrize(
    ("mode", "permissive", "client", "servers", "dtab"),
    [
        ("off", False, None, [OPEN], FROM_PLAIN),
        ("off", True, None, [OPEN, {**TLS_OPEN, "tls": PAIR}], f"{FROM_PLAIN} {FROM_TLS}"),
        ("server", False, TRUST, [{**TLS_OPEN, "tls": PAIR}], FROM_TLS),
        ("server", True, TRUST, [OPEN, {**TLS_OPEN, "tls": PAIR}], f"{FROM_PLAIN} {FROM_TLS}"),
        (
            "mutual",
            False,
            {**TRUST, "clientAuth": PAIR},
            [{**TLS_OPEN, "tls": {**PAIR, **REQUIRED}}],
            FROM_TLS,
        ),
        (
            "mutual",
            True,
            {**TRUST, "clientAuth": PAIR},
            [OPEN, {**TLS_OPEN, "tls": PAIR}],
            f"{FROM_PLAIN} {FROM_TLS}",
        ),
    ],
)
def test_what_linkerds_send_and_take(
    mode: str, permissive: bool, client: Any, servers: Any, dtab: str
) -> None:
    found = program(mode, permissive)
    listed = routers(found)
    for sender in ("outgoing", "external"):
        assert listed[sender]["client"].get("tls") == client
        assert listed[sender]["client"]["hostConnectionPool"]["maxSize"] > 0, "the storm"
        (transformer,) = listed[sender]["interpreter"]["transformers"]
        assert transformer["port"] == ("incoming-tls" if client else "incoming")
    assert listed["incoming"]["servers"] == servers
    assert listed["incoming"]["dtab"] == f"/svc => ! ; {dtab}"
    assert "client" not in listed["incoming"], "to the pod beside it goes plain HTTP"
    ports = {each["port"] for each in found.get("Service", "l5d")["spec"]["ports"]}
    assert {server["port"] for server in servers} == ports & {4141, 4143}
    declared = container(found.get("DaemonSet", "l5d"), "l5d")["ports"]
    assert ports <= {each["containerPort"] for each in declared}


def test_linkerds_pods_mount_the_certificates_of_their_time() -> None:
    found = program("mutual")
    daemons = found.get("DaemonSet", "l5d")
    volume = {"name": "tls", "secret": {"secretName": "l5d-tls-0123456789", "defaultMode": 0o440}}
    assert volume in pod(daemons)["volumes"]
    assert pod(daemons)["securityContext"]["fsGroup"] == 65532, "or it could not read them"
    mounts = container(daemons, "l5d")["volumeMounts"]
    assert {"name": "tls", "mountPath": "/io.buoyant/tls", "readOnly": True} in mounts
    kubectl = container(daemons, "kubectl")
    assert not any(mount["name"] == "tls" for mount in kubectl.get("volumeMounts", []))
    annotations = daemons["spec"]["template"]["metadata"]["annotations"]
    assert annotations["linkerd-canary/tls"] == "mutual"
    assert annotations["linkerd-canary/tls-authorities"] == "a by a"
    secret = found.get("Secret", "l5d-tls-linkerd")
    assert secret["metadata"] == {"name": "l5d-tls-0123456789", "namespace": "linkerd"}
    assert secret["immutable"]


@pytest.mark.parametrize("name", ["certs", "own"])
def test_a_given_secret_is_mounted_as_it_is(name: str) -> None:
    found = program("server", meshTlsSecret=name)
    daemons = found.get("DaemonSet", "l5d")
    volume = {"name": "tls", "secret": {"secretName": name, "defaultMode": 0o440}}
    assert volume in pod(daemons)["volumes"]
    annotations = daemons["spec"]["template"]["metadata"]["annotations"]
    assert annotations["linkerd-canary/tls"] == f"server@{name}"
    assert not [one for one in found.made if one.typ.endswith((":Secret", ":Certificates"))]
    assert found.get("Tls", "tls")["secret"] == name


def test_without_tls_there_is_nothing_of_it_but_its_memory() -> None:
    found = run_program({})
    assert not [one for one in found.made if one.typ.endswith((":Secret", ":Certificates"))]
    daemons = found.get("DaemonSet", "l5d")
    annotations = daemons["spec"]["template"]["metadata"]["annotations"]
    assert not any("tls" in name for name in annotations)
    assert found.get("Tls", "tls")["mode"] == "off"


def test_all_on_the_cluster_waits_for_what_refuses_a_change() -> None:
    found = program("mutual")
    made = [f"{one.typ}::{one.name}" for one in found.made]
    first = min(made.index(name) for name in made if name.startswith("kubernetes:"))
    for refusing in ("mesh:Tls::tls", "mesh:Certificates::certificates"):
        assert made.index(f"pulumi-python:dynamic/{refusing}") < first


@pytest.mark.parametrize(
    ("mode", "permissive", "sent_to", "taken_at"),
    [
        ("off", False, 4141, [4141]),
        ("off", True, 4141, [4141, 4143]),
        ("server", True, 4143, [4141, 4143]),
        ("mutual", False, 4143, [4143]),
    ],
)
def test_linkerds_beside_apps_and_at_the_edge(
    mode: str, permissive: bool, sent_to: int, taken_at: list[int]
) -> None:
    found = program(mode, permissive, meshTopology="sidecar")
    config = config_file(found, "l5d-config-world-v1")
    beside = {each["label"]: each for each in config["routers"]}
    (edge,) = config_file(found, "l5d-edge-config")["routers"]
    for sender in (beside["outgoing"], edge):
        (transformer,) = sender["interpreter"]["transformers"]
        assert transformer == {"kind": "io.l5d.port", "port": sent_to}
        assert ("tls" in sender["client"]) == (mode != "off")
    assert [server["port"] for server in beside["incoming"]["servers"]] == taken_at
    own = "/#/io.l5d.k8s/hello-world/http/world-v1 => /$/inet/127.0.0.1/7778 ;"
    taken = [f"/svc/%/io.l5d.port/{port}{own}" for port in taken_at]
    assert beside["incoming"]["dtab"] == " ".join(["/svc => ! ;", *taken])
    ports = container(found.get("Deployment", "world-v1"), "l5d")["ports"]
    assert {each["containerPort"] for each in ports} == {*taken_at, 9990}


def test_the_pods_of_apps_and_the_edge_mount_the_secret_of_their_own_namespace() -> None:
    found = program("mutual", meshTopology="sidecar")
    namespaces = {"l5d-edge": "linkerd", "hello": "hello-world", "world-v2": "hello-world"}
    for name, namespace in namespaces.items():
        workload = found.get("Deployment", name)
        assert workload["metadata"]["namespace"] == namespace
        (volume,) = [each for each in pod(workload)["volumes"] if each["name"] == "tls"]
        secret = found.get("Secret", f"l5d-tls-{namespace}")
        assert secret["metadata"]["namespace"] == namespace
        assert volume["secret"]["secretName"] == secret["metadata"]["name"]
        assert pod(workload)["securityContext"]["fsGroup"] == 65532
        mounting = {
            each["name"]
            for each in pod(workload)["containers"]
            if any(mount["name"] == "tls" for mount in each["volumeMounts"])
        }
        assert mounting == {"l5d"}, "an app has no key"
        annotations = workload["spec"]["template"]["metadata"]["annotations"]
        assert annotations["linkerd-canary/tls"] == "mutual"
    assert found.get("Tls", "tls")["namespaces"] == ["linkerd", "hello-world"]
    assert found.get("Certificates", "certificates")["namespaces"] == ["linkerd", "hello-world"]
