"""A table's resource by another name, or in another place of the program, by the real engine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from local.paths import ROOT
from tests.engine.cluster import MESH, Cluster
from tests.engine.tables import BASE
from tests.harness.engine import Engine, EngineFailedError, kubernetes_plugin, stack

PROGRAM = Path(__file__).parent / "programs" / "dtab_on_cluster.py"


@pytest.fixture
def engine(tmp_path: Path, cluster: Cluster) -> Iterator[Engine]:
    plugins = {"kubernetes": kubernetes_plugin()}
    with stack(tmp_path, plugins, PYTHONPATH=str(ROOT)) as found:
        found.run(
            PROGRAM,
            NAMESPACE=MESH,
            DENTRIES=json.dumps(BASE),
            KUBECONFIG_CONTENT=yaml.safe_dump(cluster.admin),
        )
        found.up()
        yield found


@pytest.mark.long
def test_no_success_leaves_a_declared_table_missing(engine: Engine, cluster: Cluster) -> None:
    before = cluster.object()
    for changed in ({"NAME": "renamed"}, {"BELOW": "1"}):
        engine.set_environment(**changed)
        with pytest.raises(
            EngineFailedError, match="declare it with `aliases=`; to take the table"
        ):
            engine.up()
        assert cluster.object() == before
        engine.set_environment(**dict.fromkeys(changed, ""))
    engine.set_environment(NAME="renamed", ALIAS="internal")
    assert "update" not in engine.up().steps
    assert cluster.object() == before
    engine.destroy()
    assert cluster.table() is None
