"""Rollouts of simulated traffic: the journals that the real code writes of them, in no time.

Each linkerd counts requests whose version, failures and times are drawn at random, and shows them
on pages as linkerd 1.7.5 does. Everything from reading a page on is what `canary run` does; only
clock, table and network are left out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from canary.analysis import differences
from canary.analysis.differences import Differences
from canary.analysis.strata import Reading
from canary.counters import measured, page
from canary.counters.page import Expression
from canary.counters.reading import Seen, Unread
from canary.rollout.events import Begun, Event, InForce, Looked, Shown, Wish, Wished
from canary.rollout.journal import Header, Journal
from canary.rollout.machine import Rollout
from canary.rollout.phase import Action, End, Look, SetWeight
from canary.rollout.plan import Plan
from tests.harness import counters

BEGAN = 1795680829.0
"""Seconds since 1970: 2026-11-26 08:13:49 UTC."""

WHO = "anna@ws7"
WRITE_SECONDS = 3.0
_NAMES = (f"/{counters.WORLD}-v1", f"/{counters.WORLD}-v2")
_CLIENTS = tuple(counters.DAEMONSET + name.removeprefix("/") for name in _NAMES)

AtWeight = Callable[[float, float], float]
"""A number by the seconds since the beginning and the weight in force in percent."""


@dataclass(frozen=True)
class Traffic:
    """What callers do, and how the two versions answer."""

    per_second: AtWeight = lambda _, __: 60
    """Over all linkerds."""
    baseline_fails: AtWeight = lambda _, __: 0.002
    """0 to 1."""
    canary_fails: AtWeight = lambda _, __: 0.002
    canary_slower: float = 1
    """How many times the baseline's time it takes, whose median is 20 ms."""
    nodes: int = 3
    restarts: Sequence[tuple[float, int]] = ()
    """After so many seconds, this node's linkerd."""
    silent: Callable[[float, int], bool] = lambda _, __: False
    """Whether a node's linkerd does not answer then."""


@dataclass
class _Linkerd:
    node: int
    requests: list[int] = field(default_factory=lambda: [0, 0])
    failures: list[int] = field(default_factory=lambda: [0, 0])
    windows: list[NDArray[np.float64]] = field(default_factory=lambda: [np.empty(0)] * 2)
    starts: int = 0

    def restart(self) -> None:
        self.requests, self.failures = [0, 0], [0, 0]
        self.starts += 1

    def page(self) -> str:
        versions = [self._version(which) for which in (0, 1) if self.requests[which]]
        return counters.page(*versions, started=1764143000000.0 + self.starts)

    def _version(self, which: int) -> str:
        times = self.windows[which]
        return counters.version(
            _CLIENTS[which],
            self.requests[which],
            self.failures[which],
            window=_of_window(times) if len(times) else None,
            window_count=len(times),
        )


def _of_window(times: NDArray[np.float64]) -> dict[str, int]:
    """The order statistics that linkerd shows as quantiles."""
    ordered, count = np.sort(np.round(times)), len(times)
    parts = {part: math.floor(float(part) * count + 0.5) for part in counters.QUANTILES}
    return {part: int(ordered[min(count, max(1, rank)) - 1]) for part, rank in parts.items()}


