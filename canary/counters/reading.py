"""Reading the counters of every linkerd that routes by a split, through the API server's proxy."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from canary.analysis.strata import Reading
from canary.counters import page
from canary.counters.page import Expression, MalformedPageError
from dynamic.inputs import Linkerds
from dynamic.linkerds import AT_ONCE, Pod, pods_of
from kube.api import Api, status_message
from kube.errors import DeniedError, OneLineError


@dataclass(frozen=True)
class Unread:
    """A linkerd whose counters could not be read."""

    node: str
    problem: str


@dataclass(frozen=True)
class Seen:
    """The counters of all linkerds at about one moment."""

    at: float
    """Seconds of one clock: this process's monotonic one, or Prometheus's."""
    readings: tuple[Reading, ...]
    unread: tuple[Unread, ...] = ()
    every: float | None = None
    """Seconds between Prometheus's scrapes; None where we asked linkerd, or it is not known."""

    def is_after(self, other: "Seen") -> bool:
        """Whether all counters were read after another look, and not by the same scrape."""
        scrapes = {each.node: each.scrape for each in other.readings}
        return all(_is_after(each.scrape, scrapes.get(each.node)) for each in self.readings)


@dataclass(frozen=True)
class Found:
    """A linkerd."""

    name: str
    """Its node, or its pod where the node has several: sidecars, or a rollout."""
    pod: Pod
    linkerds: Linkerds


def read(api: Api, linkerds: Iterable[Linkerds], expression: Expression) -> Seen:
    """What every linkerd has counted, asked all at once. Raises OneLineError.

    One that is not ready is not asked: until it is, or is given up, its counters are missing.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda each: _one(api, each, expression), found(api, linkerds)))
    return Seen(
        time.monotonic(),
        tuple(each for each in results if isinstance(each, Reading)),
        tuple(each for each in results if isinstance(each, Unread)),
    )


def found(api: Api, linkerds: Iterable[Linkerds]) -> list[Found]:
    """The linkerds, each once whichever selectors find it. Raises OneLineError."""
    pods: dict[tuple[str, str], tuple[Linkerds, Pod]] = {}
    for each in linkerds:
        for pod in pods_of(api, each):
            pods.setdefault((each.namespace, pod.name), (each, pod))
    names = _names([pod for _, pod in pods.values()])
    return [Found(name, pod, each) for name, (each, pod) in zip(names, pods.values(), strict=True)]


def _names(pods: Sequence[Pod]) -> list[str]:
    """The node of each linkerd, or its pod where the node has several: sidecars, or a rollout.

    One that is not ready yet takes no other's name.
    """
    ready = Counter(pod.node for pod in pods if pod.is_ready)
    others = Counter(pod.node for pod in pods if not pod.is_ready)

    def is_alone(pod: Pod) -> bool:
        if pod.is_ready:
            return ready[pod.node] == 1
        return not ready[pod.node] and others[pod.node] == 1

    return [pod.node if is_alone(pod) else pod.name for pod in pods]


def _is_after(scrape: float | None, before: float | None) -> bool:
    return scrape is None or before is None or scrape > before


def _one(api: Api, linkerd: Found, expression: Expression) -> Reading | Unread:
    name, where, port = linkerd.name, linkerd.linkerds.namespace, linkerd.linkerds.port
    if not linkerd.pod.is_ready:
        return Unread(name, f"its pod {linkerd.pod.name} is not ready")
    try:
        answer = api.get_proxied(
            "pods", where, linkerd.pod.name, port, page.PATH, right=f"get on pods/proxy in {where}"
        )
    except DeniedError:
        raise
    except OneLineError as error:
        return Unread(name, str(error))
    at = time.monotonic()
    if answer.status != 200:
        return Unread(name, f"its counters: {answer.status}, {status_message(answer)}")
    try:
        text = answer.text
        return Reading(name, at, page.started(text), expression.versions(text))
    except MalformedPageError as error:
        return Unread(name, f"its counters cannot be read: {error}")
