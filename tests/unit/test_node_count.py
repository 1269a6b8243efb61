"""How many nodes: what is asked for, what is remembered, and what a machine can hold."""

import ctypes
import json
import os
import shutil
from pathlib import Path

import pytest

from local.errors import LocalError
from local.node import count, records
from local.node.identity import NODES


def test_the_environment_comes_first_then_what_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(count.VARIABLE, raising=False)
    assert (count.wanted(), count.wanted(1)) == (3, 1)
    monkeypatch.setenv(count.VARIABLE, "5")
    assert (count.wanted(), count.wanted(1)) == (5, 5)


@pytest.mark.parametrize("wrong", ["0", "6", "-1", "three", "1.5", "²", " 2", "03x"])
def test_a_wrong_number_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv(count.VARIABLE, wrong)
    with pytest.raises(LocalError) as refused:
        count.wanted()
    assert str(refused.value) == f"{count.VARIABLE}={wrong}: give a whole number from 1 to 5"


SHORT = "3 nodes need 1.25 GiB of memory, and "


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with plenty of disk; its memory is what a test says."""
    monkeypatch.setattr(count, "LOCAL", tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100 << 30))
    monkeypatch.setattr(count, "inotify_instances", lambda: 0)
    return tmp_path


@pytest.mark.parametrize(
    ("available", "running", "said"),
    [
        (2.0, 0, None),
        (1.0, 0, SHORT + "1.0 GiB are available: LINKERD_CANARY_NODES=1 needs 0.75 GiB"),
        (0.5, 0, SHORT + "0.5 GiB are available"),
        (0.5, 1, None),
        (0.4, 1, "3 nodes need 0.5 GiB more of memory, and 0.4 GiB are available"),
        (0.1, 3, None),
    ],
)  # fmt: skip
def test_too_little_memory(
    machine: Path, monkeypatch: pytest.MonkeyPatch, available: float, running: int, said: str | None
) -> None:
    monkeypatch.setattr(count, "available_memory", lambda: int(available * (1 << 30)))
    if said is None:
        count.check(3, running)
        return
    with pytest.raises(LocalError) as refused:
        count.check(3, running)
    assert str(refused.value) == said


def test_one_node_is_no_advice_where_it_runs_already(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(machine)
    monkeypatch.setattr(count, "available_memory", lambda: int(0.9 * (1 << 30)))
    with pytest.raises(LocalError, match=r"5 nodes need 1 GiB more of memory, .* are available$"):
        count.check(5, running=1)
    monkeypatch.setattr(count, "available_memory", lambda: 64 << 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=int(0.4 * (1 << 30))))
    with pytest.raises(LocalError, match=r"need 1 GiB more of disk, .* are free in \S+$"):
        count.check(3, running=1, known=1)


def test_a_disk_that_is_nearly_full(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(machine)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=int(2.3 * (1 << 30))))
    monkeypatch.setattr(count, "available_memory", lambda: 64 << 30)
    count.check(1)
    with pytest.raises(LocalError) as refused:
        count.check(3)
    said = f"3 nodes need 3 GiB of disk, and 2.3 GiB are free in {machine}"
    assert str(refused.value) == f"{said}: LINKERD_CANARY_NODES=1 needs 2 GiB"


@pytest.mark.parametrize(
    ("free", "count_", "running", "known", "said"),
    [
        (0.6, 3, 0, 3, None),
        (0.4, 3, 0, 3, "3 nodes need 0.5 GiB more of disk, and 0.4 GiB"),
        (0.4, 1, 0, 1, "1 node needs 0.5 GiB more of disk, and 0.4 GiB"),
        (0.1, 3, 3, 3, None),
        (0.6, 4, 3, 3, None),
        (1.6, 5, 1, 3, None),
        (0.9, 5, 1, 3, "5 nodes need 1 GiB more of disk, and 0.9 GiB"),
        (0.9, 3, 0, 1, "3 nodes need 1 GiB more of disk, and 0.9 GiB"),
    ],
)  # fmt: skip
def test_nodes_that_have_their_data_need_less_disk(
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: float,
    count_: int,
    running: int,
    known: int,
    said: str | None,
) -> None:
    usage = shutil.disk_usage(machine)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=int(free * (1 << 30))))
    monkeypatch.setattr(count, "available_memory", lambda: 64 << 30)
    if said is None:
        count.check(count_, running, known)
        return
    with pytest.raises(LocalError) as refused:
        count.check(count_, running, known)
    assert str(refused.value).startswith(f"{said} are free in {machine}")


def test_too_few_inotify_instances(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = machine / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr(count, "INOTIFY_LIMIT", limit)
    monkeypatch.setattr(count, "available_memory", lambda: 64 << 30)
    monkeypatch.setattr(count, "inotify_instances", lambda: 100)
    count.check(1)
    count.check(3, running=3)
    with pytest.raises(LocalError) as refused:
        count.check(3)
    assert str(refused.value) == (
        "the nodes need 42 inotify instances, and 28 of root's 128 are left: "
        "`sysctl -w fs.inotify.max_user_instances=512` allows more"
    )


def test_inotify_instances_are_counted() -> None:
    instance = ctypes.CDLL(None, use_errno=True).inotify_init1(os.O_CLOEXEC)
    try:
        assert instance >= 0
        assert str(Path(f"/proc/self/fd/{instance}").readlink()) == "anon_inode:inotify"
        if os.geteuid() == 0:
            assert count.inotify_instances() >= 1
    finally:
        os.close(instance)


def test_available_memory_is_the_kernels_estimate(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  16000000 kB\nMemFree: 100 kB\nMemAvailable:  1048576 kB\n")
    assert count.available_memory(meminfo) == 1 << 30
    assert count.available_memory() > 0


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(records, "FILE", tmp_path / "run.json")
    return tmp_path / "run.json"


def test_a_record_is_read_as_it_was_written(record: Path) -> None:
    written = records.Record(network="198.18.0.0/16", count=2)
    written.note(NODES[1], "key")
    written.write()
    assert records.read() == written
    assert set(written.since) == {"local-node-2"}


def test_the_record_of_a_release_with_one_node_gives_its_network(record: Path) -> None:
    record.write_text(json.dumps({"with": "abc", "since": "2026-01-01T00:00:00Z",
                                  "network": "198.19.0.0/16"}))  # fmt: skip
    assert records.read() == records.Record(network="198.19.0.0/16")
    assert str(records.own_network().all) == "198.19.0.0/16"


def test_the_record_of_a_later_release_gives_what_is_known(record: Path) -> None:
    records.Record(network="198.19.0.0/16", count=2).write()
    record.write_text(json.dumps(json.loads(record.read_text()) | {"colour": "blue"}))
    assert records.read() == records.Record(network="198.19.0.0/16", count=2)


@pytest.mark.parametrize("torn", ["", '{"netw', "[]"])
def test_a_torn_record_counts_as_none(record: Path, torn: str) -> None:
    record.write_text(torn)
    assert records.read() == records.Record()
    with pytest.raises(LocalError, match="there are no local nodes yet: `make up` makes them"):
        records.own_network()
