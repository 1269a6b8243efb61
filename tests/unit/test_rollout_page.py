"""canary.rollout.page: what the page of a rollout says, and that it needs nothing else."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from canary.analysis.limits import Limits
from canary.analysis.strata import Counts, Stratum
from canary.rollout.events import Looked, Shown, Wish
from canary.rollout.journal import Header, Journal
from canary.rollout.page import charts, html, sentence, story
from canary.rollout.phase import SetWeight
from canary.rollout.plan import Plan
from tests.unit.test_rollout_machine import FAILING, NOTHING, PLAN, Told, healthy

VOID = {"meta", "br", "line", "rect", "polygon"}


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
    assert sentence_of(told).startswith(
        "The rollout of world-v2 ended at 10 % after 3 min 3 s. 10 %: "
    )


def hours(seconds: int, nodes: int) -> Told:
    """A rollout of so many seconds, with much latency and everything else that makes it long."""
    plan = replace(PLAN, limits=Limits(interval=seconds / 3, scrape=10, max_hold=seconds))
    told = Told(plan).begin()
    told.written()
    shown = Shown(3, 12, 0.99)
    for look in range(seconds // 10):
        strata = tuple(
            Stratum(f"node-{n}", Counts(900 + look % 7, look % 3), Counts(100, 0))
            for n in range(nodes)
        )
        if isinstance(told.action, SetWeight):
            told.written()
        told.now += 10
        told.take(Looked(told.now, strata, {}, (), shown, shown))
        if told.rollout.code is not None:
            break
    return told


def test_an_hour_is_a_small_page() -> None:
    told = hours(3600, 20)
    assert len(told.events) > 300
    text = html.page(story.told(journal_of(told, told.rollout.plan)))
    assert len(text.encode()) < 300_000


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
    assert [tag for tag, _ in found.tags].count("svg") == 3
    for each in (
        "RolledBack",
        "dev, world",
        "- hello:2",
        "anna@ws7",
        "3cdd923",
        "not reached",
        "success against the baseline",
        "latency against the limit",
        "node-1",
        "worse beyond chance",
        "Back at 0 % in 3.0 s",
        "python -m canary run --stack dev --service world --steps 10,50,100 --to 100",
        "/clone/.canary/dev/20261126T081349Z.jsonl",
    ):
        assert each in found.words, each


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


@pytest.mark.parametrize(
    ("most", "least", "found"),
    [
        (100, 0, [0, 50, 100]),
        (10, 0, [0, 5, 10]),
        (100, 98, [98, 98.5, 99, 99.5, 100]),
        (3600, 0, [0, 1000, 2000, 3000]),
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