class _World:
    """The traffic since the beginning, and what the linkerds have counted of it."""

    def __init__(self, traffic: Traffic, seed: int) -> None:
        self._traffic, self._chance = traffic, np.random.default_rng(seed)
        self._linkerds = [_Linkerd(node) for node in range(traffic.nodes)]
        self._restarts = sorted(traffic.restarts)
        self.seconds, self.weight = 0.0, 0.0

    def go_on(self, seconds: float) -> None:
        """Let time pass, a whole window at most at a time."""
        while seconds > 0:
            part = min(seconds, page.WINDOW_SECONDS)
            for linkerd in self._linkerds:
                self._count(linkerd, part)
            self.seconds += part
            seconds -= part
            while self._restarts and self._restarts[0][0] <= self.seconds:
                self._linkerds[self._restarts.pop(0)[1]].restart()

    def _count(self, linkerd: _Linkerd, seconds: float) -> None:
        traffic, chance, at = self._traffic, self._chance, (self.seconds, self.weight)
        attempts = chance.poisson(traffic.per_second(*at) * seconds / traffic.nodes)
        canary = int(chance.binomial(attempts, self.weight / 100))
        rates = (traffic.baseline_fails(*at), traffic.canary_fails(*at))
        for which, number in enumerate((int(attempts) - canary, canary)):
            linkerd.requests[which] += number
            linkerd.failures[which] += int(chance.binomial(number, rates[which]))
            slower = traffic.canary_slower if which else 1
            linkerd.windows[which] = slower * chance.lognormal(np.log(20), 0.5, number)

    def seen(self) -> Seen:
        """One look at all linkerds."""
        expression = Expression(["outgoing"], _NAMES, lambda _, service: service == "svc/world")
        readings, unread = [], []
        for linkerd in self._linkerds:
            name = f"node-{linkerd.node + 1}"
            if self._traffic.silent(self.seconds, linkerd.node):
                unread.append(Unread(name, "it does not answer"))
                continue
            text = linkerd.page()
            versions = expression.versions(text)
            readings.append(Reading(name, self.seconds, page.started(text), versions))
        return Seen(self.seconds, tuple(readings), tuple(unread))


class _Driver:
    """As canary.rollout.driver, without waiting."""

    def __init__(self, plan: Plan, world: _World) -> None:
        self.rollout, self.events, self._world = Rollout.of(plan), list[Event](), world
        self._differences = Differences(plan.limits, *_NAMES)
        self._update = 40

    @property
    def now(self) -> float:
        return BEGAN + self._world.seconds

    def take(self, event: Event) -> Action:
        self.events.append(event)
        taken = self.rollout.take(event)
        self.rollout = taken.rollout
        return taken.action

    def write(self, weight: float) -> Event:
        self._world.go_on(WRITE_SECONDS)
        self._world.weight = weight
        self._update += 1
        self._differences = self._differences.begin()
        self._look()
        return InForce(self.now, weight, self._update)

    def look(self, seconds: float) -> Event:
        self._world.go_on(seconds)
        seen, look = self._look()
        shown = measured.now(seen, _NAMES).by_name
        latencies = [
            None if each.median_ms is None else Shown(each.median_ms, each.high_ms, each.high)
            for each in (shown[name] for name in _NAMES)
        ]
        left_out = {node: str(why) for node, why in look.left_out.items()}
        return Looked(self.now, look.strata, left_out, look.unread, *latencies)

    def _look(self) -> tuple[Seen, differences.Look]:
        seen = self._world.seen()
        nodes = [each.node for each in seen.readings] + [each.node for each in seen.unread]
        self._differences, look = self._differences.look(seen.readings, nodes)
        return seen, look


def rollout(
    plan: Plan, traffic: Traffic, wishes: Sequence[tuple[float, Wish]] = (), seed: int = 1
) -> Journal:
    """The journal of a rollout, with what operators wish after so many seconds."""
    world = _World(traffic, seed)
    world.go_on(page.WINDOW_SECONDS)
    world.seconds = 0
    driver, left = _Driver(plan, world), list(wishes)
    action = driver.take(Begun(driver.now, 0))
    while not isinstance(action, End):
        if left and world.seconds >= left[0][0]:
            action = driver.take(Wished(driver.now, left.pop(0)[1], WHO))
        elif isinstance(action, SetWeight):
            action = driver.take(driver.write(action.weight))
        else:
            assert isinstance(action, Look)
            action = driver.take(driver.look(action.seconds))
    images = {
        plan.baseline: ["7d9f6c5b8 registry.example.com/world:1.4.2"],
        plan.canary: ["59c8d7f66 registry.example.com/world:1.5.0"],
    }
    header = Header("20261126T081349Z", "prod", plan, WHO, "3cdd923", images)
    path = Path("/clone/.canary/prod/20261126T081349Z.jsonl")
    return Journal(path, header, tuple(driver.events))
