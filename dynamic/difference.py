"""How a table differs from another, in words that fit on a line."""

from collections import Counter
from collections.abc import Sequence

from dynamic import grammar
from dynamic.grammar import Dtab
from kube.errors import printable

MOST_ENTRIES = 20
"""How many entries a message lists of each kind; it says how many more there are."""

MOST_CHARACTERS = 2000
"""How long a table may be to be quoted whole, and a list of entries."""


def difference(theirs: Dtab, ours: Dtab) -> str:
    """Their entries and the ones they replaced."""
    mine = list(map(grammar.show_dentry, ours))
    other = list(map(grammar.show_dentry, theirs))
    parts = {"theirs": _lacking(other, mine), "gone": _lacking(mine, other)}
    said = [f"{what} {_listed(entries)}" for what, entries in parts.items() if entries]
    return ", ".join(said) or "the same lines in another order"


def written_and_served(written: Dtab, served: Dtab | None) -> str:
    """Both tables or, where that is too long to read, how they differ."""
    texts = [grammar.show(table) for table in (written, served or ())]
    if served is not None and max(map(len, texts)) > MOST_CHARACTERS:
        return f"what is served differs from what was written: {difference(served, written)}"
    shown = "none" if served is None else f"'{texts[1]}'"
    return f"written '{clipped(texts[0])}', served {shown}"


def clipped(text: str, most: int = MOST_CHARACTERS) -> str:
    """A text, or its beginning."""
    return text if len(text) <= most else f"{text[:most]}…"


def _lacking(entries: Sequence[str], others: Sequence[str]) -> list[str]:
    there, lacking = Counter(others), []
    for entry in entries:
        if there[entry]:
            there[entry] -= 1
        else:
            lacking.append(entry)
    return lacking


def _listed(entries: Sequence[str]) -> str:
    more = len(entries) - MOST_ENTRIES
    shown = printable(clipped("; ".join(entries[:MOST_ENTRIES])))
    return f"'{shown}' and {more} more" if more > 0 else f"'{shown}'"
