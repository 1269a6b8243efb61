"""Which entries a lookup can come by: what a guard asks with where the whole table is too long."""

import pytest

from dynamic import grammar, guard


@pytest.mark.parametrize(
    ("table", "path", "kept"),
    [
        ("/a => /b; /c => /d", "/a", "/a=>/b"),
        ("/a => /b; /b => /c; /x => /y", "/a/1", "/a=>/b;/b=>/c"),
        ("/a => /b | 3 * /c & /d; /d => /e; /f => /g", "/a", "/a=>/b | 3.00*/c & /d;/d=>/e"),
        ("/svc/*/x => /b; /svc/1/y => /c", "/svc/1/x", "/svc/*/x=>/b"),
        ("/a/b => /c; /a => /d", "/a", "/a=>/d"),
        ("/ => /a; /x => !", "/y", "/=>/a"),
        ("/a => !; /a => ~; /a => $", "/a", "/a=>!;/a=>~;/a=>$"),
        ("/a => /b; /b => /a", "/a", "/a=>/b;/b=>/a"),
        ("/a => /a/a", "/a", "/a=>/a/a"),
        ("/b => /c", "/a", ""),
    ],
)
def test_the_entries_that_matter_in_their_order(table: str, path: str, kept: str) -> None:
    assert grammar.show(guard.reached(grammar.parse(table), path)) == kept


def test_a_short_table_is_asked_with_as_it_is() -> None:
    table = grammar.parse("/a => /b; /c => /d")
    assert guard.for_url(table, "/a") == "/a=>/b;/c=>/d"
