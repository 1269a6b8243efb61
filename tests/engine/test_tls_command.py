"""`python -m canary tls` on linkerds that are in trouble, on a real API server without kubelets."""

import argparse
from datetime import UTC, datetime
from typing import Any

import pytest

from canary import tls as command
from canary.errors import CanaryError
from mesh import routers
from tests.engine.live_pods import Mesh
from tests.harness import pairs
from tests.harness.apiserver import ApiServer
from tests.harness.pairs import DAY, Made

NOW = datetime.now(UTC).replace(microsecond=0)
AUTHORITY = pairs.authority(begins=NOW - DAY, ends=NOW + 90 * DAY)
RUNNING: dict[str, Any] = {"state": {"running": {}}}
CRASHING = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}


@pytest.fixture
def mesh(api_server: ApiServer) -> Mesh:
    return Mesh(api_server)


def linkerd(mesh: Mesh, name: str, secret: str = "certs", way: str = "mutual") -> None:
    """A pod that no node runs: it is Pending."""
    ports = [{"name": "incoming-tls", "containerPort": routers.INCOMING_TLS}]
    metadata = {"name": name, "namespace": mesh.namespace}
    mesh.api.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "annotations": {"linkerd-canary/tls": way}},
            "spec": {
                "containers": [{"name": "l5d", "image": "none", "ports": ports}],
                "volumes": [{"name": "tls", "secret": {"secretName": secret}}],
            },
        }
    )


def status(mesh: Mesh, name: str, container: dict[str, Any]) -> None:
    about = {"name": "l5d", "image": "none", "imageID": "", "ready": True, "restartCount": 0}
    said = {"phase": "Running", "containerStatuses": [{**about, **container}]}
    mesh.api.set_status("pod", name, said, mesh.namespace)


def asked(mesh: Mesh, *namespaces: str, user: str = "") -> argparse.Namespace:
    kubeconfig = mesh.api.kubeconfig_for(user) if user else mesh.api.kubeconfig
    return argparse.Namespace(
        kubeconfig=str(kubeconfig), context=None, namespace=[mesh.namespace, *namespaces]
    )


def test_one_in_trouble_hides_nothing_of_the_others(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Made(by=AUTHORITY, begins=NOW - DAY, ends=NOW + 30 * DAY)
    mesh.keep("certs", pairs.files(made))
    linkerd(mesh, "l5d-1", way="quantum")
    linkerd(mesh, "l5d-2", secret="l5d-tls-gone")
    linkerd(mesh, "l5d-3")
    linkerd(mesh, "l5d-4")
    status(mesh, "l5d-3", CRASHING)
    status(mesh, "l5d-4", RUNNING)
    assert command.run(asked(mesh)) == 1
    shown = capsys.readouterr().out.splitlines()
    at = {name: shown.index(f"{mesh.namespace}/{name}: {way}") for name, way in WAYS.items()}
    lines = {
        name: shown[start + 1 : min([*(each for each in at.values() if each > start), len(shown)])]
        for name, start in at.items()
    }
    assert lines["l5d-1"][0].startswith("  WRONG  its annotation linkerd-canary/tls is 'quantum'")
    described = f"`kubectl -n {mesh.namespace} describe pod l5d-2` says why"
    gone = f"Secret {mesh.namespace}/l5d-tls-gone is not there"
    assert lines["l5d-2"] == [
        f"  WRONG  it does not run (Pending): {described}",
        f"  WRONG  {gone}, and without it no pod starts that mounts it",
    ]
    usable = f"  ok     Secret {mesh.namespace}/certs is usable until "
    for name in ("l5d-3", "l5d-4"):
        assert lines[name][0].startswith(usable)
    assert lines["l5d-3"][1].startswith("  WRONG  it does not run (CrashLoopBackOff): ")
    (unseen,) = [line for line in lines["l5d-4"] if "no connection to port" in line]
    assert unseen.startswith(f"  ?      pod {mesh.namespace}/l5d-4: no connection to port 4143")
    assert "grant" not in "".join(shown), "no right is lacking"


WAYS = {
    "l5d-1": "meshTls not known",
    **dict.fromkeys(("l5d-2", "l5d-3", "l5d-4"), "meshTls mutual with meshTlsPermissive false"),
}


def test_a_right_that_is_lacking_hides_nothing_of_the_rest(
    mesh: Mesh, api_server: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    linkerd(mesh, "l5d-1")
    status(mesh, "l5d-1", RUNNING)
    apps = Mesh(api_server)
    with pytest.raises(CanaryError, match="grant list on pods"):
        command.run(asked(mesh, apps.namespace, user="lister"))
    role = ("-n", mesh.namespace, "lister")
    api_server.kubectl("create", "role", *role, "--verb=list", "--resource=pods")
    api_server.kubectl("create", "rolebinding", *role, "--role=lister", "--user=lister")
    api_server.wait_until_allowed("lister", "list", "pods", mesh.namespace)
    assert command.run(asked(mesh, apps.namespace, user="lister")) == 1
    shown = capsys.readouterr().out
    assert f"{mesh.namespace}/l5d-1: meshTls mutual" in shown
    assert f"grant get on Secrets in namespace {mesh.namespace}" in shown
    assert f"namespace {apps.namespace}\n  ?      " in shown
    assert shown.rstrip().endswith("grant list on pods")
