"""Holding a split's Lease: one rollout at a time, and what others wish of it.

Every write is conditional on the object that was read (resourceVersion), so of two that would take
it, one does.
"""

import copy
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from canary import clock, exits, lease
from canary.errors import CanaryError
from canary.lease import PHASE, REASON, WEIGHT, Lease
from canary.moving import who
from canary.rollout.events import Wish
from canary.rollout.phase import Phase
from kube.api import Api, status_message
from kube.errors import OneLineError

SECONDS = 60
"""How long a lease holds after it was renewed."""

RENEW_SECONDS = 10.0
"""How often it is written where nothing has changed."""

WISH, WISHED_BY, WISHED_AT = (
    f"linkerd-canary/{name}" for name in ("wish", "wished-by", "wished-at")
)
"""Annotations that another terminal writes: what, who, and the weight that it was wished at."""

_WISHES = (WISH, WISHED_BY, WISHED_AT)

POLL_SECONDS = 2.0
"""How often it is looked at for a wish."""

_TRIES = 10

_OVER = [phase for phase in Phase if phase.goes_back]

WATCHED_SECONDS = 1.5 * RENEW_SECONDS
"""How long one that has expired by our clock is watched before it is taken over: its holder's clock
may be another."""


class LostError(CanaryError):
    """The lease is another's by now."""


def holder() -> str:
    """`anna@ws7/4121`: this process."""
    return f"{who()}/{os.getpid()}"


class Heard(NamedTuple):
    """What another terminal wishes."""

    wish: Wish
    by: str
    weight: float | None
    """In force when it was wished."""


class Held:
    """A lease that this process holds, or held."""

    def __init__(self, api: Api, namespace: str, service: str, name: str) -> None:
        """`name` is the holder's."""
        self._object = _Object(api, namespace, service)
        self._name = name
        self._renewed = -math.inf

    @contextmanager
    def held(self, at_once: bool = False) -> Iterator[None]:
        """Hold it until the end, as `acquire` takes it. Raises CanaryError, OneLineError."""
        self.acquire(at_once)
        try:
            yield
        finally:
            # Where it cannot be given back it expires.
            with suppress(CanaryError, OneLineError):
                self.release()

    @property
    def is_sure(self) -> bool:
        """Whether it holds for long enough yet to begin an update."""
        return clock.seconds() - self._renewed < SECONDS / 2

    def acquire(self, at_once: bool = False) -> None:
        """Take it where it is nobody's, or has expired. Raises CanaryError, OneLineError.

        `at_once` takes one that has expired over without watching it.
        """
        expired = [] if at_once else self._expired()
        if expired:
            self._watch(expired[0])
        now = _now()

        def taken(found: dict[str, Any]) -> None:
            self._must_be_free(found)
            spec = found.setdefault("spec", {})
            changes = int(spec.get("leaseTransitions") or 0) + 1
            spec.update(
                holderIdentity=self._name,
                leaseDurationSeconds=SECONDS,
                acquireTime=now,
                renewTime=now,
                leaseTransitions=changes,
            )
            found["metadata"].pop("annotations", None)

        self._object.change(taken)
        self._renewed = clock.seconds()

    def _expired(self) -> list[Lease]:
        found = lease.of(self._object.read() or {})
        return [found] if found is not None and found.is_expired(datetime.now(UTC)) else []

    def _watch(self, expired: Lease) -> None:
        """Raise CanaryError where its holder goes on renewing it."""
        print(f"{expired.who} held this split: watching whether it is gone …", flush=True)
        ends = time.monotonic() + WATCHED_SECONDS
        while time.monotonic() < ends:
            time.sleep(POLL_SECONDS)
            now = lease.of(self._object.read() or {})
            if now is None:
                return
            if now.renewed != expired.renewed:
                raise _taken(now)

    def _must_be_free(self, found: dict[str, Any]) -> None:
        other = lease.of(found)
        if other is None or other.is_expired(datetime.now(UTC)):
            return
        raise _taken(other)

    def renew(self, phase: str, reason: str, weight: float) -> Heard | None:
        """Go on holding it; what another terminal wishes. Raises LostError, OneLineError.

        A wish is handed over once.
        """
        wished: list[Heard] = []
        is_new: list[bool] = []
        is_due = clock.seconds() - self._renewed >= RENEW_SECONDS

        def renewed(found: dict[str, Any]) -> None:
            self._must_be_ours(found)
            notes = found["metadata"].setdefault("annotations", {})
            before = dict(notes)
            wished.clear()
            if notes.get(WISH) in list(Wish):
                by, at = notes.get(WISHED_BY, "somebody"), notes.get(WISHED_AT)
                wished.append(Heard(Wish(notes[WISH]), by, float(at) if at else None))
            for each in _WISHES:
                notes.pop(each, None)
            notes.update({PHASE: phase, REASON: reason, WEIGHT: f"{weight:g}"})
            is_new[:] = [is_due or notes != before]
            found["spec"]["renewTime"] = _now()

        self._object.change(renewed, only_if=lambda: is_new[0])
        if is_new[0]:
            self._renewed = clock.seconds()
        return wished[0] if wished else None

    def release(self) -> None:
        """Give it back, where it is still ours. Raises CanaryError, OneLineError."""

        def released(found: dict[str, Any]) -> None:
            self._must_be_ours(found)
            found["spec"].update(holderIdentity="", leaseDurationSeconds=1)
            found["metadata"].pop("annotations", None)

        self._object.change(released)

    def _must_be_ours(self, found: dict[str, Any]) -> None:
        held_by = (found.get("spec") or {}).get("holderIdentity")
        if held_by != self._name:
            now = lease.of(found)
            other = f"{now.who} runs it now" if now else "somebody gave it back"
            raise LostError(f"the lease of this rollout was lost: {other}", exits.DRIFTED)


