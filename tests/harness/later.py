"""The host of dynamic providers at another time: certificates are judged so many days from now.

Run as `python -u -m tests.harness.later ADDRESS`, in place of `pulumi.dynamic`, with DAYS_LATER.
"""

import os
import runpy
from datetime import UTC, datetime, timedelta
from unittest import mock

from mesh import expiry


def judge_later(days: float) -> None:
    """Have certificates judged at that time for as long as this process lives."""
    mock.patch.object(expiry, "now", side_effect=lambda: _now() + timedelta(days=days)).start()


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    judge_later(float(os.environ["DAYS_LATER"]))
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
