"""Time that passes, whatever is done to the machine's clock."""

import time


def seconds() -> float:
    """Of a clock that never goes back, and goes on while the machine sleeps where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
