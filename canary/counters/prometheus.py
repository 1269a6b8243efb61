"""Reading the counters of every linkerd off a Prometheus that scrapes them.

Which linkerds there are, Kubernetes tells: one that Prometheus does not scrape is not read. Samples
are asked for as they were stored, with the times of their scrapes, and a scrape is read as a whole:
as the page that it was.
"""

import re
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from canary.analysis.strata import Reading
from canary.counters import reading, targets
from canary.counters.page import KINDS, STARTED, Expression, MalformedPageError, started
from canary.counters.querying import Prometheus, QueryError, Series, asking
from canary.counters.reading import Found, Seen, Unread
from canary.counters.targets import Key, Target
from dynamic.inputs import Linkerds
from kube.api import Api
from kube.errors import OneLineError

HISTORY_SECONDS = 300
"""How far back scrapes are looked for: as far as Prometheus itself looks for a series."""

MISSED = 2.5
"""Intervals after which the last scrape is too old: two were missed."""

DEFAULT_INTERVAL = 60.0
"""Seconds between scrapes where that is not known: Prometheus's default."""


def read(
    api: Api, linkerds: Iterable[Linkerds], expression: Expression, address: str, selector: str = ""
) -> Seen:
    """What every ready linkerd had counted when it was last scraped.

    If Prometheus cannot be asked, no linkerd is read. Raises OneLineError where the API server does
    not tell which linkerds there are.
    """
    found = reading.found(api, linkerds)
    try:
        with asking(api, address) as prometheus:
            return _Look(prometheus, selector, found).seen(expression)
    except OneLineError as error:
        unread = tuple(Unread(each.name, str(error)) for each in found)
        return Seen(time.monotonic(), (), unread)


class _Look:
    """The newest scrapes of linkerds. Every method raises OneLineError."""

    def __init__(self, prometheus: Prometheus, selector: str, found: Sequence[Found]) -> None:
        self._prometheus, self._selector, self._found = prometheus, selector, found
        self._now = prometheus.now()
        history = map(Target.of, self._series([f'__name__="{STARTED}"'], HISTORY_SECONDS))
        self._targets = targets.of_linkerds(found, history)
        known = [each.every for each in self._targets.values() if each.every]
        self._every = statistics.median(known) if known else None

    def seen(self, expression: Expression) -> Seen:
        """The counters in them."""
        fresh = {name: each for name, each in self._targets.items() if not self._is_old(each)}
        try:
            readings = tuple(self._readings(fresh, expression))
        except MalformedPageError as error:
            raise QueryError(f"{self._prometheus.where} has no counters there: {error}") from None
        age = statistics.fmean(self._age(each) for each in fresh.values()) if fresh else 0.0
        missing = (each.name for each in self._found if each.name not in fresh)
        unread = tuple(Unread(name, self._problem(name)) for name in missing)
        return Seen(time.monotonic() - age, readings, unread, self._every)

    def _series(self, matchers: Sequence[str], seconds: int) -> list[Series]:
        given = [*matchers, self._selector] if self._selector else matchers
        return self._prometheus.series(f"{{{', '.join(given)}}}", seconds, self._now)

    def _age(self, target: Target) -> float:
        return self._now - target.at

    def _is_old(self, target: Target) -> bool:
        every = target.every or self._every or DEFAULT_INTERVAL
        return self._age(target) > MISSED * every

    def _problem(self, name: str) -> str:
        where, target = self._prometheus.where, self._targets.get(name)
        if target is None:
            return f"{where} has no {STARTED} of it in the last {HISTORY_SECONDS} s"
        return f"{where} has not scraped it for {self._age(target):.0f} s"

    def _readings(self, fresh: Mapping[str, Target], expression: Expression) -> Iterator[Reading]:
        pages = self._pages(fresh.values(), expression)
        for name, target in fresh.items():
            versions = expression.versions("\n".join(pages[targets.key(target.labels)]))
            at = time.monotonic() - self._age(target)
            began = started(f"{STARTED} {target.value}")
            yield Reading(name, at, began, versions, target.at)

    def _pages(
        self, fresh: Iterable[Target], expression: Expression
    ) -> Mapping[Key, Sequence[str]]:
        """The lines that the newest scrapes had of the expression's clients."""
        by_key = {targets.key(target.labels): target for target in fresh}
        found: dict[Key, list[str]] = defaultdict(list)
        if not by_key:
            return found
        # To the oldest of the newest scrapes, and a second more: the beginning is left open.
        seconds = int(max(map(self._age, by_key.values()))) + 2
        names = "|".join(re.escape(client) for client in expression.clients)
        for label in targets.labels_of("client", by_key.values()):
            matchers = [
                f'__name__=~"rt:client:({KINDS})"',
                f'{label}=~"{_in_string(f"(.*/)?({names})")}"',
                'exception=""',
            ]
            for series in self._series(matchers, seconds):
                key = targets.key(series.labels)
                target = by_key.get(key)
                value = series.samples.get(target.at) if target else None
                if target and value is not None:
                    found[key].append(f"{target.line(series.labels)} {value}")
        return found


def _in_string(text: str) -> str:
    """As PromQL has it between double quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
