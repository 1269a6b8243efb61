"""What an operator sees of a rollout: lines with the time, and on a terminal what moves below."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from canary import figures, live, screen
from canary.counters import measured
from canary.overview import ClusterView, StackView
from canary.rollout import wording
from canary.rollout.machine import Rollout, Taken


class Display(Protocol):
    """Where a rollout is shown."""

    def show(self, taken: Taken, stack: StackView, cluster: ClusterView | None, /) -> None:
        """Show what an event has come to."""


class _Lines:
    def show(self, taken: Taken, _: StackView, __: ClusterView | None, /) -> None:
        for line in taken.lines:
            print(f"{datetime.now():%H:%M:%S} {line.text}", flush=True)


def silence() -> None:
    """Say nothing from here on: nobody reads it, and each write would fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@contextmanager
def display() -> Iterator[Display]:
    """A screen on a terminal, and lines elsewhere."""
    if not live.is_possible():
        yield _Lines()
        return
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with Live(auto_refresh=False, transient=True) as drawn:

        class Screen:
            def show(self, taken: Taken, stack: StackView, cluster: ClusterView | None, /) -> None:
                for line in taken.lines:
                    time = f"{datetime.now():%H:%M:%S}"
                    style = "yellow" if line.warns else ""
                    drawn.console.print(Text(f"{time} {line.text}", style=style))
                drawn.update(Text("\n".join(below(stack, taken.rollout, cluster))), refresh=True)

        yield Screen()


def below(stack: StackView, rollout: Rollout, cluster: ClusterView | None) -> list[str]:
    """What is drawn anew at each look."""
    if cluster is None:
        return [steps(rollout)]
    traffic = measured.now(cluster.seen, cluster.names)
    rows = screen.lines(stack, cluster, traffic, [])
    return [steps(rollout), *rows, *evidence(rollout)]


def steps(rollout: Rollout) -> str:
    """`step 3/6   10 %   ✔1 ✔5 ▶10 ·25 ·50 ·100   Progressing`"""
    marks = [
        f"{'✔' if i < rollout.step else '▶' if i == rollout.step else '·'}{step:g}"
        for i, step in enumerate(rollout.plan.steps)
    ]
    now = figures.percent(rollout.weight)
    number = f"step {rollout.step + 1}/{len(rollout.plan.steps)}"
    return f"{number}   {now}   {' '.join(marks)}   {rollout.phase}"


def evidence(rollout: Rollout) -> list[str]:
    """How far each test is from its limit."""
    if rollout.step < 0 or rollout.phase.goes_back:
        return []
    found = [
        f"{check.name} against {check.against} {wording.evidence(check.evidence)}"
        f"{' (as the baseline)' if check.shared else ''}"
        for check in rollout.analysis.verdict().checks
    ]
    limit = wording.evidence(rollout.plan.limits.evidence_limit)
    return [f"evidence of {limit}: {', '.join(found)}"]
