"""Where tables are kept: as namerd serves them by HTTP, or as objects of a cluster."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from dynamic import grammar
from dynamic.delegation import Delegation
from dynamic.grammar import Dentry, Dtab
from dynamic.marks import Mark
from kube.errors import printable


@dataclass(frozen=True)
class Table:
    """A table as it is kept."""

    entries: Dtab
    version: str
    """namerd's Etag, or the object's resourceVersion. Equal Etags do not prove equal content: in
    memory they are a counter that restarts."""
    mark: Mark | None = None
    """Who keeps it, by its own word."""
    changed_by: str = "somebody else"
    """Who changed it last, and when, as far as can be told."""
    changed_at: str = ""
    """When that was, `2026-11-26T05:17:55Z`; empty where it cannot be told."""
    source: Any = field(default=None, repr=False, compare=False)
    """The object that it was read from."""

    def is_still(self, other: "Table") -> bool:
        """Whether it is what is left of the other, which has been deleted.

        An object that a finalizer holds stays in force, by another version.
        """
        if self.source is None or other.source is None:
            return self == other
        return bool(self.source["metadata"]["uid"] == other.source["metadata"]["uid"])

    @property
    def text(self) -> str:
        """Canonical."""
        return grammar.show(self.entries)


class Store(Protocol):
    """The tables of one namerd. Every method raises OneLineError."""

    where: str
    """What messages call it."""
    has_marks: bool
    """Whether a table says who keeps it."""
    lag_seconds: float
    """How far reads may be behind writes."""

    def read(self, namespace: str) -> Table | None:
        """A table, or None where there is none."""

    def confirm_missing(self) -> None:
        """Make sure, where a read said so, that it is this store which misses the table."""

    def create(self, namespace: str, entries: Dtab, mark: Mark) -> Table | None:
        """Write a table where none is: the table, or None where reading has to tell.

        Raises ExistsError where one is.
        """

    def replace(self, namespace: str, former: Table, entries: Dtab, mark: Mark) -> Table | None:
        """The same in place of the table read. Raises StaleError where that is over."""

    def delete(self, namespace: str, table: Table) -> None:
        """Delete the table that was read. Raises StaleError where it is another by now."""

    def delegate(self, path: str, table: str, up_seconds: float | None = None) -> Delegation:
        """Where a path would end by a table that is nowhere saved.

        namerd may take so many seconds to come up; by default as long as it may for a read.
        """


def entries_of(text: str) -> Dtab:
    """The entries of a kept table's text, each that namerd could not read as it stands.

    `kubectl edit` takes any text; what it is has to be shown, and can only be replaced. The text of
    entries by `entry_of` reads back as these entries.
    """
    try:
        return grammar.parse(text)
    except grammar.GrammarError:
        return tuple(_entry(each) for each in text.split(";") if each.strip())


def entry_of(prefix: str, dst: str) -> Dentry:
    """One entry of an object: parsed, or as it stands where namerd could not read it.

    What would end it in a table's text is escaped then: `/b;/c` stands as `/b\\u003b/c`.
    """
    try:
        return Dentry(grammar.parse_prefix(prefix), grammar.parse_tree(dst))
    except grammar.GrammarError:
        return Dentry(_escaped(prefix, ";#="), _escaped(dst, ";#"))


def _escaped(text: str, characters: str) -> str:
    # In the language's own escapes, `\x3b`, it could read as a path.
    for each in characters:
        text = text.replace(each, f"\\u{ord(each):04x}")
    return printable(text.strip())


def _entry(text: str) -> Dentry:
    try:
        return grammar.parse_dentry(text)
    except grammar.GrammarError:
        prefix, _, dst = text.partition("=>")
        return Dentry(prefix.strip(), dst.strip())
