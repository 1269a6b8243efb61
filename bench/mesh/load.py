"""Load by fortio, after a warm-up that is seen to have ended."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bench.mesh import processes
from bench.mesh.figures import Row
from local.binaries import BUILD
from local.cache import go_build
from local.errors import LocalError

CONNECTIONS = 8
SECONDS = 10.0
"""How long each figure is measured."""

WINDOW = 2.0
"""Seconds of one stretch of the warm-up."""

STEADY, SPREAD = 3, 0.08
"""The warm-up is over when so many stretches in a row differ by no more than this share."""

MOST_WINDOWS = 30
"""After so many the figure is measured all the same, and marked."""

FORTIO = "fortio.org/fortio"


def fortio() -> Path:
    """The program, built once."""
    return go_build("fortio", BUILD / "fortio", [FORTIO]) / "fortio"


@dataclass(frozen=True)
class Route:
    """Where requests are sent, and the processes that pass them on."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    linkerds: Sequence[int] = ()
    """Process ids."""


@dataclass(frozen=True)
class Result:
    """What fortio says of one run. Latencies are milliseconds."""

    requests: int
    rate: float
    p50: float
    p95: float
    p99: float


class Place(Protocol):
    """Where a load runs."""

    def run(self, command: Sequence[str | Path]) -> "subprocess.CompletedProcess[str]":
        """Run a program there to its end."""
        ...


def arguments(route: Route, seconds: float) -> list[str]:
    """fortio's: as many requests as fit, on a fixed number of connections that are kept."""
    headers = [part for name, value in route.headers.items() for part in ("-H", f"{name}: {value}")]
    return [
        "load",
        "-quiet",
        "-json=-",
        f"-c={CONNECTIONS}",
        "-qps=0",
        f"-t={seconds:g}s",
        "-p=50,95,99",
        "-r=0.0001",
        "-timeout=30s",
        "-allow-initial-errors",
        *headers,
        route.url,
    ]


def parse(text: str) -> Result:
    """What fortio wrote; a LocalError if a request failed, or none was sent."""
    try:
        # In a pod's log lines of fortio's own, each an object, may stand around it.
        said: Mapping[str, Any] = next(each for each in _objects(text) if "RetCodes" in each)
        codes: Mapping[str, int] = said["RetCodes"]
        histogram = said["DurationHistogram"]
        requests = int(histogram["Count"])
        at = {each["Percentile"]: each["Value"] * 1000 for each in histogram["Percentiles"] or ()}
        rate = float(said["ActualQPS"])
    except (StopIteration, ValueError, KeyError, TypeError):
        raise LocalError(f"fortio gave no result: {text.strip()[-300:]!r}") from None
    if not requests or set(codes) != {"200"}:
        counted = ", ".join(f"{count} × {code}" for code, count in sorted(codes.items()))
        raise LocalError(f"the load failed: {counted or 'no request'} instead of 200 alone")
    return Result(requests, rate, at[50], at[95], at[99])


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that begin at the start of a line."""
    decoder = json.JSONDecoder()
    for found in re.finditer(r"^\{", text, re.M):
        with suppress(ValueError):
            yield decoder.raw_decode(text, found.start())[0]


def steady(seen: Sequence[float]) -> bool:
    """Whether the last stretches differ by no more than a few percent."""
    last = seen[-STEADY:]
    return len(last) == STEADY and max(last) - min(last) <= SPREAD * max(last)


def warm_up(stretch: Callable[[], float]) -> tuple[int, bool]:
    """Run stretches until they are steady; how many, and whether they were."""
    seen: list[float] = []
    while len(seen) < MOST_WINDOWS:
        seen.append(stretch())
        if steady(seen):
            return len(seen), True
    return len(seen), False


def measure(fortio: Path, place: Place, name: str, route: Route, seconds: float) -> Row:
    """The figures of one path.

    Whether it is warm is told by the CPU that a request takes, which other work on the machine
    moves less than the rate; without a linkerd by the rate.
    """

    def run(length: float) -> tuple[Result, float]:
        before = processes.cpu_seconds(route.linkerds)
        done = place.run([fortio, *arguments(route, length)])
        result = parse(done.stdout)
        used = processes.cpu_seconds(route.linkerds) - before
        return result, 1000 * used / result.requests

    def stretch() -> float:
        result, cost = run(WINDOW)
        return cost if route.linkerds else result.rate

    stretches, warm = warm_up(stretch)
    result, cost = run(seconds)
    return Row(
        name=name,
        rate=result.rate,
        p50=result.p50,
        p95=result.p95,
        p99=result.p99,
        cpu=cost if route.linkerds else None,
        resident=processes.resident_mib(route.linkerds) if route.linkerds else None,
        warm_up=stretches * WINDOW,
        warm=warm,
    )
