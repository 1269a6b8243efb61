"""Weights finer than a percent through the real engine, on a running namerd."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canary import changes, events, report
from local.paths import ROOT
from tests.engine.tables import BASE, BASE_TEXT, V1, V2, WORLD, dtab
from tests.harness.engine import Engine, EngineFailedError, stack
from tests.harness.namerd import Namerd, namerd

PROGRAM = Path(__file__).parent / "programs" / "weights.py"
V3 = "/srv/world-v3"
Weights = dict[str, float]


@pytest.fixture(scope="module")
def its_namerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namerd]:
    with namerd(tmp_path_factory.mktemp("namerd")) as found:
        yield found


class Table:
    """The table of a stack of its own."""

    def __init__(self, engine: Engine, its_namerd: Namerd, folder: Path) -> None:
        self.engine = engine
        self.namerd = its_namerd
        self._log = folder / "events.jsonl"

    def declare(self, weights: Weights, *ignored: str, **more: Any) -> None:
        inputs = dtab(self.namerd.url, splits={WORLD: weights}, **more)
        self.engine.run(PROGRAM, INPUTS=json.dumps(inputs), IGNORED=json.dumps(ignored))

    @property
    def split(self) -> str:
        """What namerd has for the split prefix."""
        return str(self.namerd.get("internal")).removeprefix(f"{BASE_TEXT};{WORLD}=>")

    def write(self, split: str) -> None:
        self.namerd.put("internal", f"{BASE_TEXT};{WORLD}=>{split}")

    def previewed(self) -> events.Preview:
        """What the workflows read of a preview with refresh."""
        self._log.unlink(missing_ok=True)
        self.engine.preview("--refresh", "--event-log", str(self._log))
        return events.read(self._log.read_text(), "the log")

    def settle(self) -> None:
        """Nothing is left to do, nothing has drifted, and looking writes nothing."""
        version = self.namerd.version("internal")
        preview = self.previewed()
        assert {step.op for step in preview.steps.values()} == {"same"}
        assert preview.refreshed
        assert changes.drift(preview) == []
        assert self.namerd.version("internal") == version


@pytest.fixture
def table(tmp_path: Path, its_namerd: Namerd) -> Iterator[Table]:
    variables = {
        "PYTHONPATH": str(ROOT),
        "LINKERD_CANARY_PATIENCE": "0.3",
        "PULUMI_DEBUG_COMMANDS": "true",
    }
    if its_namerd.get("internal") is not None:
        its_namerd.delete("internal")
    with stack(tmp_path, {}, **variables) as engine:
        yield Table(engine, its_namerd, tmp_path)


def test_half_a_percent_from_the_preview_to_the_table(table: Table) -> None:
    table.declare({V1: 100, V2: 0})
    table.engine.up()
    table.declare({V1: 99.5, V2: 0.5})
    preview = table.engine.preview().text
    assert "~ /srv/world-v1: 100 => 99.5\n" in preview
    assert "~ /srv/world-v2: 0 => 0.5\n" in preview
    summary = report.document(table.previewed())
    assert "| 0 % | **0.5 %** |" in summary
    assert "| 100 % | **99.5 %** |" in summary
    table.engine.up()
    assert table.split == f"99.50*{V1} & 0.50*{V2}"
    assert table.engine.outputs()["split"] == {WORLD: {V1: 99.5, V2: 0.5}}
    table.settle()


def test_what_is_written_reads_back(table: Table) -> None:
    for weights, split in (
        ({V1: 33.33, V2: 33.33, V3: 33.34}, f"33.33*{V1} & 33.33*{V2} & 33.34*{V3}"),
        ({V1: 99.99, V2: 0.01}, f"99.99*{V1} & 0.01*{V2}"),
        ({V1: 1, V2: 98.99, V3: 0.01}, f"{V1} & 98.99*{V2} & 0.01*{V3}"),
    ):
        table.declare(weights)
        table.engine.up()
        assert table.split == split
        table.settle()


def test_a_ratio_written_by_hand_can_be_taken_into_the_program(table: Table) -> None:
    table.declare({V1: 90, V2: 10})
    table.engine.up()
    table.write(f"2*{V1} & {V2}")
    (split,) = changes.splits(table.previewed())
    assert split.live == {V1: 66.67, V2: 33.33}
    assert not changes.entries(table.previewed())
    table.declare({V1: 66.67, V2: 33.33})
    table.engine.up("--refresh")
    assert table.split == f"2.00*{V1} & {V2}", "it says the same"
    table.settle()


LEFT_ALONE = [
    (f"2*{V1} & {V2}", f"2.00*{V1} & {V2}"),
    (f"0.5*{V2} & 99.5*{V1}", f"0.50*{V2} & 99.50*{V1}"),
    (f"{V1} & {V2} & {V3}", f"{V1} & {V2} & {V3}"),
    (V2, V2),
    (f"0*{V2} & {V1}", V1),
    (f"{V3};{WORLD}=>3*{V1} & 7*{V2}", f"30.00*{V1} & 70.00*{V2}"),
    (f"7*{V1} & 3*{V2};/new=>/x", f"70.00*{V1} & 30.00*{V2}"),
    (f"{V2} | {V1}", V2),
    (f"3*{V1} & 7*({V2} | {V3})", f"30.00*{V1} & 70.00*{V2}"),
    (f"2*{V1} & {V2}", f"2.00*{V1} & {V2}"),
]
"""What somebody writes, and what of it is there after `pulumi up --refresh`."""


@pytest.mark.long
def test_a_split_that_is_left_to_somebody_else_is_never_removed(table: Table) -> None:
    table.declare({V1: 90, V2: 10}, "splits")
    table.engine.up()
    for live, kept in LEFT_ALONE:
        table.write(live)
        table.engine.up("--refresh")
        assert table.split == kept
        table.settle()
    table.declare({V1: 50, V2: 50}, "splits", dentries=[*BASE, "/more => /srv"])
    table.engine.up()
    assert table.namerd.get("internal") == (
        f"{BASE_TEXT};/more=>/srv;{WORLD}=>66.67*{V1} & 33.33*{V2}"
    )
    table.settle()


def test_a_step_of_half_a_percent_and_its_baseline(table: Table) -> None:
    """By default the branch that sorts first would be the way back, here the canary."""
    step = {"max_weight_step": 0.5, "baseline": {WORLD: V2}}
    table.declare({V1: 0.5, V2: 99.5}, **step)
    table.engine.up()
    table.declare({V1: 1.25, V2: 98.75}, **step)
    with pytest.raises(EngineFailedError) as refused:
        table.engine.preview()
    said = f"splits['{WORLD}']['{V1}']: from 0.5 to 1.25 is more than max_weight_step, 0.5"
    assert any(said in line for line in refused.value.lines)
    table.declare({V1: 1, V2: 99}, **step)
    table.engine.up()
    table.declare({V1: 0, V2: 100}, **step)
    table.engine.up()
    assert table.split == V2
    table.settle()


def test_another_step_or_baseline_changes_no_table_and_is_no_drift(table: Table) -> None:
    table.declare({V1: 90, V2: 10})
    table.engine.up()
    table.declare({V1: 90, V2: 10}, max_weight_step=0.5, baseline={WORLD: V1})
    version = table.namerd.version("internal")
    table.engine.up()
    table.settle()
    assert table.namerd.version("internal") == version


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({V1: 99.995, V2: 0.005}, "a percent from 0 to 100 with at most two decimals, not 99.995"),
        ({V1: 99.5, V2: 0.51}, "the weights add up to 100.01, not to 100"),
    ],
)
def test_a_wrong_weight_is_one_line(table: Table, weights: Weights, said: str) -> None:
    table.declare(weights)
    with pytest.raises(EngineFailedError) as refused:
        table.engine.preview()
    assert any(said in line for line in refused.value.lines)
    assert "Traceback" not in str(refused.value)
    assert table.namerd.get("internal") is None
