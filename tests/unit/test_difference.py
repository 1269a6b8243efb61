"""How two tables differ, in words for a person."""

from dynamic import grammar
from dynamic.difference import MOST_CHARACTERS, difference, written_and_served

OURS = grammar.parse("/srv => /x; /host => /srv; /host/world => 9 * /srv/v1 & 1 * /srv/v2")


def test_their_entries_and_the_ones_they_replaced() -> None:
    theirs = grammar.parse("/srv => /x; /host => /srv; /host/world => /srv/v1; /new => /y")
    assert difference(theirs, OURS) == (
        "theirs '/host/world => /srv/v1; /new => /y', gone '/host/world => 9.00*/srv/v1 & /srv/v2'"
    )
    assert difference((*OURS, *theirs[3:]), OURS) == "theirs '/new => /y'"
    assert difference(OURS[1:], OURS) == "gone '/srv => /x'"
    assert difference(OURS[::-1], OURS) == "the same lines in another order"
    assert difference((*OURS, OURS[0]), OURS) == "theirs '/srv => /x'"


def test_what_nobody_would_read_is_counted() -> None:
    many = grammar.parse(";".join(f"/n{i} => /x" for i in range(10_000)))
    said = difference(many, OURS)
    assert said.startswith("theirs '/n0 => /x; /n1 => /x; ")
    assert "; /n19 => /x' and 9980 more, gone '/srv => /x" in said
    long = grammar.parse(f"/a => /{'b' * 100_000}")
    assert len(difference(long, OURS)) < MOST_CHARACTERS + 200


def test_both_tables_where_they_are_short_enough() -> None:
    live = grammar.parse("/srv => /y")
    assert written_and_served(OURS, live) == f"written '{grammar.show(OURS)}', served '/srv=>/y'"
    assert written_and_served(OURS, None) == f"written '{grammar.show(OURS)}', served none"
    assert written_and_served(OURS, ()) == f"written '{grammar.show(OURS)}', served ''"
    many = grammar.parse(";".join(f"/n{i} => /x" for i in range(10_000)))
    assert written_and_served((*many, *OURS), (*many, *live)) == (
        "what is served differs from what was written: theirs '/srv => /y', gone '/srv => /x; "
        "/host => /srv; /host/world => 9.00*/srv/v1 & /srv/v2'"
    )
    assert len(written_and_served((*many, *OURS), None)) < MOST_CHARACTERS + 200


def test_what_does_not_print_is_escaped() -> None:
    assert difference((grammar.Dentry("/a", "\x1b[31m"),), ()) == r"theirs '/a => \x1b[31m'"
