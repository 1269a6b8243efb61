"""What one linkerd has counted, off its page `/admin/metrics/prometheus`.

The page has thousands of lines and a cluster a hundred linkerds, so only the lines that name one of
a split's versions are read. linkerd counts each failure once plainly and once more for each
exception, with a label `exception`: those lines do not match.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from canary.analysis.strata import Latency, Version

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
                rf'rt:client:({KINDS})\{{rt="({labels})", client="(?:[^"]*/)?{re.escape(client)}"'
                rf'(?:, service="({_LABEL})")?(?:, quantile="([0-9.]+)")?\}} (\S+)'
            )
            for client in self.clients
        }

    def versions(self, page: str) -> dict[str, Version]:
        """What is counted of each bound name that has series. Raises MalformedPageError."""
        found: dict[str, _Series] = {}
        try:
            for client, line in self._lines.items():
                for kind, router, service, quantile, value in _matches(page, client, line):
                    if service and not self._counts(router, service):
                        continue
                    series = found.setdefault(f"/{client}", _Series())
                    series.take(kind, (router, service), quantile, float(value))
            return {name: series.version for name, series in found.items() if series.is_used}
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
        return float(found[1]) if found else 0.0
    except ValueError as error:
        raise MalformedPageError(str(error)) from None


@dataclass
class _Window:
    count: int = 0
    sum: float = 0.0
    quantiles: dict[float, float] = field(default_factory=dict)


@dataclass
class _Series:
    """The series of one bound name, of all services and routers."""

    totals: dict[str, int] = field(default_factory=dict)
    windows: dict[tuple[str, str], _Window] = field(default_factory=dict)

    def take(self, kind: str, place: tuple[str, str], quantile: str, value: float) -> None:
        name = kind.rpartition(":")[2]
        if kind == "service_creation:failures":
            name = "refused"
        if not name.startswith("request_latency_ms"):
            self.totals[name] = self.totals.get(name, 0) + int(value)
            return
        window = self.windows.setdefault(place, _Window())
        if quantile:
            window.quantiles[float(quantile)] = value
        elif name.endswith("_count"):
            window.count = int(value)
        else:
            window.sum = value

    @property
    def is_used(self) -> bool:
        """Whether the split's requests have come here, or tried to."""
        return "requests" in self.totals or any(self.totals.values())

    @property
    def version(self) -> Version:
        requests = self.totals.get("requests", 0)
        return Version(
            requests=requests,
            # Read one after the other while requests go on: a failure may be counted in between.
            failures=min(self.totals.get("failures", 0), requests),
            pending=max(self.totals.get("pending", 0), 0),
            refused=self.totals.get("refused", 0),
            latency=_latency(self.windows),
        )


def _latency(windows: Mapping[tuple[str, str], _Window]) -> Latency | None:
    """The window of the service with most requests: quantiles of several do not add up."""
    largest = max(windows.values(), key=lambda window: window.count, default=None)
    if largest is None or not largest.count or not largest.quantiles:
        return None
    return Latency(largest.count, largest.sum, largest.quantiles)
