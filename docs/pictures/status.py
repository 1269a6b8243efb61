"""A picture of `canary status --watch` on a stack that runs, as its last look shows it.

`python -m docs.pictures.status`, with the stack selected and traffic on it, watches for a while and
writes status.svg.
"""

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from local.paths import ROOT
from tests.harness.terminal import on_terminal

SECONDS = 45
COMMAND = "python -m canary status --watch"
PATH = Path(__file__).with_name("status.svg")

_ERASED = "\x1b[2K"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")

# A picture in a page may fetch no font: the browser's own is taken.
_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)

_THEME = TerminalTheme(
    (22, 27, 34),
    (214, 221, 230),
    [(0, 0, 0), (255, 123, 114), (63, 185, 80), (210, 153, 34),
     (121, 192, 255), (188, 140, 255), (57, 197, 207), (214, 221, 230)],
)  # fmt: skip


def last_look(shown: str) -> str:
    """The last screen of what a watch has drawn, each over the one before."""
    lines = _CONTROL.sub("", shown.rpartition(_ERASED)[2]).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def svg(screen: str) -> str:
    """A terminal with this on it."""
    width = max(map(len, screen.splitlines()))
    console = Console(record=True, width=width, file=io.StringIO(), legacy_windows=False)
    console.print(Text(screen), soft_wrap=True)
    drawn = console.export_svg(title=COMMAND, theme=_THEME, unique_id="status")
    return _FONT.sub("", drawn)


def main() -> int:
    """Watch, and draw."""
    command = [sys.executable, *COMMAND.split()[1:], "--for", str(SECONDS)]
    with on_terminal(command, ROOT, {"COLUMNS": "150", "LINES": "40"}) as terminal:
        try:
            terminal.wait(SECONDS + 60)
        except subprocess.TimeoutExpired:
            print(terminal.shown)
            return 1
    PATH.write_text(svg(last_look(terminal.shown)), encoding="utf-8")
    print(PATH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
