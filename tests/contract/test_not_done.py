"""What the stand-ins leave out of the real programs: each test says one such thing.

A test here that fails on a stand-in is good news: move it to where the real behaviour is asserted.
"""

import pytest

from tests.contract import stand_ins
from tests.contract.pair import Mesh
from tests.contract.stand_ins import StandIns

pytestmark = pytest.mark.stand_ins


def test_not_done_the_grpc_interface_of_namerd(world: StandIns) -> None:
    answer = world.talker(stand_ins.NAMERD, 4321).get("/")
    assert answer.status == 501
    assert answer.text.startswith("io.l5d.mesh is not served by this stand-in")


def test_not_done_thrift_the_port_serves_the_http_api(world: StandIns) -> None:
    """So that a linkerd that stands in finds its namerd by the same configuration."""
    answer = world.talker(stand_ins.NAMERD, 4100).get("/api/1/dtabs")
    assert answer.status == 200


@pytest.mark.parametrize(
    "path", ["/requests", "/delegator.json", "/config.json", "/admin/metrics/usage", "/dtab"]
)
def test_not_done_most_pages_of_linkerds_admin(mesh: Mesh, path: str) -> None:
    assert mesh.admin.get(path).status == 404


@pytest.mark.parametrize("path", ["/admin/metrics.json", "/admin/metrics/prometheus", "/dtab"])
def test_not_done_most_pages_of_namerds_admin(world: StandIns, path: str) -> None:
    assert world.talker(stand_ins.NAMERD, 9991).get(path).status == 404


@pytest.mark.parametrize("part", ["loadbalancer", "bindcache", "jvm:mem", "failure_accrual", "exn"])
def test_not_done_most_metrics_of_linkerd(mesh: Mesh, part: str) -> None:
    """The README says which ones there are."""
    assert part not in mesh.admin.get("/admin/metrics/prometheus").text


def test_not_done_failures_by_the_name_of_their_exception(mesh: Mesh) -> None:
    mesh.ask("no-such-service")
    assert "exception=" not in mesh.admin.get("/admin/metrics/prometheus").text
