"""Twenty services of one's own through the real engine, and how far an update may move them."""

import re
from collections.abc import Iterator

import pytest

from tests.harness import shops
from tests.harness.apiserver import ApiServer
from tests.harness.engine import EngineFailedError
from tests.harness.shops import Shop, deployments, services

SPLIT = ["shop-05", "shop-10", "shop-15", "shop-20"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, api_server: ApiServer) -> Iterator[Shop]:
    with shops.shop(api_server, tmp_path_factory.mktemp("shop"), most=21) as found:
        yield found


def refused(shop: Shop) -> list[str]:
    """The lines of a preview that fails."""
    with pytest.raises(EngineFailedError) as failed:
        shop.engine.preview()
    assert "Traceback" not in str(failed.value)
    return failed.value.lines


@pytest.mark.long
def test_twenty_services_from_the_first_up_to_the_end(shop: Shop) -> None:
    shop.configure(services(20), canaryWeight=10)
    assert shop.engine.up().steps["create"] > 3 * len(deployments(20))
    assert shop.table("internal")[9:] == [
        f"/host/{name}=>90.00*/srv/{name}-v1 & 10.00*/srv/{name}-v2" for name in SPLIT
    ]
    assert shop.engine.outputs()["split"] == {
        f"/host/{name}": {f"/srv/{name}-v1": 90, f"/srv/{name}-v2": 10} for name in SPLIT
    }
    assert "shop-01" in shop.table("external")[0]

    more = {"canaryWeight": 20, "entryService": "shop-20", "maxWeightStep": 25}
    own = services(21, shop_10={"v1": 65, "v2": 35})
    shop.configure(own, **more)
    assert shop.engine.up().steps.items() >= {"create": 4, "update": 2}.items()
    assert "/host/shop-10=>65.00*/srv/shop-10-v1 & 35.00*/srv/shop-10-v2" in shop.table("internal")
    assert "/host/shop-15=>80.00*/srv/shop-15-v1 & 20.00*/srv/shop-15-v2" in shop.table("internal")
    assert shop.table("external")[-1].count("shop-20-v") == 2, "the outside's is split as well"

    shop.configure(own, **{**more, "canaryWeight": 46})
    said = "-v2']: from 20 to 46 is more than max_weight_step, 25"
    lines = [line for line in refused(shop) if "max_weight_step" in line]
    assert lines, "the engine ends with the first table that is refused"
    assert all(re.search(r" has a problem: splits\['/host.*" + re.escape(said), x) for x in lines)

    shop.configure(services(20), **{**more, "canaryWeight": 0})
    assert shop.engine.up().steps.items() >= {"delete": 4, "update": 2}.items()
    assert shop.table("internal")[-1] == "/host/shop-20=>/srv/shop-20-v1"
    assert shop.engine.destroy().steps["delete"] > 3 * len(deployments(20))
