"""Which of Prometheus's targets is which linkerd, and linkerd's labels among a target's.

Prometheus gives all series of a target the same labels, under names that its configuration chooses.
So a linkerd is found by their values. Where a target has a label of a name that linkerd uses too,
as `service` where targets are found by services, Prometheus calls linkerd's `exported_service`, or
with `honor_labels` drops its own.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from canary.counters.querying import Series
from canary.counters.reading import Found

OWN = ("rt", "client", "service", "quantile")
"""linkerd's labels, in the order in which its page has them."""

_NO_PART = {"__name__", *OWN, *(f"exported_{name}" for name in OWN)}

Key = frozenset[tuple[str, str]]
"""The labels of a target, without those that linkerd's series may have of their own."""


@dataclass(frozen=True)
class Target:
    """What Prometheus scrapes, by a series that has the target's labels alone."""

    labels: Mapping[str, str]
    at: float
    """The newest scrape, in seconds since 1970 by Prometheus's clock."""
    value: str
    """That of the series in it."""
    every: float | None
    """Seconds from one scrape to the next; None where there was only one."""

    @classmethod
    def of(cls, series: Series) -> "Target":
        """By the samples of a series, one at least."""
        times = sorted(series.samples)
        steps = [after - before for before, after in pairwise(times)]
        every = statistics.median(steps) if steps else None
        return cls(series.labels, times[-1], series.samples[times[-1]], every)

    def line(self, labels: Mapping[str, str]) -> str:
        """One of its series as linkerd's page has it, without the value."""
        own = ((name, self._own(labels, name)) for name in OWN)
        shown = ", ".join(f'{name}="{_escaped(value)}"' for name, value in own if value)
        return f"{labels['__name__']}{{{shown}}}"

    def _own(self, labels: Mapping[str, str], name: str) -> str:
        exported = labels.get(f"exported_{name}")
        if exported is not None:
            return exported
        value = labels.get(name, "")
        return "" if value == self.labels.get(name) else value


def key(labels: Mapping[str, str]) -> Key:
    """What a target's series have in common."""
    return frozenset((name, value) for name, value in labels.items() if name not in _NO_PART)


def labels_of(name: str, some: Iterable[Target]) -> list[str]:
    """What one of linkerd's labels may be called in the series of some targets."""
    is_taken = any(name in target.labels for target in some)
    return [name, f"exported_{name}"] if is_taken else [name]


def of_linkerds(found: Iterable[Found], targets: Iterable[Target]) -> dict[str, Target]:
    """The target of each linkerd, by its name; of several that with the newest scrape.

    By a label with the pod's name, by one with its address, or by one with its node's name where
    no other linkerd is on the node.
    """
    by_value: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        for value in {value for name, value in target.labels.items() if name != "__name__"}:
            by_value[value].append(target)
    chosen = {each.name: _candidates(each, by_value) for each in found}
    return {name: max(some, key=lambda target: target.at) for name, some in chosen.items() if some}


def _candidates(linkerd: Found, by_value: Mapping[str, list[Target]]) -> Sequence[Target]:
    def of(*values: str) -> list[Target]:
        return [target for value in values for target in by_value.get(value, ())]

    pod, port = linkerd.pod, linkerd.linkerds.port
    by_name = of(pod.name)
    address = f"[{pod.address}]" if ":" in pod.address else pod.address
    by_address = of(f"{address}:{port}", pod.address) if pod.address else []
    both = [target for target in by_name if target in by_address]
    by_node = of(pod.node) if linkerd.name == pod.node else []
    return both or by_name or by_address or by_node


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
