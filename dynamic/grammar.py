"""The dtab language: parse it, show it in namerd's own canonical form, compare two tables.

Follows Finagle's `NameTreeParsers` and `NameTree.show`, which namerd uses: the same verdicts, the
same messages with the place of an error in brackets, the same canonical text.
"""

import re
import string
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple, NoReturn, TypeAlias

Tree: TypeAlias = "str | Union | Alt"
"""Where a dentry leads. A string is a path, or `!` (fail), `~` (negative) or `$` (empty)."""


class Weighted(NamedTuple):
    """One branch of a union. Only the ratio of the weights counts."""

    weight: float
    tree: Tree


class Union(NamedTuple):
    """Two or more branches, one drawn for each request by its weight: `3 * /a & 7 * /b`."""

    branches: tuple[Weighted, ...]


class Alt(NamedTuple):
    """Two or more trees, the first that resolves taken: `/a | /b`."""

    trees: tuple[Tree, ...]


class Dentry(NamedTuple):
    """One entry: names under `prefix` (a path whose labels may be `*`) go to `dst`."""

    prefix: str
    dst: Tree


Dtab: TypeAlias = tuple[Dentry, ...]
"""A delegation table; where prefixes overlap, the later entry is asked first."""


class GrammarError(ValueError):
    """Text that is no dtab. The message is namerd's own, and marks the place: `'/a =[>] b'`."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


# What Java's Character.isWhitespace takes, and comments up to the end of the line.
_BLANK = r"[ \t-\r\x1c-\x1f\u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000]"
_SKIPPED = re.compile(rf"(?:{_BLANK}++|#[^\n]*+)*+")
_SHOWABLE = r"[A-Za-z0-9_:.#$%-]"
_LABEL = rf"(?:{_SHOWABLE}|\\x[0-9A-Fa-f]{{2}})++"
_ELEMENT = rf"(?:\*|{_LABEL})"
_PATH = re.compile(rf"/(?:{_LABEL}(?:/{_LABEL})*+)?+")
_PREFIX = re.compile(rf"/(?:{_ELEMENT}(?:/{_ELEMENT})*+)?+")
_NUMBER = re.compile(r"[0-9.]*+")
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})")

# The commonest pieces, without escapes or comments, each in one match: an entry from path to path,
# and a union's branch. What they do not match is left to the parser proper, errors included.
_PLAIN_LABEL = rf"{_SHOWABLE}++"
_PLAIN_ELEMENT = rf"(?:\*|{_PLAIN_LABEL})"
_PLAIN_PATH = rf"/(?:{_PLAIN_LABEL}(?:/{_PLAIN_LABEL})*+)?+"
_PLAIN_PREFIX = rf"/(?:{_PLAIN_ELEMENT}(?:/{_PLAIN_ELEMENT})*+)?+"
_PLAIN_DENTRY = re.compile(
    rf"{_BLANK}*+({_PLAIN_PREFIX}){_BLANK}*+=>{_BLANK}*+({_PLAIN_PATH}){_BLANK}*+(?:;|\Z)"
)
_PLAIN_BRANCH = re.compile(
    rf"{_BLANK}*+(?:([0-9]{{1,15}}+(?:\.[0-9]{{0,15}}+)?+){_BLANK}*+\*{_BLANK}*+)?+"
    rf"({_PLAIN_PATH}){_BLANK}*+(?=[;&|)]|\Z)"
)

SHOWN = 300
"""Characters of a text that an error shows on either side of its place."""

MAX_DEPTH = 100
"""How deep parentheses may be nested; namerd's own bound is its thread's stack."""


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def dtab(self) -> Dtab:
        entries: list[Dentry] = []
        while True:
            if plain := _PLAIN_DENTRY.match(self.text, self.at):
                entries.append(Dentry(*plain.groups()))
                self.at = plain.end()
                if self.text[self.at - 1] == ";":
                    continue
                break
            self.skip()
            if self.at < len(self.text):
                entries.append(self.dentry())
                self.skip()
            if not self.ate(";"):
                break
        self.end()
        return tuple(entries)

    def dentry(self) -> Dentry:
        prefix = self.path(_PREFIX)
        self.skip()
        self.eat("=")
        self.eat(">")
        return Dentry(prefix, self.tree())

    def tree(self) -> Tree:
        trees = [self.union()]
        while self.ate("|"):
            trees.append(self.union())
        return trees[0] if len(trees) == 1 else Alt(tuple(trees))

    def union(self) -> Tree:
        branches = [self.weighted()]
        self.skip()
        while self.ate("&"):
            branches.append(self.weighted())
            self.skip()
        return branches[0].tree if len(branches) == 1 else Union(tuple(branches))

    def weighted(self) -> Weighted:
        if plain := _PLAIN_BRANCH.match(self.text, self.at):
            self.at = plain.end()
            digits, path = plain.groups()
            return Weighted(float(digits) if digits else 1.0, path)
        self.skip()
        weight = self.weight() if self.peek() in "0123456789." else 1.0
        return Weighted(weight, self.simple())

    def weight(self) -> float:
        digits = _NUMBER.match(self.text, self.at)[0]  # type: ignore[index]  # matches always
        if digits.count(".") > 1:
            self.at += digits.index(".", digits.index(".") + 1)
            self.expected("number char")
        self.at += len(digits)
        if digits == ".":
            self.expected("weight", found="'.'")
        weight = float(digits)
        if weight == float("inf"):
            self.expected("weight", found="a number too large")
        self.skip()
        self.eat("*")
        self.skip()
        return weight

    def simple(self) -> Tree:
        first = self.peek()
        if first == "/":
            return self.path(_PATH)
        if first == "(":
            return self.parentheses()
        if first not in "!~$":
            self.expected("simple")
        self.at += 1
        return first

    def parentheses(self) -> Tree:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.expected(f"at most {MAX_DEPTH} nested parentheses")
        self.at += 1
        tree = self.tree()
        self.eat(")")
        self.depth -= 1
        return tree

    def path(self, pattern: re.Pattern[str]) -> str:
        """A path or, by another pattern, a prefix, with its labels in canonical form."""
        self.skip()
        found = pattern.match(self.text, self.at)
        if not found:
            self.expected("'/'")
        self.at = found.end()
        if self.peek() == "\\" or (self.peek() == "/" and found[0] != "/"):
            self.broken_label()
        return _canonical_labels(found[0]) if "\\" in found[0] else found[0]

    def broken_label(self) -> NoReturn:
        """Point at the character where a label had to begin or an escape, `\x2f`, to go on."""
        if self.ate("/") and self.peek() != "\\":
            self.expected("label char")
        self.eat("\\")
        self.eat("x")
        if self.peek() in string.hexdigits:
            self.at += 1
        self.expected("hex char")

    def peek(self) -> str:
        """The next character; at the end a space, which nothing in the language begins with."""
        return self.text[self.at] if self.at < len(self.text) else " "

    def skip(self) -> None:
        self.at = _SKIPPED.match(self.text, self.at).end()  # type: ignore[union-attr]

    def ate(self, char: str) -> bool:
        if not self.text.startswith(char, self.at):
            return False
        self.at += 1
        return True

    def eat(self, char: str) -> None:
        if not self.ate(char):
            self.expected(f"'{char}'")

    def end(self) -> None:
        self.skip()
        if self.at < len(self.text):
            self.expected("end of input")

    def expected(self, what: str, found: str | None = None) -> NoReturn:
        here = self.text[self.at : self.at + 1]
        found = found or (f"'{here}'" if here else "end of input")
        before, after = self.text[: self.at], self.text[self.at + 1 :]
        marked = f"{_end(before)}[{here}]{_beginning(after)}"
        raise GrammarError(f"{what} expected but {found} found at '{marked}'", self.at)


def _beginning(text: str) -> str:
    return f"{text[:SHOWN]}…" if len(text) > SHOWN else text


def _end(text: str) -> str:
    return f"…{text[-SHOWN:]}" if len(text) > SHOWN else text


def _canonical_labels(path: str) -> str:
    return "/" + "/".join(map(_canonical_label, path[1:].split("/")))


def _canonical_label(label: str) -> str:
    """A label of showable bytes as it reads; any other with every byte of it escaped."""
    content = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), label)
    if label == "*" or re.fullmatch(_PLAIN_LABEL, content):
        return content
    return "".join(f"\\x{ord(char):02x}" for char in content)


def parse(text: str) -> Dtab:
    """The entries of a table written as `/a => /b; /c => 3 * /d & 7 * /e`, or a GrammarError."""
    return _Parser(text).dtab()


def parse_dentry(text: str) -> Dentry:
    """Exactly one entry, a semicolon after it or not; a GrammarError for none or several."""
    entries = parse(text)
    if len(entries) != 1:
        raise GrammarError(
            f"one entry expected but {len(entries)} found in '{_beginning(text)}'", 0
        )
    return entries[0]


def parse_tree(text: str) -> Tree:
    """A destination such as `3 * /d & 7 * /e`, or a GrammarError."""
    parser = _Parser(text)
    tree = parser.tree()
    parser.end()
    return tree


def parse_path(text: str) -> str:
    """A path such as `/srv/world-v1` in canonical form, or a GrammarError."""
    return _only(text, _PATH)


def parse_prefix(text: str) -> str:
    """An entry's prefix such as `/svc/*` in canonical form, or a GrammarError."""
    return _only(text, _PREFIX)


