"""Values cannot be anything but text in the Markdown: as a parser of GitHub's kind reads it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from canary import events, report
from canary.markdown import MOST_LINES, block, bullets, code, table
from kube.errors import printable
from tests.unit import logs

PARSER = MarkdownIt("commonmark").enable("table")

HOSTILE = [
    "a|b",
    "a\\|b | c",
    "`a` ``b`` ```c",
    "``",
    "`",
    "\\",
    "@octocat and #1",
    "<script>alert(1)</script>",
    "<!-- linkerd-canary preview dev -->",
    "</details>",
    "![x](https://example.com/x.png)",
    "[x](https://example.com)",
    "https://example.com",
    "one\n\n# two\n- three\n```\n@octocat",
    "\u202eright to left\u2066",
    "a\u2028b\u0085c\x0bd\x00e",
    "**bold** ~~x~~ $$y$$",
    "&lt;&#64;octocat",
    "    indented",
    "",
]
TEXTS = st.text(max_size=60) | st.text(alphabet="`|\\\n @<>*[]()!~-#&\u202e", max_size=30)


def flat(tokens: list[Token]) -> list[Token]:
    return [each for token in tokens for each in (token, *flat(token.children or []))]


def plain(text: str) -> str:
    """What a reader sees of a value: white space as one space, what is not seen spelled out."""
    return printable(" ".join(text.split())) or " "


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_code(text: str) -> None:
    check_code(text)


@given(TEXTS)
def test_any_code(text: str) -> None:
    check_code(text)


def check_code(text: str) -> None:
    tokens = flat(PARSER.parse(f"before {code(text)} after"))
    kinds = [(each.type, each.content) for each in tokens if each.type not in ("inline",)]
    assert kinds == [
        ("paragraph_open", ""),
        ("text", "before "),
        ("code_inline", plain(text)),
        ("text", " after"),
        ("paragraph_close", ""),
    ]


@given(TEXTS, TEXTS)
def test_any_cell_of_a_table(one: str, other: str) -> None:
    tokens = flat(PARSER.parse(table(["a", "b"], [[code(one), code(other)]])))
    cells = [each.content for each in tokens if each.type == "code_inline"]
    assert cells == [plain(text).replace("|", "\\u007c") for text in (one, other)]
    assert sum(each.type == "td_open" for each in tokens) == 2
    assert {each.type for each in tokens if each.content} <= {"inline", "text", "code_inline"}


@given(st.lists(TEXTS, max_size=5))
def test_any_block(texts: list[str]) -> None:
    tokens = PARSER.parse(f"before\n\n{block(texts, 'diff')}\n\nafter")
    assert [each.type for each in tokens if each.type != "inline"] == [
        *("paragraph_open", "paragraph_close"),
        "fence",
        *("paragraph_open", "paragraph_close"),
    ]


@given(TEXTS)
def test_a_whole_summary_holds_a_value_as_code_alone(text: str) -> None:
    shown = summary_of(text)
    tokens = flat(PARSER.parse(shown))
    prose = "".join(each.content for each in tokens if each.type == "text")
    assert set(re.findall(r"[^\w\s,.:–…%]", prose)) <= {"'"}, prose
    assert [each.content for each in tokens if each.type in ("html_block", "html_inline")] == []
    kinds = {each.type for each in tokens}
    assert not kinds & {"link_open", "image", "em_open", "code_block", "hr", "blockquote_open"}
    assert shown.count("\n### ") == 0


def summary_of(text: str) -> str:
    """A summary with a text wherever a value may stand."""
    old = {"dentries": ["/a", f"/b{text}"], "splits": {text: {text: 100, "other": 0}}, text: 1}
    new = {"dentries": ["/a", f"/c{text}"], "splits": {text: {text: 1, "other": 99}}, text: 2}
    kind = f"my:index:{text.replace('::', '')}x"
    parts = [
        logs.refreshed(old, new, name=text),
        logs.step("update", new, old, name=text),
        logs.step("replace", {text: 1}, {text: 2}, text, kind, keys=[text]),
        logs.violation(text, text, name=text),
        logs.error(text),
    ]
    ending = logs.ended(failed=True, PolicyPacks={text: text})
    return report.document(events.read(logs.text(*parts, ending=ending), "the log"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_whole_summary_of_hostile_values(text: str) -> None:
    test_a_whole_summary_holds_a_value_as_code_alone.hypothesis.inner_test(text)  # type: ignore[attr-defined]


def test_what_is_not_seen_is_written_out() -> None:
    assert code("a\u202eb\x00\U000e0001") == r"`a\u202eb\x00\U000e0001`"


def test_bounds() -> None:
    assert len(code("x" * 10_000)) < 400
    assert code("x" * 10_000).endswith("…`")
    assert len(block(["x" * 10_000] * 500).splitlines()) == MOST_LINES + 3
    assert len(bullets(["x"] * 500).splitlines()) < MOST_LINES + 10
