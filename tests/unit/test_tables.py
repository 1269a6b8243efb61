"""Tables as text and as the entries of an object."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamic import grammar
from dynamic.grammar import Dentry
from dynamic.tables import entries_of, entry_of

PIECES = st.lists(
    st.sampled_from(
        ["/a", "/b", "*", "&", "|", "(", ")", "!", "=>", "=", ";", "#", "\n", " ", "\x1b"]
    )
).map("".join)


@pytest.mark.parametrize(
    ("prefix", "dst", "entry"),
    [
        ("/a", "/b # a note", Dentry("/a", "/b")),
        ("/a # a note", "/b", Dentry("/a", "/b")),
        ("/a", "/b;/c=>/d", Dentry("/a", r"/b\u003b/c=>/d")),
        ("/a", "/b;", Dentry("/a", r"/b\u003b")),
        ("/a", "/b ( # a note", Dentry("/a", r"/b ( \u0023 a note")),
        ("/a=>/b;/c", "/d", Dentry(r"/a\u003d>/b\u003b/c", "/d")),
        ("no prefix", "/b\n\x1b[31m", Dentry("no prefix", r"/b\n\x1b[31m")),
    ],
)
def test_an_entry_of_an_object_is_read_by_itself(prefix: str, dst: str, entry: Dentry) -> None:
    assert entry_of(prefix, dst) == entry


@given(st.lists(st.tuples(PIECES, PIECES)))
def test_the_text_of_any_entries_reads_back_as_them(kept: list[tuple[str, str]]) -> None:
    entries = tuple(entry_of(*each) for each in kept)
    assert entries_of(grammar.show(entries)) == entries
