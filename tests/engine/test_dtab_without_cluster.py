"""Destroy when the whole cluster is gone, or cannot be reached for now."""

import json
from pathlib import Path

import pytest
import yaml

from local.paths import ROOT
from tests.engine.cluster import MESH, Cluster
from tests.engine.tables import BASE, BASE_TEXT
from tests.harness.engine import EngineFailedError, kubernetes_plugin, stack
from tests.harness.tunnel import tunnel

PROGRAM = Path(__file__).parent / "programs" / "dtab_on_cluster.py"


@pytest.mark.parametrize("refreshed", [False, True])
def test_destroy_ends_without_the_cluster_once_one_says_that_it_is_gone(
    tmp_path: Path, cluster: Cluster, refreshed: bool
) -> None:
    """Not before: out of a VPN's reach, a cluster that lives would be forgotten."""
    plugins = {"kubernetes": kubernetes_plugin()}
    with stack(tmp_path, plugins, PYTHONPATH=str(ROOT), LINKERD_CANARY_PATIENCE="0.2") as engine:
        with tunnel() as way:
            url = f"http://127.0.0.1:{way.server_address[1]}"
            kubeconfig = cluster.kubeconfig(proxy_url=url)
            engine.run(
                PROGRAM,
                NAMESPACE=MESH,
                DENTRIES=json.dumps(BASE),
                KUBECONFIG_CONTENT=yaml.safe_dump(kubeconfig),
            )
            engine.up()
            assert cluster.table() == BASE_TEXT
        before = {each["urn"] for each in engine.state()["resources"]}
        for command in (engine.destroy, engine.refresh):
            with pytest.raises(
                EngineFailedError, match=r"cannot be reached[\s\S]*PULUMI_K8S_DELETE"
            ):
                command()
            assert {each["urn"] for each in engine.state()["resources"]} == before
        engine.set_environment(PULUMI_K8S_DELETE_UNREACHABLE="true")
        if refreshed:
            engine.refresh()
        engine.destroy()
        assert engine.state().get("resources", []) == []
    assert cluster.table() == BASE_TEXT  # nobody was asked
