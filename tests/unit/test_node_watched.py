"""`make up` while the local node goes away: local/stack.py and local/tour.py, without a node."""

from pathlib import Path

import pytest

from local import node, stack, tour
from local.errors import LocalError
from local.stack import NodeGoneError
from local.state import State

TIDIES_UP = """\
trap 'echo unlocked >>$log; exit 255' INT
echo began >>$log
{then}
while :; do sleep 0.05; done
"""


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the file `node` is the node's being there, and `log` what a fake says."""
    (tmp_path / "node").touch()
    monkeypatch.setattr(node, "running", (tmp_path / "node").exists)
    monkeypatch.setattr(stack, "LOCAL", tmp_path)
    monkeypatch.setattr(stack, "STATE", State(tmp_path, "p", "s"))
    monkeypatch.setattr(stack, "_environment", lambda: {"log": str(tmp_path / "log")})
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """What `stack.pulumi` does with a fake one."""
    monkeypatch.setattr(stack, "_command", lambda _: ["/bin/sh", "-c", script])
    stack.pulumi("up", "--yes")


def test_pulumi_is_interrupted_when_the_node_goes(
    marks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NodeGoneError) as failed:
        run(monkeypatch, TIDIES_UP.format(then=f"rm {marks / 'node'}"))
    assert (marks / "log").read_text().split() == ["began", "unlocked"]
    assert str(failed.value) == (
        "the local node went away while `pulumi up --yes` was at work: `make up` goes on from here"
    )


def test_a_pulumi_that_fails_by_itself_when_the_node_goes_says_the_same(
    marks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NodeGoneError):
        run(monkeypatch, f"rm {marks / 'node'}; exit 255")


def test_a_failure_beside_a_running_node_is_pulumis_own(
    marks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LocalError, match="failed: what it said is above"):
        run(monkeypatch, "exit 255")


def test_where_no_node_ran_pulumi_is_left_to_itself(
    marks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "LOOK_SECONDS", 0.01)
    (marks / "node").unlink()
    run(monkeypatch, "sleep 0.5")


def test_the_tour_does_not_wait_for_a_node_that_is_gone(marks: Path) -> None:
    (marks / "node").unlink()

    def refused(_: str) -> object:
        raise LocalError("does not answer")

    with pytest.raises(NodeGoneError):
        tour._wait_for("http://198.18.64.1", refused)
