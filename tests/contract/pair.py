"""A running namerd and linkerd, and what tests ask of the two together."""

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from statistics import NormalDist

from tests.contract.namerd_api import NamerdApi
from tests.contract.talk import Answer, Talker

CLIENTS = 4
"""Connections that requests are spread over."""

TAIL = 1e-6
"""How likely a right split may be to fail its test."""


@dataclass(frozen=True)
class Mesh:
    """A linkerd with its namerd, and apps behind it."""

    namerd: NamerdApi
    linkerd: Talker
    """The outgoing router."""
    admin: Talker
    apps: str
    """The Kubernetes namespace of hello, world-v1 and world-v2."""
    own: str
    """The Kubernetes namespace of linkerd and namerd."""

    def chosen(self, name: str) -> Mapping[str, str]:
        """The header by which an outgoing router tells an incoming one that it chose a service."""
        return {"l5d-dst-client": f"/{self.client(name)}"}

    def client(self, name: str) -> str:
        """What the outgoing router calls the way to a service, in headers and metrics."""
        prefix = f"%/io.l5d.k8s.daemonset/{self.own}/incoming/l5d"
        return f"{prefix}/#/io.l5d.k8s/{self.apps}/http/{name}"

    def ask(self, host: str, dtab: str = "", **headers: str) -> Answer:
        """One request for a service, by a routing table of its own if there is one."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.linkerd.get("/", {"Host": host, **_override(dtab), **named})

    def outcomes(self, dtab: str, count: int, host: str = "world") -> Counter[str]:
        """What requests by a routing table of their own came to: texts, or statuses."""
        return outcomes(self.linkerd, {"Host": host, **_override(dtab)}, count)


def _override(dtab: str) -> Mapping[str, str]:
    return {"l5d-dtab": dtab} if dtab else {}


def outcomes(
    talker: Talker, headers: Mapping[str, str], count: int, method: str = "GET"
) -> Counter[str]:
    """How often each answer came: the first word of a success, or the status, or the error."""

    def some(requests: int) -> Counter[str]:
        seen: Counter[str] = Counter()
        with talker.keep() as conversation:
            for _ in range(requests):
                try:
                    answer = conversation.ask(method, "/", headers)
                except (OSError, HTTPException) as error:
                    conversation.close()
                    seen[type(error).__name__] += 1
                    continue
                seen[answer.text.split()[0] if answer.status == 200 else str(answer.status)] += 1
        return seen

    shares = [count // CLIENTS + (client < count % CLIENTS) for client in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(some, shares), Counter())


def assert_share(seen: int, of: int, share: float) -> None:
    """That `seen` of `of` is what a draw with probability `share` gives, within a bound that a
    right draw passes all but one time in a million."""
    deviation = NormalDist().inv_cdf(1 - TAIL / 2) * (of * share * (1 - share)) ** 0.5
    assert abs(seen - of * share) <= deviation + 1, f"{seen} of {of} instead of {share:.1%}"


def assert_share_of_four_sigma(measure: Callable[[int], int], count: int, share: float) -> None:
    """That `measure(count)` is within four standard deviations of what `share` gives.

    One that is not is measured once more: of many right shares one in 16,000 would fail, and that
    chance must not decide a run. One that is wrong fails again.
    """
    bound = 4 * (count * share * (1 - share)) ** 0.5
    seen = [measure(count)]
    if abs(seen[0] - count * share) > bound:
        seen.append(measure(count))
    assert abs(seen[-1] - count * share) <= bound, f"{seen} of {count} instead of {share:.1%}"
