"""The host of dynamic providers on a clock that only the resource's own pauses move.

Run as `python -u -m tests.harness.waits_alone ADDRESS`, in place of `pulumi.dynamic`. A deadline of
30 s then comes after pauses of 30 s in all, of which a hundredth is slept: how many attempts fit
into it does not depend on how busy the machine is, and what must fail fails soon.

Not for a test that waits for something outside, which takes the time it takes.
"""

import runpy
import threading
import time
from unittest import mock

from dynamic import waiting

SLEPT = 0.01
"""The part of each pause that passes in truth."""


class Clock:
    """What `dynamic.waiting` takes of the module `time`; each thread has a time of its own.

    An operation waits in one thread, and another's pauses must not use up its deadlines.
    """

    def __init__(self) -> None:
        self._paused = threading.local()

    def monotonic(self) -> float:
        """The seconds for which this thread has paused so far."""
        seconds: float = getattr(self._paused, "seconds", 0.0)
        return seconds

    def sleep(self, seconds: float) -> None:
        """Pause this thread."""
        time.sleep(seconds * SLEPT)
        self._paused.seconds = self.monotonic() + seconds


if __name__ == "__main__":
    with mock.patch.object(waiting, "time", Clock()):
        runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
