"""The dtab language, against verdicts and canonical texts read off the real parser."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamic import grammar
from dynamic.grammar import Alt, Dentry, Dtab, GrammarError, Tree, Union, Weighted

SAMPLES = Path(__file__).parent.parent / "data" / "dtab-samples.tsv"


def samples() -> list[tuple[str, str, str]]:
    """Rows of input, verdict, canonical text or message; `\\n` stands for a line's end."""
    with SAMPLES.open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return [(row[0].replace("\\n", "\n"), row[1], row[2].replace("\\n", "\n")) for row in rows]


@pytest.mark.parametrize(("text", "verdict", "expected"), samples())
def test_verdict_canonical_text_and_message_are_namerds(
    text: str, verdict: str, expected: str
) -> None:
    if verdict == "OK":
        assert grammar.canonical(text) == expected
    else:
        with pytest.raises(GrammarError) as refused:
            grammar.parse(text)
        assert str(refused.value) == expected


LABELS = st.text("abcXYZ019_:.#$%-", min_size=1, max_size=6) | st.binary(
    min_size=1, max_size=3
).map(lambda content: "".join(f"\\x{byte:02x}" for byte in content))
WEIGHTS = st.integers(0, 10**8).map(lambda hundredths: hundredths / 100)


def paths(label: st.SearchStrategy[str] = LABELS) -> st.SearchStrategy[str]:
    """Canonical paths: bytes that could be written plainly are."""
    written = st.lists(label, max_size=4).map(lambda labels: "/" + "/".join(labels))
    return written.map(grammar.parse_prefix)


LEAVES = paths() | st.sampled_from("!~$")
TREES: st.SearchStrategy[Tree] = st.recursive(
    LEAVES,
    lambda trees: (
        st.lists(trees, min_size=2, max_size=3).map(lambda found: Alt(tuple(found)))
        | st.lists(st.builds(Weighted, WEIGHTS, trees), min_size=2, max_size=3).map(
            lambda found: Union(tuple(found))
        )
    ),
    max_leaves=8,
)
DTABS = st.lists(st.builds(Dentry, paths(LABELS | st.just("*")), TREES), max_size=5).map(tuple)


@given(DTABS)
def test_what_is_shown_reads_back_as_itself(dtab: Dtab) -> None:
    assert grammar.parse(grammar.show(dtab)) == dtab


@given(DTABS)
def test_the_canonical_text_is_its_own_canonical_text(dtab: Dtab) -> None:
    assert grammar.canonical(grammar.show(dtab)) == grammar.show(dtab)


@given(DTABS, st.text(" \t\n", max_size=3), st.sampled_from(["", "# note\n", "# a; b\n# c\n"]))
def test_blanks_and_comments_around_an_entry_change_nothing(
    dtab: Dtab, blanks: str, comment: str
) -> None:
    noise = f" {blanks}{comment}"  # with no blank before it, `#` would be part of a label
    text = f"{noise};{noise}".join(map(grammar.show_dentry, dtab))
    assert grammar.parse(f"{noise}{text}{noise}") == dtab


@given(st.text(alphabet="/ab*=> ;&|()!~$.0123#\\x\n", max_size=30))
def test_any_text_is_a_table_or_an_error_with_its_position(text: str) -> None:
    try:
        dtab = grammar.parse(text)
    except GrammarError as raised:
        error = raised
    else:
        assert grammar.same(grammar.parse(grammar.show(dtab)), dtab)
        return
    assert 0 <= error.position <= len(text)
    assert "expected but" in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"/a\y => /b", r"'x' expected but 'y' found at '/a\[y] => /b'"),
        (r"/a\x2 => /b", r"hex char expected but ' ' found at '/a\x2[ ]=> /b'"),
        (r"/a/\xg0 => /b", r"hex char expected but 'g' found at '/a/\x[g]0 => /b'"),
        ("/a => 1.2.3*/b & /c", "number char expected but '.' found at '/a => 1.2[.]3*/b & /c'"),
        ("/a => . * /b", "weight expected but '.' found at '/a => .[ ]* /b'"),
        ("/a", "'=' expected but end of input found at '/a[]'"),
        ("/a =", "'>' expected but end of input found at '/a =[]'"),
        ("/a => (/b", "')' expected but end of input found at '/a => (/b[]'"),
        ("/a => /*", "end of input expected but '*' found at '/a => /[*]'"),
        ("/*a => /b", "'=' expected but 'a' found at '/*[a] => /b'"),
    ],
)
def test_an_error_names_what_was_expected_and_marks_the_place(text: str, message: str) -> None:
    with pytest.raises(GrammarError) as refused:
        grammar.parse(text)
    assert str(refused.value) == message


def test_an_error_in_a_long_text_shows_what_is_around_its_place() -> None:
    entries = ";".join(f"/a{i} => /b" for i in range(10_000))
    for text in (f"{entries}; /c = /d", f"{entries}; /c = /d; {entries}"):
        with pytest.raises(GrammarError) as refused:
            grammar.parse(text)
        message = str(refused.value)
        assert message.startswith("'>' expected but ' ' found at '…")
        assert "; /c =[ ]/d" in message
        assert len(message) < 700
    with pytest.raises(GrammarError, match="one entry expected but 10000 found") as refused:
        grammar.parse_dentry(entries)
    assert len(str(refused.value)) < 400


def test_parentheses_may_be_nested_deep_but_not_without_bound() -> None:
    deepest = f"/a => {'(' * grammar.MAX_DEPTH}/b{')' * grammar.MAX_DEPTH}"
    assert grammar.canonical(deepest) == "/a=>/b"
    with pytest.raises(GrammarError, match="at most 100 nested parentheses expected"):
        grammar.parse(f"/a => {'(' * 5000}/b{')' * 5000}")


def test_a_weight_beyond_a_doubles_range_is_refused() -> None:
    assert grammar.canonical(f"/a => {'9' * 300} * /b & /c").endswith(".00*/b & /c")
    with pytest.raises(GrammarError, match="weight expected but a number too large found"):
        grammar.parse(f"/a => {'9' * 400} * /b & /c")


def test_tables_are_the_same_where_namerd_stores_the_same() -> None:
    table = grammar.parse("/a => 1.001 * /b & 2 * /c")
    assert grammar.same(table, grammar.parse("/a=>/b & 2.00*/c"))
    assert not grammar.same(table, grammar.parse("/a=>2.00*/c & /b"))
    assert not grammar.same(table, table * 2)


def test_one_entry_is_one_entry() -> None:
    assert grammar.parse_dentry(" /a => /b ; ") == Dentry("/a", "/b")
    for text in ("", "# nothing", "/a => /b; /c => /d"):
        with pytest.raises(GrammarError, match="one entry expected"):
            grammar.parse_dentry(text)


@pytest.mark.parametrize("path", ["", "a", "/a/", "/a/*", "/a b", "/a => /b", "/a;"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(GrammarError):
        grammar.parse_path(path)


def test_paths_and_prefixes_become_canonical() -> None:
    assert grammar.parse_path(r"  /\x61\x62/c\x20  ") == r"/ab/\x63\x20"
    assert grammar.parse_prefix("/svc/*/x") == "/svc/*/x"
    assert grammar.parse_prefix("/") == "/"


def test_the_language_needs_no_pulumi() -> None:
    code = "import sys, dynamic.grammar, dynamic.splits; sys.exit('pulumi' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
