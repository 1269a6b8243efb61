"""The Dtab resource over a namerd that keeps its tables in Kubernetes, as the project's does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dynamic.dtab import DtabProvider
from tests.contract.stand_ins import DTAB_DEFINITION
from tests.engine.tables import dtab, text
from tests.harness.apiserver import ApiServer
from tests.harness.faults import fault_proxy, meanwhile
from tests.harness.namerd import started
from tests.harness.waiting import wait_until
from tests.provider_host import CallError, ProviderHost, Stack

MESH = "dtab-storage"


@pytest.fixture
def stack(new_host: Callable[..., ProviderHost]) -> Stack:
    """By real time, and ten times of it: the reads of this storage lag behind its writes."""
    return Stack(new_host(LINKERD_CANARY_PATIENCE="10"), DtabProvider())


@pytest.fixture(scope="module")
def storage(api_server: ApiServer) -> Iterator[dict[str, Any]]:
    """namerd's configuration of its storage."""
    api_server.kubectl("create", "namespace", MESH)
    api_server.define(dict(DTAB_DEFINITION))
    with api_server.proxy() as url:
        where = urlsplit(url)
        yield {
            "kind": "io.l5d.k8s", "host": where.hostname, "port": where.port, "namespace": MESH
        }  # fmt: skip


def test_a_whole_life_and_a_restart_that_loses_nothing(
    stack: Stack, storage: dict[str, Any], api_server: ApiServer, tmp_path: Path
) -> None:
    with started(tmp_path, storage=storage) as (first, process):
        assert stack.up(dtab(first.url, 10)) == "create"
        for weight in (20, 100, 0, 30):
            assert stack.up(dtab(first.url, weight)) == "update"
            assert stack.refresh() == "read"
            assert stack.up(dtab(first.url, weight)) == "same"
        before = stack.state
        process.end()
    kept = api_server.get("dtabs.l5d.io", "internal", MESH)
    assert [entry["prefix"] for entry in kept["dentries"]][-1] == "/host/world"
    port = int(first.url.rpartition(":")[2])
    with started(tmp_path, port, storage=storage) as (second, _):
        assert stack.refresh() == "read"
        assert stack.state == before
        assert stack.up(dtab(second.url, 30)) == "same"
        assert stack.up(dtab(second.url, 40)) == "update"
        assert second.get("internal") == text(40)
        stack.destroy()
        assert second.get("internal") is None
        assert stack.up(dtab(second.url, 10)) == "create"
        stack.destroy()


def test_a_table_that_vanishes_under_a_write_is_created(
    stack: Stack, storage: dict[str, Any], api_server: ApiServer, tmp_path: Path
) -> None:
    """A conditional PUT to what is gone is a 500 here."""
    with started(tmp_path, storage=storage) as (namerd, _):

        def vanish() -> None:
            api_server.kubectl("delete", "dtabs.l5d.io", "internal", "--namespace", MESH)
            wait_until(lambda: namerd.get("internal") is None, "namerd misses the table")

        with fault_proxy(namerd.url) as proxy:
            stack.up(dtab(proxy.url, 10))
            proxy.on("PUT", "/api/1/dtabs/", meanwhile(vanish))
            assert stack.up(dtab(proxy.url, 20)) == "update"
            assert [seen.method for seen in proxy.writes] == ["POST", "PUT", "POST"]
            wait_until(lambda: namerd.get("internal") == text(20), "namerd serves the table")
            stack.destroy()


def test_an_equal_table_that_is_adopted_stays_when_its_former_owner_goes(
    stack: Stack, storage: dict[str, Any], tmp_path: Path
) -> None:
    """A PUT of the very same table would leave its version as it was here."""
    with started(tmp_path, storage=storage) as (namerd, _):
        stack.up(dtab(namerd.url, 10))
        renamed = Stack(stack.host, stack.provider)
        assert renamed.up(dtab(namerd.url, 10, adopt=True)) == "create"
        stack.destroy()
        assert namerd.get("internal") == text(10)
        renamed.destroy()
        assert namerd.get("internal") is None


def test_a_change_by_kubectl_is_somebody_elses(
    stack: Stack,
    host: ProviderHost,
    storage: dict[str, Any],
    api_server: ApiServer,
    tmp_path: Path,
) -> None:
    with started(tmp_path, storage=storage) as (namerd, _):
        stack.up(dtab(namerd.url, 10))
        entries = '[{"prefix": "/theirs", "dst": "/x"}]'
        api_server.kubectl(
            *("patch", "dtabs.l5d.io", "internal", "--namespace", MESH, "--type=merge"),
            *("-p", f'{{"dentries": {entries}}}'),
        )
        wait_until(lambda: namerd.get("internal") == "/theirs=>/x", "namerd serves the change")
        refused = Stack(host, DtabProvider(), stack.state)  # at once, where the other waits 80 s
        with pytest.raises(
            CallError, match=r"changed by somebody else, .*: theirs '/theirs => /x'"
        ):
            refused.up(dtab(namerd.url, 20))
        assert namerd.get("internal") == "/theirs=>/x"
        stack.refresh()
        stack.destroy()
