"""Destroy when the whole cluster is gone, or cannot be reached for now."""

import json
from pathlib import Path

import pytest
import yaml

from local.paths import ROOT
from tests.engine.tables import BASE, BASE_TEXT
from tests.harness.apiserver import ApiServer
from tests.harness.engine import EngineFailedError, kubernetes_plugin, stack
from tests.harness.namerd import Namerd
from tests.harness.tunnel import tunnel

PROGRAM = Path(__file__).parent / "programs" / "dtab_on_cluster.py"
MESH = "dtab-unreachable"


def test_destroy_ends_without_the_cluster_once_one_says_that_it_is_gone(
    tmp_path: Path, api_server: ApiServer, a_namerd: Namerd
) -> None:
    """Not before: out of a VPN's reach, a cluster that lives would be forgotten."""
    api_server.kubectl("create", "namespace", MESH)
    api_server.expose(MESH, "namerd", {"http": int(a_namerd.url.rpartition(":")[2])})
    kubeconfig = yaml.safe_load(api_server.kubeconfig.read_text())
    plugins = {"kubernetes": kubernetes_plugin()}
    with stack(tmp_path, plugins, PYTHONPATH=str(ROOT), LINKERD_CANARY_PATIENCE="0.2") as engine:
        with tunnel() as way:
            url = f"http://127.0.0.1:{way.server_address[1]}"
            kubeconfig["clusters"][0]["cluster"]["proxy-url"] = url
            engine.run(
                PROGRAM,
                NAMESPACE=MESH,
                DENTRIES=json.dumps(BASE),
                KUBECONFIG_CONTENT=yaml.safe_dump(kubeconfig),
            )
            engine.up()
            assert a_namerd.get("internal") == BASE_TEXT
        with pytest.raises(EngineFailedError, match="PULUMI_K8S_DELETE_UNREACHABLE"):
            engine.destroy()
        kept = {each["type"] for each in engine.state()["resources"]}
        # The table is no longer among them; the next `up` would adopt it as it is.
        assert kept == {
            "pulumi:pulumi:Stack",
            "pulumi:providers:kubernetes",
            "pulumi:providers:pulumi-python",
            "kubernetes:core/v1:ConfigMap",
        }
        engine.set_environment(PULUMI_K8S_DELETE_UNREACHABLE="true")
        engine.destroy()
        assert engine.state().get("resources", []) == []
    assert a_namerd.get("internal") == BASE_TEXT  # nobody was asked
