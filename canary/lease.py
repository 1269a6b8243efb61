"""The Lease by which a rollout holds a split: whose it is, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from canary import exits
from canary.errors import CanaryError
from kube.api import Api, status_message

ACT = "canary abort or promote act on it"
"""What can be done about a rollout that is under way."""

PHASE, REASON, WEIGHT = (f"linkerd-canary/{name}" for name in ("phase", "reason", "weight"))
"""Annotations: Progressing, Holding or Paused; why, in a sentence; the step's percent."""


@dataclass(frozen=True)
class Lease:
    """A rollout that is under way."""

    holder: str
    """user@host/pid"""
    since: datetime | None
    renewed: datetime | None
    seconds: int
    """How long it holds after it was renewed."""
    phase: str = "Progressing"
    reason: str = ""
    weight: str = ""

    def is_expired(self, now: datetime) -> bool:
        """Whether its holder has not renewed it in time: it was killed, or is cut off."""
        return self.renewed is None or now > self.renewed + timedelta(seconds=self.seconds)

    @property
    def who(self) -> str:
        """`anna@ws7 (pid 4121)`"""
        person, _, pid = self.holder.partition("/")
        return f"{person} (pid {pid})" if pid else person

    def runs(self, what: str) -> str:
        """`anna@ws7 (pid 4121) runs a rollout of world-v2 since 13:58, at 10 %`"""
        since = f" since {self.since.astimezone():%H:%M}" if self.since else ""
        at = f", at {self.weight} %" if self.weight else ""
        return f"{self.who} runs a rollout of {what}{since}{at}"


def must_be_free(found: Lease | None, what: str) -> None:
    """Raise CanaryError where somebody holds it."""
    if found is not None and not found.is_expired(datetime.now(UTC)):
        raise CanaryError(f"{found.runs(what)}: {ACT}", exits.DRIFTED)


def name_of(service: str) -> str:
    """The name of a split's lease."""
    return f"canary-{service}"


def path_of(namespace: str, service: str) -> str:
    """Where the API server has a split's lease."""
    return f"{path_of_all(namespace)}/{name_of(service)}"


def path_of_all(namespace: str) -> str:
    """Where the API server has a namespace's leases."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


def read(api: Api, namespace: str, service: str) -> Lease | None:
    """The lease of a split, None where nobody holds one. Raises OneLineError, CanaryError."""
    return of(get(api, namespace, service) or {})


def get(api: Api, namespace: str, service: str) -> dict[str, Any] | None:
    """The object of a split's lease, None where there is none. Raises OneLineError, CanaryError."""
    name = name_of(service)
    right = f"get on leases named {name} in {namespace}"
    answer = api.get(path_of(namespace, service), right=right)
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise CanaryError(f"{api.where}: the lease {name}: {status_message(answer)}")
    return api.parsed(answer)


def of(found: Mapping[str, Any]) -> Lease | None:
    """An object's lease; None where its holder has given it back."""
    spec, metadata = found.get("spec") or {}, found.get("metadata") or {}
    if not spec.get("holderIdentity"):
        return None
    annotations = metadata.get("annotations") or {}
    return Lease(
        holder=str(spec["holderIdentity"]),
        since=_time(spec.get("acquireTime")),
        renewed=_time(spec.get("renewTime")),
        seconds=int(spec.get("leaseDurationSeconds") or 0),
        phase=str(annotations.get(PHASE) or "Progressing"),
        reason=str(annotations.get(REASON) or ""),
        weight=str(annotations.get(WEIGHT) or ""),
    )


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
