"""Progress on standard error: one line a step, and a live line for whatever takes long.

On a terminal the live line is redrawn in place; elsewhere, as in a log, it is printed each minute.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

SILENT_SECONDS = 2.0
"""How long a wait may take before it is shown."""

REPEAT_SECONDS = 60.0
"""How often a wait is shown where its line cannot be redrawn."""


def say(text: str) -> None:
    """Print one line of progress."""
    _display.print(text)


@contextmanager
def step(what: str, *, live: bool = True) -> Iterator["Activity"]:
    """Name a step that may take a while, show that it goes on, and say how long it took.

    `live=False` leaves the terminal to a program that draws on it itself.
    """
    started = time.monotonic()
    say(f"… {what}")
    if live:
        with activity(what, named=True) as shown:
            yield shown
    else:
        yield Activity(what)
    say(f"  done in {time.monotonic() - started:.1f} s")


@contextmanager
def activity(what: str, *, named: bool = False) -> Iterator["Activity"]:
    """Show what goes on in the block, with the time gone, if it takes more than SILENT_SECONDS.

    `named` says that a line of its own has announced it already. Activities may be nested, and may
    be in several threads: the one that began last is shown.
    """
    shown = Activity(what, named)
    try:
        _display.add(shown)
        yield shown
    finally:
        _display.remove(shown)


class Activity:
    """Something that takes a while."""

    def __init__(self, what: str, named: bool = False) -> None:
        self.what = what
        self.status: Callable[[], str] = str
        """How far it is, asked whenever its line is shown; may be set at any time."""
        self.started = time.monotonic()
        self.due = self.started + (REPEAT_SECONDS if named else SILENT_SECONDS)
        """When its next line is printed where lines are not redrawn."""

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.started

    def line(self) -> str:
        """All about it in one line."""
        return f"{': '.join(filter(None, [self.what, self.status()]))} ({duration(self.seconds)})"


def duration(seconds: float) -> str:
    """Such as `8 s` or `2 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class _Display:
    """The one place where lines of progress are written, by however many threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._activities: list[Activity] = []
        self._live: Live | None = None
        self._ended = threading.Event()

    def print(self, text: str) -> None:
        with self._lock:
            if self._live is None:
                print(text, file=sys.stderr, flush=True)
            else:
                self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def add(self, shown: Activity) -> None:
        with self._lock:
            self._activities.append(shown)
            if len(self._activities) == 1:
                self._begin()

    def remove(self, shown: Activity) -> None:
        with self._lock:
            if shown in self._activities:
                self._activities.remove(shown)
            if not self._activities:
                self._ended.set()
                if self._live is not None:
                    self._live.stop()
                    self._live = None

    def _begin(self) -> None:
        # rich itself takes a pipe for a terminal where FORCE_COLOR is set; a log is none.
        console = Console(stderr=True, force_terminal=None if sys.stderr.isatty() else False)
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(
                get_renderable=_Redrawn(console, self._current),
                console=console,
                transient=True,
                refresh_per_second=5,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        else:
            self._ended = threading.Event()
            threading.Thread(target=self._repeat, args=[self._ended], daemon=True).start()

    def _current(self) -> Activity | None:
        activities = self._activities[-1:]
        return activities[0] if activities else None

    def _repeat(self, ended: threading.Event) -> None:
        """Print a line about the current activity whenever one is due."""
        while not ended.wait(0.1):
            shown = self._current()
            if shown is not None and time.monotonic() >= shown.due:
                shown.due = time.monotonic() + REPEAT_SECONDS
                self.print(f"  … {shown.line()}")


class _Redrawn:
    """The current activity beside a spinner, cut to the terminal's width; nothing at first."""

    def __init__(self, console: Console, current: Callable[[], Activity | None]) -> None:
        self._console, self._current = console, current
        self._spinner = Spinner("dots")

    def __call__(self) -> Spinner | Text:
        shown = self._current()
        if shown is None or shown.seconds < SILENT_SECONDS:
            return Text("")
        text = Text(shown.line())
        text.truncate(self._console.width - 3, overflow="ellipsis")
        self._spinner.update(text=text)
        return self._spinner


_display = _Display()
