"""canary.rollout.page: what the page of a rollout says, and that it needs nothing else."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from canary.analysis.differences import Reason
from canary.analysis.strata import Counts, Stratum
from canary.rollout.events import Changed, Interrupted, Looked, NotDone, Wish
from canary.rollout.journal import Header, Journal
from canary.rollout.page import charts, graphs, html, sentence, story
from canary.rollout.plan import Plan
from tests.harness import rollouts
from tests.unit.test_rollout_machine import (
    FAILING,
    NOTHING,
    PLAN,
    Told,
    after_both_at_3_percent,
    healthy,
    stratum,
)

VOID = {"meta", "br"}


class Parsed(HTMLParser):
    """What a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "script" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(self.text)


def journal_of(told: Told, plan: Plan = PLAN) -> Journal:
    images = {"world-v1": ["- hello:1"], "world-v2": ["- hello:2"]}
    header = Header("20261126T081349Z", "dev", plan, "anna@ws7", "3cdd923", images)
    return Journal(Path("/clone/.canary/dev/20261126T081349Z.jsonl"), header, tuple(told.events))


def sentence_of(told: Told) -> str:
    return sentence.sentence(story.told(journal_of(told, told.rollout.plan)))


def test_the_first_sentence_of_a_rollback() -> None:
    told = Told().begin().written().look(healthy(10), times=3).look(FAILING)
    told.written().look(NOTHING)
    assert sentence_of(told) == (
        "world-v2 was rolled back at 10 % after 47 s: 20 of 400 requests failed (5 %), of world-v1 "
        "0 of 3,600 (0 %)."
    )


def test_the_first_sentence_of_a_promotion() -> None:
    told = Told().begin().written().passes().written().passes().written().passes()
    assert sentence_of(told) == (
        "world-v2 was promoted to 100 % in 3 min 9 s: 0 of 9,600 requests failed (0 %), of "
        "world-v1 0 of 8,400 (0 %)."
    )


def test_the_first_sentence_of_an_abort() -> None:
    told = Told().begin().written().look(healthy(10)).wish(Wish.ABORT).written().look(NOTHING)
    assert sentence_of(told).startswith(
        "world-v2 was aborted at 10 % after 17 s by anna@ws7: 0 of "
    )


def test_the_first_sentence_of_a_hold_that_ran_out_and_of_one_under_way() -> None:
    told = Told().begin().written().look(NOTHING, times=7)
    assert sentence_of(told).startswith("world-v2 is at 10 % after 1 min 13 s, holding: ")
    told.look(NOTHING, times=11)
    assert sentence_of(told) == (
        "world-v2 stays at 10 %, held for 2 min and given up after 3 min 3 s: no data: 0 requests "
        "to world-v2 in 3 min, 100 are needed."
    )


def test_the_first_sentence_where_nobody_promoted() -> None:
    told = Told(replace(PLAN, pauses=(10,))).begin().written().passes().look(healthy(10), times=12)
    assert sentence_of(told) == (
        "world-v2 stays at 10 %: nobody promoted it within 2 min. 0 of 1,800 requests failed (0 "
        "%), of world-v1 0 of 16,200 (0 %)."
    )


def test_the_first_sentence_of_what_was_stopped_or_interrupted() -> None:
    told = Told().begin().written().look(healthy(10))
    stopped = Told().begin().written().take(Changed(1013, "the table was changed to 50/50."))
    assert sentence_of(stopped).startswith(
        "The rollout of world-v2 was stopped at 10 % after 13 s: the table was changed to 50/50. "
    )
    told.take(Interrupted(1020, 2))
    assert sentence_of(told) == (
        "The rollout of world-v2 was interrupted at 10 % after 20 s: 0 of 100 requests failed (0 "
        "%), of world-v1 0 of 900 (0 %)."
    )


def test_the_first_sentence_where_the_way_back_was_not_written() -> None:
    told = Told().begin().written().look(healthy(10)).wish(Wish.ABORT)
    told.not_written().take(Changed(told.now, "a change"))
    assert sentence_of(told).endswith("(0 %). It still has 10 %.")


def test_an_hour_on_many_nodes_is_a_small_page() -> None:
    journal = rollouts.hour(12)
    assert len(journal.events) > 300
    text = html.page(story.told(journal))
    assert len(text.encode()) < 300_000


