"""Looking at a split once, or again and again."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from canary import as_json, findings, overview, screen
from canary.counters import measured
from canary.counters.measured import Traffic
from canary.counters.reading import Seen
from canary.findings import Finding
from canary.overview import ClusterView, StackView
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
        known = overview.of_stack(cli, folder, service)
    with overview.api_of(known.split) as api:
        cluster = overview.of_cluster(api, known.split)
        traffic = measured.now(cluster.seen, cluster.names)
        if how.seconds:
            first = cluster.seen
            time.sleep(how.seconds)
            cluster = _after(api, known, first)
            traffic = measured.between(first, cluster.seen, cluster.names)
    shown = Shown.of(known, cluster, traffic)
    print(shown.json(indent=2) if how.as_json else "\n".join(shown.lines))
    return shown.exit_code


def _after(api: Api, known: StackView, first: Seen) -> ClusterView:
    """The next look, or where Prometheus shows the same scrapes still, one at the next ones."""
    end = time.monotonic() + 2 * (first.every or 0)
    while True:
        cluster = overview.of_cluster(api, known.split)
        if cluster.seen.is_after(first) or time.monotonic() > end:
            return cluster
        time.sleep(1)


def watch(stack: str | None, service: str | None, folder: Path, how: How) -> int:
    """Show looks until the time is up; the exit code of the last one. Raises CanaryError."""
    end = time.monotonic() + how.seconds if how.seconds else float("inf")
    with Cli(stack) as cli, _display(how) as display:
        known = Known(cli, folder, service)
        with overview.api_of(known.view.split) as api:
            past = Past()
            while True:
                shown = _look(api, known.view, past)
                display.show(shown)
                if time.monotonic() + LOOK_SECONDS > end:
                    return shown.exit_code
                time.sleep(LOOK_SECONDS)
                known.renew()


def _look(api: Api, known: StackView, past: "Past") -> Shown:
    cluster = overview.of_cluster(api, known.split)
    return Shown.of(known, cluster, past.take(cluster), past.trends(cluster))


class Known:
    """What Pulumi and git know, asked again in the background once it is old."""

    def __init__(self, cli: Cli, folder: Path, service: str | None) -> None:
        self._cli, self._folder, self._service = cli, folder, service
        self.view = overview.of_stack(cli, folder, service)
        self._at = time.monotonic()
        self._asked: Future[StackView] | None = None

    def renew(self) -> None:
        """Take what has been found in the meantime. Raises CanaryError."""
        if self._asked is not None and self._asked.done():
            self.view, self._asked = self._asked.result(), None
            self._at = time.monotonic()
        if self._asked is None and time.monotonic() - self._at > STACK_SECONDS:
            self._asked = self._cli.background(
                lambda: overview.of_stack(self._cli, self._folder, self._service)
            )


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


class _Lines:
    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def show(self, shown: Shown) -> None:
        print(shown.json(indent=None) if self._as_json else shown.line, flush=True)


@contextmanager
def _display(how: How) -> Iterator[Display]:
    """A screen that is drawn anew on a terminal, and lines elsewhere."""
    if how.as_json or not sys.stdout.isatty():
        yield _Lines(how.as_json)
        return
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with Live(auto_refresh=False) as live:

        class Screen:
            def show(self, shown: Shown) -> None:
                head = f"{shown.now.astimezone():%H:%M:%S}"
                live.update(Text("\n".join([head, *shown.lines])), refresh=True)

        yield Screen()
