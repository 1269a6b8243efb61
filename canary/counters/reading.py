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
    """Seconds of this process's monotonic clock."""
    readings: tuple[Reading, ...]
    unread: tuple[Unread, ...] = ()


def read(api: Api, linkerds: Iterable[Linkerds], expression: Expression) -> Seen:
    """What every linkerd has counted, asked all at once. Raises OneLineError.

    One that is not ready is not asked: until it is, or is given up, its counters are missing. A pod
    that several selectors find is read once.
    """
    found: dict[tuple[str, str], tuple[Linkerds, Pod]] = {}
    for each in linkerds:
        for pod in pods_of(api, each):
            found.setdefault((each.namespace, pod.name), (each, pod))
    pods = list(found.values())
    names = _names([pod for _, pod in pods])

    def asked(given: tuple[Linkerds, Pod], name: str) -> Reading | Unread:
        return _one(api, given[0], given[1], name, expression)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(asked, pods, names))
    return Seen(
        time.monotonic(),
        tuple(each for each in results if isinstance(each, Reading)),
        tuple(each for each in results if isinstance(each, Unread)),
    )


def _names(pods: Sequence[Pod]) -> list[str]:
    """The node of each linkerd, or its pod where the node has several: sidecars, or a rollout.

    One that is not ready yet takes no other's name.
    """
    ready = Counter(pod.node for pod in pods if pod.is_ready)
    others = Counter(pod.node for pod in pods if not pod.is_ready)

    def is_alone(pod: Pod) -> bool:
        return ready[pod.node] == 1 if pod.is_ready else not ready[pod.node] + others[pod.node] - 1

    return [pod.node if is_alone(pod) else pod.name for pod in pods]


def _one(
    api: Api, linkerds: Linkerds, pod: Pod, name: str, expression: Expression
) -> Reading | Unread:
    where = linkerds.namespace
    if not pod.is_ready:
        return Unread(name, f"its pod {pod.name} is not ready")
    try:
        answer = api.get_proxied(
            "pods", where, pod.name, linkerds.port, page.PATH, right=f"get on pods/proxy in {where}"
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