def _only(text: str, pattern: re.Pattern[str]) -> str:
    parser = _Parser(text)
    path = parser.path(pattern)
    parser.end()
    return path


def labels(path: str) -> list[str]:
    """The labels of a canonical path or prefix; `/` has none."""
    return path[1:].split("/") if path != "/" else []


def show(dtab: Iterable[Dentry]) -> str:
    """The table in namerd's canonical text: `/a=>/b;/c=>3.00*/d & 7.00*/e`."""
    return ";".join([f"{prefix}=>{show_tree(dst)}" for prefix, dst in dtab])


def show_dentry(dentry: Dentry) -> str:
    """One entry as people write it: its canonical text with the arrow set off by spaces."""
    return f"{dentry.prefix} => {show_tree(dentry.dst)}"


def show_tree(tree: Tree) -> str:
    """A destination in namerd's canonical text."""
    if isinstance(tree, str):
        return tree
    if isinstance(tree, Alt):
        return " | ".join([_show_operand(each, Alt) for each in tree.trees])
    return " & ".join(map(_show_weighted, tree.branches))


def _show_operand(tree: Tree, *in_parentheses: type) -> str:
    text = show_tree(tree)
    return f"({text})" if isinstance(tree, in_parentheses) else text


def _show_weighted(branch: Weighted) -> str:
    operand = _show_operand(branch.tree, Union, Alt)
    return operand if branch.weight == 1 else f"{_two_decimals(branch.weight)}*{operand}"


