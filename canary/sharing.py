"""Waiting until traffic does what a weight says."""

import time

from canary import exits, figures, findings, overview
from canary.analysis.limits import Limits
from canary.analysis.share import Share
from canary.counters import measured
from canary.counters.page import Expression
from canary.counters.reading import Seen
from canary.errors import CanaryError
from canary.stack.split import Split
from kube.api import Api
from kube.errors import OneLineError

LOOK_SECONDS = 1.0


def wait_for_share(api: Api, split: Split, weight: float, limits: Limits, seconds: float) -> int:
    """Wait until the requests since now are drawn by a weight in percent; the exit code.

    That takes `min_requests` of them, and a share whose interval has the weight in it.
    Raises CanaryError where the cluster cannot be asked any more.
    """
    names, expression = overview.what_is_counted(split)
    end = time.monotonic() + seconds
    try:
        first = _first(api, split, expression, end)
        while True:
            time.sleep(LOOK_SECONDS)
            now = overview.look(api, split, expression)
            traffic = measured.between(first, now, names)
            found = findings.share_of(split.canary, names, traffic)
            if _agrees(found, weight, limits):
                shown = figures.share(found.value, found.interval())
                print(f"{shown} of {found.attempts:,} requests reach {split.canary}.", flush=True)
                return exits.DONE
            if time.monotonic() + LOOK_SECONDS > end:
                print(_told(found, split.canary, weight, limits, seconds), flush=True)
                return exits.HELD
            if _is_of_before(found, weight, limits):
                # Requests that were drawn before are counted when they are answered.
                first = now
    except OneLineError as error:
        raise CanaryError(str(error)) from None


def _first(api: Api, split: Split, expression: Expression, end: float) -> Seen:
    """A look after which all requests are drawn by the weight.

    What Prometheus scraped last may be of before it, so it takes another scrape of each linkerd.
    """
    before = overview.look(api, split, expression)
    if not split.limits.prometheus:
        return before
    while True:
        time.sleep(LOOK_SECONDS)
        now = overview.look(api, split, expression)
        is_after = bool(before.readings) and now.is_after(before)
        if is_after or time.monotonic() + LOOK_SECONDS > end:
            return now
        before = before if before.readings else now


def _agrees(found: Share, weight: float, limits: Limits) -> bool:
    low, high = found.interval()
    return found.attempts >= limits.min_requests and low <= weight / 100 <= high


def _is_of_before(found: Share, weight: float, limits: Limits) -> bool:
    return found.is_wrong(weight / 100, limits.log_evidence_limit)


def _told(found: Share, canary: str, weight: float, limits: Limits, seconds: float) -> str:
    least = limits.min_requests
    if found.attempts < least:
        return (
            f"{figures.percent(weight)}: no data: {found.attempts} requests in the last of "
            f"{seconds:g} s, {least} are needed."
        )
    return findings.wrong_share(canary, weight, found)
