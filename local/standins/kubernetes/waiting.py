"""Waiting for an object to become ready, and for one to be gone."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from local.standins.kubernetes import objects, readiness, wait_for
from local.standins.kubernetes.cluster import Cluster
from local.standins.kubernetes.errors import (
    CancelledError,
    FailedError,
    GoneError,
    NoAnswerError,
    NotReadyError,
    PluginError,
)
from local.standins.kubernetes.paths import value_at
from local.standins.kubernetes.values import Object

DEFAULT_SECONDS = 600.0
"""How long a resource is waited for by default; pulumi-kubernetes' own limit."""

LOOK_AGAIN = 2.0
"""Seconds after which a quiet object's pods are asked what holds them, and a stop is noticed."""

ENDPOINTS_AGAIN = 0.3
"""Seconds between two looks at a Service's endpoints, which are objects of their own."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, how to be stopped, and whom to tell what is waited for."""

    seconds: float
    stop: threading.Event
    say: Callable[[str], None]

    @staticmethod
    def seconds_for(inputs: Object, custom_timeout: float) -> float:
        """The resource's `customTimeouts`, else its annotation, else the default."""
        annotated = objects.annotation(inputs, "pulumi.com/timeoutSeconds")
        return custom_timeout or (float(annotated) if annotated.isdecimal() else DEFAULT_SECONDS)


def what_is_missing(cluster: Cluster, live: Object) -> str | None:
    """What a live object still waits for, or None; raises FailedError."""
    if objects.is_true(live, readiness.SKIP):
        return None
    if objects.annotation(live, wait_for.ANNOTATION):
        return wait_for.missing(live)
    endpoints = not readiness.waits_for_endpoints(live) or cluster.has_endpoints(live)
    return readiness.missing(live, has_endpoints=endpoints)


def check_ready(cluster: Cluster, live: Object) -> None:
    """Raise NotReadyError where a live object is not ready at this moment."""
    try:
        what = what_is_missing(cluster, live)
    except FailedError as error:
        what = str(error)
    if what is not None:
        raise NotReadyError(live, [f"{objects.described(live)}: {what}", *_problems(cluster, live)])


def until_ready(cluster: Cluster, live: Object, patience: Patience) -> Object:
    """Wait for an object that was just written; its state when it is ready.

    Raises NotReadyError when it fails, when time is over, and when the engine says stop.
    """
    deadline = time.monotonic() + patience.seconds
    try:
        while True:
            what = _missing_or_unanswered(cluster, live)
            if what is None:
                return live
            patience.say(what)
            if patience.stop.is_set():
                raise CancelledError(f"cancelled while waiting: {what}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise FailedError(f"not ready within {patience.seconds:.0f} s: {what}")
            live = _next_state(cluster, live, min(left, LOOK_AGAIN), patience)
    except PluginError as error:
        reasons = [f"{objects.described(live)}: {error}", *_problems(cluster, live)]
        raise NotReadyError(live, reasons) from error


def _missing_or_unanswered(cluster: Cluster, live: Object) -> str | None:
    """What it waits for; an API server that does not answer for a while is waited for, too."""
    try:
        return what_is_missing(cluster, live)
    except NoAnswerError as outage:
        return str(outage)


def _next_state(cluster: Cluster, live: Object, seconds: float, patience: Patience) -> Object:
    """The object after its next change or after a while, whichever is first."""
    try:
        if readiness.waits_for_endpoints(live):
            patience.stop.wait(min(seconds, ENDPOINTS_AGAIN))
            changed = cluster.get(live)
            if changed is None:
                raise GoneError("it was deleted while it was waited for")
        else:
            changed = cluster.next_change(live, seconds)
    except NoAnswerError as outage:
        patience.say(str(outage))
        patience.stop.wait(min(seconds, LOOK_AGAIN))
        return live
    if changed is None:
        for problem in _problems(cluster, live)[:1]:
            patience.say(problem)
    return changed or live


def _problems(cluster: Cluster, live: Object) -> list[str]:
    """What its pods say, where they can be asked."""
    try:
        return readiness.pod_problems(cluster.pods_of(live))
    except PluginError:
        return []


def until_gone(cluster: Cluster, live: Object, patience: Patience) -> None:
    """Wait until a deleted object is no more; raises FailedError and CancelledError."""
    deadline = time.monotonic() + patience.seconds
    uid = objects.metadata(live).get("uid")
    while True:
        left = deadline - time.monotonic()
        held = f"{objects.described(live)} is still being deleted{_held_by(live)}"
        if left <= 0:
            raise FailedError(f"{held}; given up after {patience.seconds:.0f} s")
        if patience.stop.is_set():
            raise CancelledError(f"cancelled: {held}")
        try:
            changed = cluster.next_change(live, min(left, LOOK_AGAIN))
            if changed is None:
                patience.say(held)
                changed = cluster.get(live)
        except GoneError:
            return
        except NoAnswerError as outage:
            patience.say(str(outage))
            patience.stop.wait(min(left, LOOK_AGAIN))
            continue
        if changed is None or objects.metadata(changed).get("uid") != uid:
            return
        live = changed


def _held_by(live: Object) -> str:
    """The finalizers of an object, and what a namespace says of its content."""
    finalizers = objects.metadata(live).get("finalizers") or []
    text = f", held by {', '.join(finalizers)}" if finalizers else ""
    conditions: list[Object] = value_at(live, ("status", "conditions")) or []
    remaining = [str(c.get("message")) for c in conditions if c.get("status") == "True"]
    namespace = live.get("kind") == "Namespace" and remaining
    return f"{text}: {remaining[0]}" if namespace else text
