"""What one linkerd has counted, off its page `/admin/metrics/prometheus`.

The page has thousands of lines and a cluster a hundred linkerds, so only the lines that name one of
a split's versions are read. linkerd counts each failure once plainly and once more for each
exception, with a label `exception`: those lines do not match.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from canary.analysis.strata import Key, Latency, Series, Version

PATH = "/admin/metrics/prometheus"

STARTED = "jvm:start_time"
KINDS = (
    "service:(?:requests|failures|pending|request_latency_ms(?:_count|_sum)?)"
    "|service_creation:failures"
)
"""What is read of a client: names behind `rt:client:`."""

WINDOW_SECONDS = 10.0
"""The length of a latency window, as the mesh configures it."""

IsCounted = Callable[[str, str], bool]
"""Whether requests of a router and a service, as its labels name them, are drawn by the split."""

_STARTED = re.compile(rf"^{STARTED} (\S+)$", re.MULTILINE)
_LABEL = r'[^"\\\n]*(?:\\.[^"\\\n]*)*'
_ESCAPED = re.compile(r"\\(.)")


class MalformedPageError(ValueError):
    """Text that is no page of linkerd's counters."""


class Expression:
    """Finds the counters of some bound names, such as `/#/io.l5d.k8s/hello-world/http/world-v1`.

    A client's label is the bound name behind the prefixes of the router's transformers:
    `%/io.l5d.k8s.daemonset/linkerd/incoming/l5d/#/…` or, in a sidecar, `%/io.l5d.port/4141/#/…`.
    """

    def __init__(self, routers: Iterable[str], names: Iterable[str], is_counted: IsCounted) -> None:
        self._is_counted = is_counted
        self._counted: dict[tuple[str, str], bool] = {}
        self.clients = tuple(name.removeprefix("/") for name in sorted(names))
        """What the labels of the clients end with."""
        labels = "|".join(map(re.escape, sorted(routers)))
        self._lines = {
            client: re.compile(
                rf'rt:client:({KINDS})\{{rt="({labels})", client="((?:[^"]*/)?){re.escape(client)}"'
                rf'(?:, service="({_LABEL})")?(?:, quantile="([0-9.]+)")?\}} (\S+)'
            )
            for client in self.clients
        }

    def versions(self, page: str) -> dict[str, Version]:
        """What is counted of each bound name that has series. Raises MalformedPageError."""
        found: dict[str, _Version] = {}
        try:
            for client, line in self._lines.items():
                for kind, router, prefix, service, quantile, value in _matches(page, client, line):
                    if service and not self._counts(router, service):
                        continue
                    version = found.setdefault(f"/{client}", _Version())
                    version.take(kind, (router, prefix, service), quantile, _number(kind, value))
            return {name: version.version for name, version in found.items() if version.is_used}
        except ValueError as error:
            raise MalformedPageError(str(error)) from None

    def _counts(self, router: str, service: str) -> bool:
        known = self._counted.get((router, service))
        if known is None:
            known = self._is_counted(router, _ESCAPED.sub(r"\1", service))
            self._counted[router, service] = known
        return known


def _matches(page: str, client: str, line: re.Pattern[str]) -> Iterator[tuple[str, ...]]:
    """What a pattern finds in the lines with a label that ends with a client's name.

    Searching for a plain text takes a fortieth of the time of matching every line of the page.
    """
    label = f'{client}"'
    at = page.find(label)
    while at >= 0:
        end = page.find("\n", at)
        end = len(page) if end < 0 else end
        if found := line.fullmatch(page, page.rfind("\n", 0, at) + 1, end):
            yield found.groups(default="")
        at = page.find(label, end)


def started(page: str) -> float:
    """linkerd's `jvm:start_time`, in ms since 1970. Raises MalformedPageError."""
    found = _STARTED.search(page)
    try:
        return _number(STARTED, found[1]) if found else 0.0
    except ValueError as error:
        raise MalformedPageError(str(error)) from None


def _number(name: str, text: str) -> float:
    """Raises ValueError for what linkerd counts nothing by."""
    value = float(text)
    # The gauge of what waits is put together while requests begin and end.
    if not math.isfinite(value) or (value < 0 and not name.endswith(":pending")):
        raise ValueError(f"{name} is {text}")
    return value


@dataclass
class _Series:
    totals: dict[str, int] = field(default_factory=dict)
    count: int = 0
    sum: float = 0.0
    quantiles: dict[float, float] = field(default_factory=dict)

    def take(self, name: str, quantile: str, value: float) -> None:
        if not name.startswith("request_latency_ms"):
            self.totals[name] = int(value)
        elif quantile:
            self.quantiles[float(quantile)] = value
        elif name.endswith("_count"):
            self.count = int(value)
        else:
            self.sum = value

    @property
    def is_used(self) -> bool:
        """Whether the split's requests have come here."""
        return "requests" in self.totals or any(self.totals.values())

    @property
    def series(self) -> Series:
        requests = self.totals.get("requests", 0)
        return Series(
            requests=requests,
            # Read one after the other while requests go on: a failure may be counted in between.
            failures=min(self.totals.get("failures", 0), requests),
            pending=max(self.totals.get("pending", 0), 0),
            latency=self._latency,
        )

    @property
    def _latency(self) -> Latency | None:
        if not self.count or not self.quantiles:
            return None
        return Latency(self.count, self.sum, self.quantiles)


@dataclass
class _Version:
    """What is read of one bound name."""

    by_key: dict[Key, _Series] = field(default_factory=dict)
    refused: int = 0

    def take(self, kind: str, key: Key, quantile: str, value: float) -> None:
        if kind == "service_creation:failures":
            self.refused += int(value)
            return
        series = self.by_key.setdefault(key, _Series())
        series.take(kind.rpartition(":")[2], quantile, value)

    @property
    def is_used(self) -> bool:
        """Whether the split's requests have come here, or tried to."""
        return bool(self.refused) or any(each.is_used for each in self.by_key.values())

    @property
    def version(self) -> Version:
        used = {key: each.series for key, each in self.by_key.items() if each.is_used}
        return Version(used, self.refused)