def _taken(other: Lease) -> CanaryError:
    return CanaryError(f"{other.runs('this split')}: {lease.ACT}", exits.DRIFTED)


@contextmanager
def again_and_again(renew: Callable[[], None]) -> Iterator[None]:
    """Call it every few seconds on a thread of its own, until the end: updates take long."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(POLL_SECONDS):
            renew()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def wish(api: Api, namespace: str, service: str, what: Wish, by: str) -> bool:
    """Tell the one who holds a split; False where nobody does. Raises CanaryError, OneLineError."""
    heard: list[bool] = []

    def told(found: dict[str, Any]) -> None:
        held = lease.of(found)
        heard[:] = [held is not None and not held.is_expired(datetime.now(UTC))]
        if heard[0] and held and what is not Wish.ABORT and held.phase in _OVER:
            raise CanaryError(f"{held.who} takes it back to 0 %: nothing is to be promoted")
        if heard[0]:
            notes = found["metadata"].setdefault("annotations", {})
            # A promotion does not take an abort back that was not heard yet.
            if notes.get(WISH) != Wish.ABORT:
                notes.update({WISH: what.value, WISHED_BY: by, WISHED_AT: notes.get(WEIGHT, "")})

    _Object(api, namespace, service).change(told, only_if=lambda: heard[0])
    return heard[0]


class _Object:
    """The Lease as the API server has it."""

    def __init__(self, api: Api, namespace: str, service: str) -> None:
        self._api, self._namespace, self._service = api, namespace, service
        self._name = lease.name_of(service)

    def change(
        self, edit: Callable[[dict[str, Any]], None], only_if: Callable[[], bool] | None = None
    ) -> None:
        """Write it as `edit` leaves it, again while others write in between. Raises CanaryError."""
        for _ in range(_TRIES):
            found = self.read()
            wanted = copy.deepcopy(found) if found else self._new()
            edit(wanted)
            if only_if is not None and not only_if():
                return
            if self._write(wanted, is_new=found is None):
                return
        raise CanaryError(f"the lease {self._name} is written to all the time")

    def _new(self) -> dict[str, Any]:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {},
        }

    def read(self) -> dict[str, Any] | None:
        """None where there is none. Raises CanaryError, OneLineError."""
        return lease.get(self._api, self._namespace, self._service)

    def _write(self, wanted: dict[str, Any], *, is_new: bool) -> bool:
        """Whether it was still the object that was read."""
        if is_new:
            path = lease.path_of_all(self._namespace)
            answer = self._api.post(path, wanted, right=self._right("create"))
        else:
            path = lease.path_of(self._namespace, self._service)
            answer = self._api.put(path, wanted, right=self._right("update"))
        if answer.status in (200, 201):
            return True
        # 404 on a PUT: it was deleted in between.
        if answer.status == 409 or (answer.status == 404 and not is_new):
            return False
        raise CanaryError(f"{self._api.where}: the lease {self._name}: {status_message(answer)}")

    def _right(self, verb: str) -> str:
        return f"{verb} on leases in {self._namespace}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
