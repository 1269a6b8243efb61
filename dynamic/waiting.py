"""Waits that end: deadlines, and questions repeated until something answers."""

import os
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from kube.errors import (
    CutShortError,
    KubeconfigError,
    OneLineError,
    TimedOutError,
    UnavailableError,
    UnreachableError,
    UntrustedError,
)

T = TypeVar("T")

UP_SECONDS = 30.0
"""How long a program may take to come up before a request that is safe to repeat gives up."""

ABSENT_SECONDS = 5.0
"""How long refresh and destroy wait for a namerd, or a cluster, that does not answer."""

UNANSWERED = (UnreachableError, TimedOutError, CutShortError, UnavailableError)
"""After these nobody knows whether a write was applied; reading tells."""

UNREACHED = (*UNANSWERED, UntrustedError, KubeconfigError)
"""What a cluster's end looks like; so does a VPN that is down."""

GONE = "PULUMI_K8S_DELETE_UNREACHABLE"
"""What Pulumi's kubernetes plugin heeds: at "true", what cannot be reached is taken for gone."""


def is_taken_for_gone() -> bool:
    """Whether whoever runs the command says that a cluster which cannot be reached is gone."""
    return os.environ.get(GONE) == "true"


def patience() -> float:
    """What every wait is multiplied by: `LINKERD_CANARY_PATIENCE`, 1 where it is not set."""
    try:
        factor = float(os.environ.get("LINKERD_CANARY_PATIENCE") or 1)
    except ValueError:
        factor = 1.0
    return factor if 0 < factor < 1000 else 1.0


class Deadline:
    """The end of a wait of so many seconds, times `patience()`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds * patience()
        self.restart()

    def restart(self) -> None:
        """Begin the wait anew."""
        self._end = time.monotonic() + self.seconds

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._end

    def attempts(self, first: float = 0.03, longest: float = 0.5) -> Iterator[None]:
        """Once at once, then after longer and longer pauses until the deadline is over."""
        pause = first
        yield
        while not self.over:
            time.sleep(min(pause, max(self._end - time.monotonic(), 0)))
            pause = min(pause * 1.5, longest)
            yield


def until_up(ask: Callable[[], T], deadline: Deadline) -> T:
    """What `ask` returns, tried again while nobody answers or the program is not up.

    For what is safe to repeat. Raises the last error, naming the time.
    """
    last: OneLineError | None = None
    for _ in deadline.attempts():
        try:
            return ask()
        except UNANSWERED as error:
            last = error
    assert last is not None  # noqa: S101  # there is at least one attempt
    raise type(last)(f"{last}; gave up after {deadline.seconds:g} s")
