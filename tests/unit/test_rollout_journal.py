"""canary.rollout.journal: what is left of a rollout, however it ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from canary.analysis.limits import Limits
from canary.analysis.strata import Compared, Counts, Slower, Stratum
from canary.errors import CanaryError
from canary.rollout import events, journal
from canary.rollout.events import Begun, Event, InForce, Looked, Shown, Wish, Wished
from canary.rollout.journal import Header, Writer
from canary.rollout.machine import replayed
from canary.rollout.plan import Plan

PLAN = Plan("world", "world-v1", "world-v2", Limits(), (10.0, 50.5, 100.0), pauses=(50.5,))
HEADER = Header("20261126T081349Z", "dev", PLAN, "anna@ws7", "3cdd923", {"world-v2": ["a:2"]})
COMPARED = Compared(Slower(90, 1, 3), Slower(10, 0, 1))
STRATUM = Stratum("node-1", Counts(90, 1), Counts(10, 3), COMPARED, None, 4, 5, 6, 7, 8)
HEALTHY = Stratum("node-1", Counts(90, 0), Counts(10, 0))
EVENTS: tuple[Event, ...] = (
    Begun(1.5, 0),
    InForce(4.25, 10, 41),
    Looked(14.25, (STRATUM,), {"node-2": "gone"}, ("node-3",), Shown(3, 9.5, 0.9)),
    Wished(20, Wish.FULL, "bob@ws8"),
)

ENDLESS = """
import sys
from pathlib import Path
from tests.unit.test_rollout_journal import EVENTS, HEADER, HEALTHY
from canary.rollout.events import Begun, Looked
from canary.rollout.journal import Writer
writer = Writer.begin(Path(sys.argv[1]), HEADER)
for event in EVENTS[:2]:
    writer.write(event)
for look in range(10**9):
    writer.write(Looked(10.0 + look, (HEALTHY,)))
    print(look, flush=True)
"""


def written(folder: Path) -> Path:
    with Writer.begin(folder, HEADER) as writer:
        for event in EVENTS:
            writer.write(event)
        return writer.path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert path == tmp_path / ".canary" / "dev" / "20261126T081349Z.jsonl"
    found = journal.read(path)
    assert (found.header, found.events) == (HEADER, EVENTS)
    assert found.rollout == replayed(PLAN, EVENTS)


def test_a_look_of_before_what_waited_was_kept_adds_none_to_what_was_drawn() -> None:
    """What waits at each of its looks would be counted again and again."""
    kept = Looked(20, (Stratum("node-1", Counts(0, 0), Counts(5, 0), canary_waiting=9),))
    given = events.encode(kept)
    assert events.decode(given) == kept
    del given["strata"][0]["waited"]
    decoded = events.decode(given)
    assert isinstance(decoded, Looked)
    [read] = decoded.strata
    assert (read.canary_waiting, read.canary_waited) == (9, 9)


def test_git_ignores_journals(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    path = written(tmp_path)
    subprocess.run(["git", "-C", str(tmp_path), "check-ignore", "-q", str(path)], check=True)
    status = ["git", "-C", str(tmp_path), "status", "--porcelain"]
    assert subprocess.run(status, check=True, capture_output=True).stdout == b""


def test_evidence_outlives_the_process_that_was_killed(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    seen = [int(process.stdout.readline()) for _ in range(20)][-1]
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen = max([seen, *(int(line) for line in process.stdout.read().split())])
    process.stdout.close()
    found = journal.last(tmp_path, "dev", "world")
    assert found
    looks = [event for event in found.events if isinstance(event, Looked)]
    assert len(looks) >= seen + 1
    before = found.rollout
    assert before.analysis.counts[1].requests == 10 * len(looks)
    with Writer.resume(found) as writer:
        writer.write(Looked(1e6, (STRATUM,)))
    assert journal.read(found.path).events[:-1] == found.events


def test_a_torn_last_line_never_happened(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.stat().st_size
    for size in range(whole - 1, whole - 30, -1):
        os.truncate(path, size)
        assert journal.read(path).events == EVENTS[:-1]
    with Writer.resume(journal.read(path)) as writer:
        writer.write(EVENTS[-1])
    assert journal.read(path).events == EVENTS


def test_the_newest_journal_of_a_split(tmp_path: Path) -> None:
    assert journal.last(tmp_path, "dev", "world") is None
    path = written(tmp_path)
    later = path.with_name("20261127T000000Z.jsonl")
    later.write_text(path.read_text().replace('"service":"world"', '"service":"other"'))
    found = journal.last(tmp_path, "dev", "world")
    assert found
    assert found.path == path
    assert journal.find(tmp_path, None).path == later
    assert journal.find(tmp_path, "20261126T081349Z").path == path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no journal of a rollout"),
        ("{}\n", "its format is None, not 1"),
        ('{"journal": 2}\n', "its format is 2, not 1"),
        ("nonsense\n", "is no journal of a rollout"),
    ],
)
def test_what_is_no_journal(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(CanaryError, match=said):
        journal.read(path)


def test_a_line_in_the_middle_that_is_no_event(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"event":"inforce"', '"event":"other"'))
    with pytest.raises(CanaryError, match=r"line 3 is no event"):
        journal.read(path)


def test_there_is_no_such_rollout(tmp_path: Path) -> None:
    with pytest.raises(CanaryError, match="no rollout has left a journal"):
        journal.find(tmp_path, None)
    written(tmp_path)
    with pytest.raises(CanaryError, match="no rollout 1 has left a journal"):
        journal.find(tmp_path, "1")
