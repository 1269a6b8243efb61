"""Looking at a split once, or again and again."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from canary import as_json, findings, live, overview, screen
from canary.counters import measured
from canary.counters.measured import Traffic
from canary.counters.reading import Seen
from canary.errors import CanaryError
from canary.findings import Finding
from canary.overview import ClusterView, StackView, Tables
from canary.stack.cli import Cli
from kube.api import Api

LOOK_SECONDS = 2.0
SPAN_SECONDS = 60.0
"""How far back a watch's numbers reach."""

STACK_SECONDS = 10.0
"""How old a watch's view of the stack may be: it takes commands, which are slow."""

_TRENDS = 15
"""Looks that the trend of a rate shows."""


@dataclass(frozen=True)
class How:
    """How to look."""

    seconds: float
    """How long; 0 for one look, or without an end."""
    as_json: bool


@dataclass(frozen=True)
class Shown:
    """A look, and what is to be said of it."""

    stack: StackView
    cluster: ClusterView
    traffic: Traffic
    findings: list[Finding]
    now: datetime
    trends: Mapping[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        stack: StackView,
        cluster: ClusterView,
        traffic: Traffic,
        trends: Mapping[str, list[float]] | None = None,
    ) -> "Shown":
        """With what is found now."""
        now = datetime.now(UTC)
        found = findings.of(stack, cluster, traffic, now)
        return cls(stack, cluster, traffic, found, now, trends or {})

    @property
    def exit_code(self) -> int:
        """That of the command."""
        return findings.verdict(self.findings)

    @property
    def lines(self) -> list[str]:
        """As a screen."""
        return screen.lines(self.stack, self.cluster, self.traffic, self.findings, self.trends)

    @property
    def line(self) -> str:
        """As one line, with the time of day."""
        said = screen.one_line(self.stack, self.cluster, self.traffic, self.findings)
        return f"{self.now.astimezone():%H:%M:%S} {said}"

    def json(self, indent: int | None) -> str:
        """As JSON."""
        found = as_json.document(self.stack, self.cluster, self.traffic, self.findings, self.now)
        return json.dumps(found, indent=indent, ensure_ascii=False)


def once(stack: str | None, service: str | None, folder: Path, how: How) -> int:
    """Print one look; the exit code. Raises CanaryError."""
    with Cli(stack) as cli:
        known = Known(cli, folder, service)
        with overview.api_of(known.view.split) as api:
            cluster = _cluster(api, known)
            if how.seconds:
                cluster, traffic = _measured(api, known, cluster, how.seconds)
            else:
                traffic = measured.now(cluster.seen, cluster.names)
    shown = Shown.of(known.view, cluster, traffic)
    print(shown.json(indent=2) if how.as_json else "\n".join(shown.lines))
    return shown.exit_code


def _measured(
    api: Api, known: "Known", first: ClusterView, seconds: float
) -> tuple[ClusterView, Traffic]:
    """The look after so many seconds under the same weights, and the traffic until then."""
    while True:
        time.sleep(seconds)
        known.ask()
        cluster = _after(api, known, first.seen)
        if cluster.by_way == first.by_way:
            return cluster, measured.between(first.seen, cluster.seen, cluster.names)
        print("The weights were changed meanwhile: measuring anew.", file=sys.stderr, flush=True)
        first = cluster


def _after(api: Api, known: "Known", first: Seen) -> ClusterView:
    """The next look, or where Prometheus shows the same scrapes still, one at the next ones."""
    end = time.monotonic() + 2 * (first.every or 0)
    while True:
        cluster = _cluster(api, known)
        if cluster.seen.is_after(first) or time.monotonic() > end:
            return cluster
        time.sleep(1)


def _cluster(api: Api, known: "Known", *, is_watch: bool = False) -> ClusterView:
    """The cluster, and `known.view` as it is by then. Raises CanaryError.

    A table that an update of this stack wrote, and is not the one that the stack was seen with, may
    be of an update that has ended since. If the update has not, or failed, asking again at each
    look would only slow a watch down.
    """
    cluster = overview.of_cluster(api, known.view.split)
    if cluster.agrees or not cluster.is_own or known.was_asked_about(cluster):
        return cluster
    try:
        known.ask_about(cluster)
    except CanaryError:
        if not is_watch:
            raise
        return cluster  # the watch asks again in the background, and tells if that fails too
    return overview.of_cluster(api, known.view.split)


def watch(stack: str | None, service: str | None, folder: Path, how: How) -> int:
    """Show looks until the time is up; the exit code of the last one.

    Raises CanaryError where the first one fails.
    """
    end = time.monotonic() + how.seconds if how.seconds else float("inf")
    with Cli(stack) as cli, display(how) as shown_on:
        known = Known(cli, folder, service)
        with overview.api_of(known.view.split) as api:
            past = Past()
            shown = _look(api, known, past)
            shown_on.show(shown)
            code = shown.exit_code
            while time.monotonic() + LOOK_SECONDS <= end:
                time.sleep(LOOK_SECONDS)
                code = _look_again(shown_on, api, known, past)
    return code