def test_sixty_steps_are_a_small_page() -> None:
    told = story.told(rollouts.sixty_steps())
    assert len(told.steps) == 60
    assert len(html.page(told).encode()) < 200_000


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    found = Parsed(page_of(Told().begin().written().look(FAILING).written().look(NOTHING)))
    for tag, attributes in found.tags:
        assert tag not in ("img", "link", "iframe", "a", "object", "embed", "base", "form")
        assert not {"src", "href", "action", "srcset"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "script":
            assert attributes["type"] == "application/json"
    policies = [a["content"] for t, a in found.tags if t == "meta" and "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def page_of(told: Told) -> str:
    return html.page(story.told(journal_of(told, told.rollout.plan)))


def test_the_page_tells_everything() -> None:
    told = Told().begin().written().look(healthy(10), times=3).look(FAILING)
    found = Parsed(page_of(told.written().look(NOTHING)))
    assert found.words.count("<svg") == 0
    assert [a.get("role") for tag, a in found.tags if tag == "svg"].count("img") == 3
    for each in (
        "✖ Rolled back",
        "world, stack dev",
        "- hello:2",
        "anna@ws7",
        "3cdd923",
        "not reached",
        "success against world-v1",
        "fails more than the baseline, beyond chance",
        "latency against the limit of 500 ms",
        "nothing to compare",
        "0:44 of 1:00",
        "minSuccessRate",
        "node-1",
        "worse beyond chance",
        "Back at 0 % in 3.0 s",
        "python -m canary run --stack dev --service world --steps 10,50,100 --to 100",
        "/clone/.canary/dev/20261126T081349Z.jsonl",
    ):
        assert each in found.words, each


def test_a_limit_that_both_versions_break_is_no_check_that_passed() -> None:
    page = page_of(after_both_at_3_percent())
    assert "– as the baseline" in page
    assert "fails more than the limit allows, but no more than the baseline" in page


def test_what_the_cluster_says_is_escaped() -> None:
    bad = "</script><script>alert(1)</script>&\"'"
    stratum = Stratum(bad, Counts(900, 0), Counts(100, 0))
    text = page_of(Told().begin().written().look(stratum, times=3))
    assert bad not in text
    assert text.count("<script") == 1
    assert bad in Parsed(text).words


def test_a_page_of_a_rollout_that_has_just_begun() -> None:
    found = Parsed(page_of(Told().begin()))
    assert "Nothing was judged." in found.words
    assert "svg" not in [tag for tag, _ in found.tags]


def steps_of(told: Told) -> list[tuple[float, str]]:
    found = story.told(journal_of(told, told.rollout.plan))
    return [(step.weight, step.verdict) for step in found.steps]


def test_what_became_of_each_step() -> None:
    told = Told(replace(PLAN, pauses=(10,))).begin().written().passes().wish(Wish.PROMOTE)
    told.written().look(NOTHING, times=7).wish(Wish.PROMOTE).written()
    assert steps_of(told) == [(10, "passed"), (50, "accepted"), (100, "under way")]
    assert "॥" not in page_of(told)


def test_steps_that_were_skipped_or_not_reached() -> None:
    told = Told().begin().written().look(healthy(10)).wish(Wish.FULL).written()
    assert steps_of(told) == [(10, "accepted"), (100, "under way")]
    assert "– skipped" in Parsed(page_of(told)).words


def test_a_weight_that_an_update_left_in_force_is_in_the_chart() -> None:
    told = Told().begin().written().passes()
    told.now += 4
    told.take(NotDone(told.now, "a linkerd does not follow", in_force=50))
    assert story.told(journal_of(told)).weights == [(0, 0), (3, 10), (67, 50)]


def test_a_linkerds_restarts_and_gaps_are_told_apart() -> None:
    told = Told().begin().written()
    for why in (Reason.FIRST, Reason.RESTARTED, Reason.FELL, Reason.UNREAD, Reason.GONE):
        told.now += 10
        told.take(Looked(told.now, (), {"node-1": str(why)}))
    node = story.told(journal_of(told)).nodes["node-1"]
    assert (node.restarts, node.unread) == (2, 2)


def test_holds_pauses_and_what_operators_did_are_in_the_charts() -> None:
    told = Told(replace(PLAN, pauses=(10,))).begin().written().look(NOTHING, times=8)
    told.passes().wish(Wish.PROMOTE).written()
    text = page_of(told)
    for each in (">held<", ">paused<", "⚑ promoted by anna@ws7"):
        assert each in text


def test_few_requests_make_a_point_of_several_looks() -> None:
    few = stratum((5, 0), (1, 0))
    told = Told().begin().written().look(few, times=8).look(healthy(10))
    found = graphs.buckets(story.told(journal_of(told)).moments)
    assert [len(each.looks) for each in found] == [6, 3]
    assert [each.canary.requests for each in found] == [6, 102]


def test_looks_under_two_weights_are_no_point() -> None:
    told = (
        Told().begin().written().look(NOTHING, times=3).wish(Wish.PROMOTE).written().look(NOTHING)
    )
    found = graphs.buckets(story.told(journal_of(told)).moments)
    assert [len(each.looks) for each in found] == [3, 1]


@pytest.mark.parametrize(
    ("seconds", "found"),
    [
        (25, [0, 5, 10, 15, 20, 25]),
        (206, [0, 30, 60, 90, 120, 150, 180]),
        (3600, [0, 600, 1200, 1800, 2400, 3000, 3600]),
        (0, [0]),
    ],
)
def test_a_clock_is_marked_at_its_own_round_numbers(seconds: float, found: list[float]) -> None:
    assert charts.clock_ticks(seconds) == found


def test_a_clock() -> None:
    assert [charts.clock(each) for each in (0, 90, 3661)] == ["0:00", "1:30", "1:01:01"]


@pytest.mark.parametrize(
    ("most", "least", "found"),
    [
        (100, 0, [0, 50, 100]),
        (10, 0, [0, 5, 10]),
        (100, 98, [98, 98.5, 99, 99.5, 100]),
        (0.03, 0, [0, 0.01, 0.02, 0.03]),
        (0, 0, [0]),
    ],
)
def test_ticks_are_round(most: float, least: float, found: list[float]) -> None:
    assert charts.ticks(most, least) == found


def test_a_line_has_no_more_points_than_can_be_seen() -> None:
    points = [(float(i), 0.0) for i in range(10_000)]
    found = charts.thinned(points)
    assert len(found) <= charts.MOST_POINTS + 1
    assert (found[0], found[-1]) == (points[0], points[-1])
    assert charts.thinned([]) == []
