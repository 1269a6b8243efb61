"""Reading what a command is given."""

import sys
from pathlib import Path

from canary.errors import CanaryError


def text(name: str) -> str:
    """The text of a file, or of standard input for `-`. Raises CanaryError."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise CanaryError(f"cannot read {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CanaryError(f"{name} is no text") from None