def _look_again(shown_on: "Display", api: Api, known: "Known", past: "Past") -> int:
    """The exit code of one look more: what fails may be over at the next one."""
    try:
        known.renew()
        shown = _look(api, known, past)
    except CanaryError as error:
        shown_on.tell(f"{datetime.now():%H:%M:%S} Not seen: {error}")
        return error.code
    shown_on.show(shown)
    return shown.exit_code


def _look(api: Api, known: "Known", past: "Past") -> Shown:
    cluster = _cluster(api, known, is_watch=True)
    return Shown.of(known.view, cluster, past.take(cluster), past.trends(cluster))


class Known:
    """What Pulumi and git know, asked again in the background once it is old."""

    def __init__(self, cli: Cli, folder: Path, service: str | None) -> None:
        self._cli, self._folder, self._service = cli, folder, service
        self._asked: Future[StackView] | None = None
        self._asked_about: Sequence[str] = ()
        self.ask()

    def ask(self) -> None:
        """Have it as it is now. Raises CanaryError."""
        self._have(self._now())
        self._asked = None  # which is older

    def ask_about(self, tables: Tables) -> None:
        """The same, because of what the tables say. Raises CanaryError."""
        self._asked_about = tables.versions
        self.ask()

    def was_asked_about(self, tables: Tables) -> bool:
        """Whether `ask_about` was called for the tables as they are, whatever came of it."""
        return self._asked_about == tables.versions

    def renew(self) -> None:
        """Take what has been found in the meantime. Raises CanaryError."""
        if self._asked is not None and self._asked.done():
            asked, self._asked = self._asked, None
            self._at = time.monotonic()  # where it failed too: then it is asked again later
            self._have(asked.result())
        if self._asked is None and time.monotonic() - self._at > STACK_SECONDS:
            self._asked = self._cli.background(self._now)

    def _now(self) -> StackView:
        return overview.of_stack(self._cli, self._folder, self._service)

    def _have(self, view: StackView) -> None:
        self.view, self._at = view, time.monotonic()


class Past:
    """The looks of the last minute under the weights in force."""

    def __init__(self) -> None:
        self._looks: deque[Seen] = deque()
        self._weights: object = None

    def take(self, cluster: ClusterView) -> Traffic:
        """The traffic since the oldest of them; by one look alone, that of its windows."""
        if cluster.in_force != self._weights:
            self._looks.clear()
            self._weights = cluster.in_force
        if not self._looks or cluster.seen.is_after(self._looks[-1]):
            self._looks.append(cluster.seen)
        while len(self._looks) > 1 and cluster.seen.at - self._looks[0].at > SPAN_SECONDS:
            self._looks.popleft()
        if len(self._looks) == 1:
            return measured.now(cluster.seen, cluster.names)
        return measured.between(self._looks[0], cluster.seen, cluster.names)

    def trends(self, cluster: ClusterView) -> dict[str, list[float]]:
        """Requests a second by version, from look to look."""
        looks = list(self._looks)[-_TRENDS - 1 :]
        steps = [measured.between(one, other, cluster.names) for one, other in pairwise(looks)]
        return {
            version: [step.by_name[name].per_second for step in steps]
            for name, version in cluster.names.items()
        }


class Display(Protocol):
    """Where looks are shown."""

    def show(self, shown: Shown) -> None:
        """Show one in place of the one before, or after it."""

    def tell(self, text: str) -> None:
        """Say why there is none this time."""


class _Lines:
    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def show(self, shown: Shown) -> None:
        print(shown.json(indent=None) if self._as_json else shown.line, flush=True)

    def tell(self, text: str) -> None:
        # Who reads JSON reads nothing else there.
        print(text, file=sys.stderr if self._as_json else sys.stdout, flush=True)


@contextmanager
def display(how: How) -> Iterator[Display]:
    """A screen that is drawn anew on a terminal, and lines elsewhere."""
    if how.as_json or not live.is_possible():
        yield _Lines(how.as_json)
        return
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with Live(auto_refresh=False) as drawn:

        class Screen:
            def __init__(self) -> None:
                self._lines: list[str] = []

            def show(self, shown: Shown) -> None:
                self._lines = [f"{shown.now.astimezone():%H:%M:%S}", *shown.lines]
                self._draw(self._lines)

            def tell(self, text: str) -> None:
                self._draw([*self._lines, text])

            def _draw(self, lines: list[str]) -> None:
                drawn.update(Text("\n".join(lines)), refresh=True)

        yield Screen()