_HUNDREDTH = Decimal("0.01")
_EXACT = Context(prec=400)  # a double's integer part has at most 309 digits


def _two_decimals(weight: float) -> str:
    if weight.is_integer() and weight < 1e16:
        return f"{int(weight)}.00"
    return format(_rounded(weight), "f")


def hundredths(weight: float) -> int:
    """A weight as namerd keeps it, with two decimals, in hundredths."""
    if weight.is_integer() and weight < 1e16:
        return int(weight) * 100
    return int(_rounded(weight).scaleb(2, _EXACT))


def _rounded(weight: float) -> Decimal:
    """As Java's `%.2f`: half up, on the shortest decimal that reads back as this double."""
    return Decimal(repr(weight)).quantize(_HUNDREDTH, ROUND_HALF_UP, _EXACT)


def canonical(text: str) -> str:
    """What namerd makes of a table's text, or a GrammarError."""
    return show(parse(text))


def same(one: Iterable[Dentry], other: Iterable[Dentry]) -> bool:
    """Whether two tables are one to namerd, which keeps two decimals of a weight."""
    return _settled(one) == _settled(other)


def _settled(dtab: Iterable[Dentry]) -> str:
    # A weight such as 1.001 shows as `1.00*` and, read back, as none: showing twice settles it.
    text = show(dtab)
    return canonical(text) if "1.00*" in text else text
