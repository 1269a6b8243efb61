"""What a config value that cannot be used raises, and how its line quotes what was given."""

from kube.errors import printable

_LONGEST = 300
"""Characters of a value that a line quotes: more than a name may have."""


class SettingsError(Exception):
    """A config value that cannot be used: its key, the value, what is allowed.

    One line, whatever characters keys and names have.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def quoted(value: object) -> str:
    """A value in a line: as Python writes it, and its beginning where it is long."""
    return shortened(repr(value))


def shortened(text: str) -> str:
    """A text, and only its beginning where it is longer than a line quotes."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
