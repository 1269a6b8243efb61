"""A stack whose table `internal` splits world, with two linkerds that follow it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engine.cluster import MESH, SERVICE, Cluster
from tests.engine.tables import BASE
from tests.harness.engine import Engine, own_project, stack
from tests.harness.linkerds import StandInLinkerds, stand_in_linkerds

PROGRAM = Path(__file__).parent / "programs" / "split.py"
PATIENCE = "0.2"


@contextmanager
def split_stack(cluster: Cluster, folder: Path) -> Iterator[tuple[Engine, StandInLinkerds]]:
    """One that was never updated, on a cluster without tables."""
    cluster.clear()
    with (
        stand_in_linkerds(cluster.api, MESH) as linkerds,
        stack(folder, {}, own_project, "dev", LINKERD_CANARY_PATIENCE=PATIENCE) as engine,
    ):
        linkerds.start(2)
        engine.run(
            PROGRAM,
            NAMERD=SERVICE,
            DENTRIES=json.dumps(BASE),
            LINKERDS=json.dumps(linkerds.inputs),
        )
        yield engine, linkerds
